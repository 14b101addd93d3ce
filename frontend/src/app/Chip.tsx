/** A choice that is one press away. */

export function Chip({ label, on, onClick }: { readonly label: string; readonly on: boolean; onClick(): void }) {
  return <button type="button" class="chip" aria-pressed={on} onClick={onClick}>{label}</button>;
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, label: string])[];
  onChange(value: string): void;
}

/** A choice of many; the first option is the one that narrows nothing. */
export function ChipSelect({ label, value, options, onChange }: SelectProps) {
  return (
    <span class="chip-select" data-chosen={value !== ""}>
      <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([one, text]) => <option key={one} value={one}>{text}</option>)}
      </select>
      <i class="caret" aria-hidden="true" />
    </span>
  );
}
