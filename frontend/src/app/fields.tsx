/** The fields of a form, each with its label, its hint and what is wrong with it. */

import type { ComponentChildren } from "preact";

interface Common {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly problem?: string | undefined;
  readonly wide?: boolean;
}

interface FieldProps extends Common {
  readonly value: string;
  readonly placeholder?: string;
  readonly unit?: string;
  readonly numeric?: boolean;
  /** Shown as dots; the word tells a browser's password manager what it is. */
  readonly secret?: "current-password" | "new-password";
  readonly autofocus?: boolean;
  /** Characters. */
  readonly most?: number;
  onInput(text: string): void;
}

export function Field({ value, placeholder = "", unit, numeric = false, secret, autofocus = false, most, onInput, ...common }: FieldProps) {
  const attributes = {
    name: common.name,
    autofocus,
    spellcheck: false,
    value,
    placeholder,
    ...(most !== undefined && { maxLength: most }),
    ...described(common),
    onInput: ({ currentTarget: { value: text } }: { readonly currentTarget: HTMLInputElement }) => onInput(numeric ? text.replace(",", ".") : text),
  };
  return (
    <Labelled {...common}>
      <span class="field" data-unit={unit !== undefined && unit !== ""}>
        {secret ? <input type="password" autocomplete={secret} {...attributes} /> : <input type="text" inputMode={numeric ? "decimal" : "text"} autocomplete="off" {...attributes} />}
        {unit && <i aria-hidden="true">{unit}</i>}
      </span>
    </Labelled>
  );
}

interface SelectProps extends Common {
  readonly value: string;
  readonly options: readonly (readonly [value: string, label: string])[];
  onChange(value: string): void;
}

export function SelectField({ value, options, onChange, ...common }: SelectProps) {
  return (
    <Labelled {...common}>
      <span class="field">
        <select name={common.name} value={value} {...described(common)} onChange={(event) => onChange(event.currentTarget.value)}>
          {options.map(([one, label]) => <option key={one} value={one}>{label}</option>)}
        </select>
        <i class="caret" aria-hidden="true" />
      </span>
    </Labelled>
  );
}

interface SwitchProps extends Common {
  readonly on: boolean;
  onChange(on: boolean): void;
}

export function SwitchField({ on, onChange, ...common }: SwitchProps) {
  return (
    <div class="switch-field wide">
      <button type="button" class="switch" role="switch" id={`f-${common.name}`} aria-checked={on} aria-labelledby={`l-${common.name}`} aria-describedby={`h-${common.name}`} onClick={() => onChange(!on)} />
      <p>
        <label id={`l-${common.name}`} for={`f-${common.name}`}>{common.label}</label>
        <small id={`h-${common.name}`}>{common.hint}</small>
      </p>
    </div>
  );
}

interface CheckProps extends Common {
  readonly on: boolean;
  readonly disabled?: boolean;
  onChange?(on: boolean): void;
}

/** A box to tick, for what is agreed to or allowed. */
export function CheckField({ on, disabled = false, onChange, ...common }: CheckProps) {
  return (
    <div class="check-field" data-problem={common.problem !== undefined}>
      <input
        type="checkbox" id={`f-${common.name}`} name={common.name} checked={on} disabled={disabled} {...described(common)}
        onChange={(event) => onChange?.(event.currentTarget.checked)}
      />
      <p>
        <label for={`f-${common.name}`}>{common.label}</label>
        {common.hint && <small id={`h-${common.name}`}>{common.hint}</small>}
        {common.problem && <small class="form-problem" id={`p-${common.name}`}>{common.problem}</small>}
      </p>
    </div>
  );
}

function Labelled({ name, label, hint, problem, wide = false, children }: Common & { readonly children: ComponentChildren }) {
  return (
    <div class={wide ? "labelled wide" : "labelled"} data-problem={problem !== undefined}>
      <label>
        <span>{label}</span>
        {children}
      </label>
      {problem ? <small class="form-problem" id={`p-${name}`}>{problem}</small> : hint && <small id={`h-${name}`}>{hint}</small>}
    </div>
  );
}

function described({ name, hint, problem }: Common) {
  const by = problem ? `p-${name}` : hint ? `h-${name}` : undefined;
  return { "aria-invalid": problem !== undefined, ...(by !== undefined && { "aria-describedby": by }) };
}
