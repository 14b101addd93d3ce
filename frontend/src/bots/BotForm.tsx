/** The settings of a bot, as its strategy describes them. */

import { type Bot, decimal as exact, isUp, type Parameter, type Strategy } from "@openoutcry/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { Money } from "./Money.tsx";
import type { BotsView } from "./page.tsx";
import { Field, SelectField, SwitchField } from "../app/fields.tsx";
import { inWords } from "../state/actions.ts";
import {
  type BotValues, changeOf, choiceOf, draftOf, emptyValues, isReal, labelOf, LIMITS, type Problems, problemsIn, problemsOf, strategyOf, valuesOf, withStrategy,
} from "../state/botForm.ts";
import { decimal } from "../state/format.ts";
import { marketOf } from "../state/tickers.ts";

interface Props {
  readonly view: BotsView;
  readonly bot: Bot | null;
  readonly strategies: readonly Strategy[];
  onClose(): void;
}

const LIMIT_WORDS: Readonly<Record<(typeof LIMITS)[number], readonly [string, string]>> = {
  max_order: ["Most per order", "What one order may be worth at most."],
  max_position: ["Most held", "What may be held at most, at cost."],
  price_band: ["Price band", "How far a limit may be from the last trade, in percent."],
};

export function BotForm({ view, bot, strategies, onClose }: Props) {
  const { desk, actions } = view;
  const { config, trading } = desk;
  const first = strategies.find(({ name }) => name === (bot?.strategy ?? "scalper")) ?? strategies[0];
  const [values, setValues] = useState<BotValues | null>(() => (first ? (bot ? valuesOf(bot, first) : emptyValues(first, desk.view.peek().symbol)) : null));
  const [shown, setShown] = useState<Problems>({});
  const [rest, setRest] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const strategy = strategies.find(({ name }) => name === values?.strategy);
  const ticker = values?.ticker ?? null;
  useEffect(() => {
    if (!bot) form.current?.querySelector<HTMLElement>("select, input")?.focus();
  }, []);
  useEffect(() => {
    trading.alsoPriced.value = ticker;
    return () => void (trading.alsoPriced.value = null);
  }, [ticker]);
  if (!values || !strategy) return <p class="form form-problem">The server knows no strategy {bot?.strategy}.</p>;

  const set = (change: Partial<BotValues>): void => setValues({ ...values, ...change });
  const forget = (name: string): void => setShown(Object.fromEntries(Object.entries(shown).filter(([other]) => other !== name)));
  const parameter = (name: string, text: string): void => {
    forget(name);
    set({ parameters: { ...values.parameters, [name]: text } });
  };

  const save = async (start: boolean): Promise<void> => {
    if (busy) return;
    const wrong = problemsOf(values, strategy, bot === null);
    setShown(wrong);
    setRest(null);
    if (Object.keys(wrong).length > 0) return focusFirst(form.current);
    setBusy(true);
    try {
      const done = bot
        ? await trading.api.replaceBot(bot.id, changeOf(values, strategy))
        : await trading.api.createBot(draftOf(values, strategy, start));
      await actions.catchUp();
      desk.say(bot ? `“${done.name}” is changed.` : `“${done.name}” is ${done.status === "ACTIVE" ? "running" : "there, stopped"}.`);
      onClose();
    } catch (error) {
      const told = problemsIn(inWords(error), ["name", "ticker", "exchange", "leverage", ...strategy.parameters.map(({ name }) => name), ...LIMITS]);
      setShown(told.fields);
      setRest(told.rest || null);
      setBusy(false);
      focusFirst(form.current);
    }
  };

  const { base, quote, priceScale } = marketOf(config, values.ticker);
  const real = isReal(values);
  void trading.bids.revision.value;
  const bid = isUp(desk.hub.status.value.state) ? trading.bids.of(values.ticker) : null;
  return (
    <form
      class="form bot-form"
      ref={form}
      noValidate
      aria-busy={busy}
      onSubmit={(event) => {
        event.preventDefault();
        void save(false);
      }}
    >
      {!bot && (
        <SelectField
          name="strategy" label="Strategy" value={values.strategy} hint={strategy.summary} wide
          options={strategies.map(({ name }) => [name, strategyOf(name)])}
          onChange={(name) => setValues(withStrategy(values, strategies.find((one) => one.name === name) ?? strategy))}
        />
      )}
      {!bot && (
        <SelectField
          name="ticker" label="Market" value={values.ticker} problem={shown.ticker}
          options={config.symbols.map((one) => [one.symbol, `${one.base}/${one.quote}`])}
          onChange={(ticker) => set({ ticker })}
        />
      )}
      <Field
        name="name" label="Name" value={values.name} placeholder={`${values.strategy} ${values.ticker}`} problem={shown.name} wide={bot !== null}
        onInput={(name) => { forget("name"); set({ name }); }}
      />
      {strategy.parameters.map((one) => (
        <ParameterField key={one.name} parameter={one} unit={unitOf(one.name, base, quote)} value={values.parameters[one.name] ?? ""} problem={shown[one.name]} onChange={(text) => parameter(one.name, text)} />
      ))}
      {bid && <p class="form-note form-price">{base} can be sold at {decimal(exact.rounded(bid, priceScale), priceScale)} {quote} now.</p>}
      {!bot && config.liveExchanges.length > 0 && (
        <Money
          desk={desk} exchange={values.exchange} understood={values.understood} problem={shown.understood ?? shown.exchange}
          onChange={(change) => { setShown(Object.fromEntries(Object.entries(shown).filter(([name]) => name !== "understood" && name !== "exchange"))); set(change); }}
        />
      )}
      <details class="form-more" open={LIMITS.some((name) => values.limits[name] !== "" || shown[name]) || values.leverage !== "1" || shown.leverage !== undefined}>
        <summary>{real ? "Limits" : "Limits and leverage"}</summary>
        <div class="bot-form">
          {LIMITS.map((name) => (
            <Field
              key={name} name={name} label={LIMIT_WORDS[name][0]} hint={LIMIT_WORDS[name][1]} numeric unit={name === "price_band" ? "%" : quote}
              value={values.limits[name]} placeholder="No limit" problem={shown[name]}
              onInput={(text) => { forget(name); set({ limits: { ...values.limits, [name]: text } }); }}
            />
          ))}
          {!real && (
            <Field
              name="leverage" label="Leverage" hint="1 borrows nothing. With more, what is lost is lost as many times." numeric unit="×"
              value={values.leverage} problem={shown.leverage} onInput={(leverage) => { forget("leverage"); set({ leverage }); }}
            />
          )}
        </div>
      </details>
      {rest && <p class="form-problem wide" role="alert">{rest}</p>}
      <div class="form-row wide">
        {bot ? (
          <>
            <button type="button" class="button quiet" onClick={onClose}>Cancel</button>
            <button type="submit" class="button" disabled={busy}>{busy ? "Saving…" : "Save"}</button>
          </>
        ) : (
          <>
            <button type="submit" class="button quiet" disabled={busy}>Create</button>
            <button type="button" class={real ? "button danger" : "button"} disabled={busy} onClick={() => void save(true)}>{busy ? "Creating…" : real ? "Start with real money" : "Create and start"}</button>
          </>
        )}
      </div>
      {bot?.status === "ACTIVE" && <p class="form-note wide">It is running: other parameters or limits cancel its open orders, and it goes on with new ones.</p>}
    </form>
  );
}

interface ParameterProps {
  readonly parameter: Parameter;
  readonly unit: string;
  readonly value: string;
  readonly problem: string | undefined;
  onChange(text: string): void;
}

function ParameterField({ parameter, unit, value, problem, onChange }: ParameterProps) {
  const { name, type, choices, required, description } = parameter;
  const label = labelOf(name);
  if (type === "boolean") return <SwitchField name={name} label={label} hint={description} on={value === "true"} onChange={(on) => onChange(String(on))} />;
  if (type === "choice") {
    const none = parameter.default === null ? [["", required ? "Choose…" : "—"] as const] : [];
    const options = [...none, ...choices.map((one) => [one, choiceOf(one)] as const)];
    return <SelectField name={name} label={label} hint={description} value={value} problem={problem} options={options} onChange={onChange} />;
  }
  return (
    <Field
      name={name} label={label} hint={description} value={value} problem={problem} unit={unit} numeric={type !== "text"}
      placeholder={required ? "" : "None"} onInput={onChange}
    />
  );
}

function unitOf(name: string, base: string, quote: string): string {
  if (/percent/.test(name)) return "%";
  if (/quantity/.test(name)) return base;
  return /price|amount|budget|spend/.test(name) ? quote : "";
}

/** So that the first thing that is wrong is at hand, also for who cannot see it. */
function focusFirst(form: HTMLFormElement | null): void {
  requestAnimationFrame(() => form?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
}
