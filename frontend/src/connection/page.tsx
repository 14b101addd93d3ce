/** How the one connection to the hub is, and how it has been. */

import { useEffect } from "preact/hooks";
import { Trend } from "./Trend.tsx";
import { Footer } from "../app/Footer.tsx";
import type { Page } from "../app/pages.ts";
import type { Desk } from "../state/desk.ts";
import { clockTime, compact } from "../state/format.ts";
import { inAge } from "../state/freshness.ts";
import type { StateEvent } from "../state/monitor.ts";
import { pillFor, type Tone } from "../state/pill.ts";

export function start(desk: Desk): Page {
  return { Tools: () => null, Main: () => <Connection desk={desk} />, stop: desk.monitor.probe() };
}

function Connection({ desk }: { readonly desk: Desk }) {
  const { hub, monitor } = desk;
  useEffect(() => {
    document.title = "Connection · OpenOutcry";
  }, []);
  const samples = monitor.samples.value;
  const down = hub.status.value.state !== "live" && hub.status.value.state !== "stale";
  return (
    <>
      <main class="stage single" data-testid="connection">
        <div class="admin">
          <header class="admin-head">
            <h2>Connection</h2>
            {down && <button type="button" class="button quiet" onClick={() => hub.retryNow()}>Reconnect now</button>}
          </header>
          <div class="admin-body">
            <Tiles desk={desk} />
            <section class="panel charts" aria-label="The last five minutes">
              <Trend id="rate" title="Messages a second" unit="" samples={samples.map(({ at, messagesPerSecond }) => ({ at, value: messagesPerSecond }))} />
              <Trend id="lag" title="On the way from the hub" unit=" ms" samples={samples.map(({ at, lag }) => ({ at, value: lag }))} />
            </section>
            <div class="halves">
              <ChannelTable desk={desk} />
              <Events events={monitor.events.value} />
            </div>
          </div>
        </div>
      </main>
      <Footer version={desk.config.version} />
    </>
  );
}

function Tiles({ desk: { hub, monitor, trading, config, signedIn } }: { readonly desk: Desk }) {
  const figures = monitor.figures.value;
  const status = hub.status.value;
  void trading.state.value;
  const { tone, label } = pillFor(status, hub.now.value);
  const user = monitor.positions.find(({ channel }) => channel === "user");
  const last = monitor.samples.value.at(-1);
  return (
    <dl class="tiles" data-testid="tiles">
      <Tile name="State" id="state" tone={tone} value={label} note={`Since ${clockTime(status.since)} UTC${status.close && tone !== "good" ? `; closed with ${status.close.code} ${status.close.reason}` : ""}`} />
      <Tile name="Round trip" id="round-trip" value={ms(figures.roundTrip)} note={figures.clockOffset === null ? "From a ping to its pong" : `The hub's clock is ${apart(figures.clockOffset)}`} />
      <Tile name="Lag" id="lag" value={ms(figures.lag)} note={figures.worstLag === null ? "From the hub to this page" : `From the hub to this page; at most ${ms(figures.worstLag)} lately`} />
      <Tile name="Messages" id="messages" value={last ? `${rate(last.messagesPerSecond)}/s` : "—"} note={`${figures.messages.toLocaleString()} in all, ${compact(figures.characters)} characters`} />
      <Tile name="Reconnects" id="reconnects" value={figures.reconnects.toLocaleString()} note={status.attempts > 0 ? `${status.attempts} attempts since it held` : "Since this page was opened"} />
      <Tile
        name="Your channel" id="offset" value={user?.position ? `#${user.position.offset.toLocaleString()}` : "—"}
        note={user?.position ? `Epoch ${user.position.epoch.slice(0, 12)}` : signedIn.account.value ? "Not subscribed yet" : "Sign in to have one"}
      />
      <Tile
        name="Recovered" id="recovered" value={user ? user.recoveries.toLocaleString() : "—"}
        note={user ? `Returns without a loss; ${count(user.snapshots, "snapshot")}, ${count(user.gaps, "gap")} seen` : "Returns without a loss"}
        {...(user && user.gaps > 0 && { tone: "wait" as const })}
      />
      <Tile name="Hub" id="hub" value={hostOf(config.hubUrl)} note={config.hubUrl} small />
    </dl>
  );
}

interface TileProps {
  readonly name: string;
  readonly id: string;
  readonly value: string;
  readonly note: string;
  readonly tone?: Tone;
  readonly small?: boolean;
}

function Tile({ name, id, value, note, tone, small = false }: TileProps) {
  return (
    <div class="tile" data-tone={tone}>
      <dt>{name}</dt>
      <dd class={small ? "tile-value tile-small" : "tile-value"} data-testid={`tile-${id}`}>{tone && <i aria-hidden="true" />}{value}</dd>
      <dd class="tile-note">{note}</dd>
    </div>
  );
}

function ChannelTable({ desk: { monitor } }: { readonly desk: Desk }) {
  const { byChannel } = monitor.figures.value;
  const rates = monitor.channelRates;
  const rows = Object.entries(byChannel).sort(([a, one], [b, other]) => (rates[b] ?? 0) - (rates[a] ?? 0) || other - one);
  return (
    <section class="panel" aria-labelledby="channels-title">
      <h3 id="channels-title">Channels</h3>
      <table class="entries" data-testid="channels">
        <thead><tr><th scope="col">Channel</th><th scope="col">A second</th><th scope="col">In all</th></tr></thead>
        <tbody>
          {rows.map(([channel, total]) => (
            <tr key={channel}>
              <th scope="row">{channel === "" ? <span class="none">answers</span> : channel}</th>
              <td>{rate(rates[channel] ?? 0)}</td>
              <td>{total.toLocaleString()}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Events({ events }: { readonly events: readonly StateEvent[] }) {
  return (
    <section class="panel" aria-labelledby="events-title">
      <h3 id="events-title">What happened</h3>
      <table class="entries" data-testid="events">
        <thead><tr><th scope="col">State</th><th scope="col">Closed with</th><th scope="col">Time (UTC)</th></tr></thead>
        <tbody>
          {events.map(({ at, state, close }) => (
            <tr key={at}>
              <th scope="row">{state.slice(0, 1).toUpperCase() + state.slice(1)}</th>
              <td>{close && state !== "live" ? `${close.code} ${close.reason}` : <span class="none">—</span>}</td>
              <td>{clockTime(at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function rate(value: number): string {
  return value < 100 ? String(Math.round(value * 10) / 10) : compact(value);
}

function ms(value: number | null): string {
  return value === null ? "—" : `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString()} ms`;
}

function apart(offset: number): string {
  const size = Math.abs(offset);
  if (size < 50) return "this one's";
  return `${size < 2_000 ? `${Math.round(size)} ms` : inAge(size)} ${offset > 0 ? "ahead" : "behind"}`;
}

function count(n: number, one: string): string {
  return `${n.toLocaleString()} ${n === 1 ? one : `${one}s`}`;
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
