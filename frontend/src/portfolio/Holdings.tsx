/** What the account has: assets, and what each bot holds at live prices. */

import { type Balance, type Bot, decimal as exact, type Portfolio, unrealized } from "@openoutcry/client";
import { RealBadge } from "../app/RealBadge.tsx";
import type { Desk } from "../state/desk.ts";
import { isReal } from "../state/botForm.ts";
import { decimal } from "../state/format.ts";
import { digitsOfAsset, gain, money, toneOf } from "../state/money.ts";
import { marketOf } from "../state/tickers.ts";

export function Balances({ portfolio, onFund }: { readonly portfolio: Portfolio; onFund(): void }) {
  const held = portfolio.balances.filter((one) => exact.sign(exact.add(one.free, one.locked)) !== 0);
  return (
    <section class="panel" aria-labelledby="balances-title">
      <div class="panel-head">
        <h3 id="balances-title">Balances <span class="unit">of paper money</span></h3>
        <button type="button" class="button quiet small" aria-haspopup="dialog" onClick={onFund}>Add or take out funds</button>
      </div>
      {held.length === 0 ? (
        <p class="panel-none">There is nothing in this account.</p>
      ) : (
        <table class="entries" data-testid="balances">
          <thead><tr><th scope="col">Asset</th><th scope="col">Free</th><th scope="col">In orders</th><th scope="col">Worth <span class="unit">{portfolio.currency}</span></th></tr></thead>
          <tbody>
            {held.map((one) => (
              <tr key={one.asset}>
                <th scope="row">{one.asset}</th>
                <td>{amount(one.free, one)}</td>
                <td class={exact.sign(one.locked) === 0 ? "none" : ""}>{exact.sign(one.locked) === 0 ? "—" : amount(one.locked, one)}</td>
                <td>{one.value === null ? <span class="none" title="Nothing says what it is worth">—</span> : money(one.value, portfolio.currency)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

export function Positions({ desk }: { readonly desk: Desk }) {
  const { trading } = desk;
  void trading.bids.revision.value;
  const bots = [...trading.state.value.bots.values()].filter(({ position }) => exact.sign(position.quantity) !== 0);
  return (
    <section class="panel" aria-labelledby="positions-title">
      <div class="panel-head"><h3 id="positions-title">Positions</h3></div>
      {bots.length === 0 ? (
        <p class="panel-none">No bot holds anything.</p>
      ) : (
        <table class="entries" data-testid="positions">
          <thead>
            <tr>
              <th scope="col">Bot</th><th scope="col">Holds</th><th scope="col" class="wide-only">Bought at</th><th scope="col" class="wide-only">Bid</th><th scope="col">Unrealised</th>
            </tr>
          </thead>
          <tbody>{bots.map((bot) => <PositionRow key={bot.id} desk={desk} bot={bot} bid={trading.bids.of(bot.ticker)} />)}</tbody>
        </table>
      )}
    </section>
  );
}

function PositionRow({ desk, bot, bid }: { readonly desk: Desk; readonly bot: Bot; readonly bid: string | null }) {
  const { base, quote, priceScale } = marketOf(desk.config, bot.ticker);
  const { quantity, average_price: average } = bot.position;
  const open = bid === null ? null : unrealized(bot, bid);
  return (
    <tr>
      <th scope="row">{bot.name}{isReal(bot) && <RealBadge exchange={bot.exchange} />}</th>
      <td>{decimal(quantity)} <span class="unit">{base}</span></td>
      <td class="wide-only">{average ? decimal(exact.rounded(average, priceScale), priceScale) : "—"}</td>
      <td class="wide-only">{bid === null ? "…" : decimal(exact.rounded(bid, priceScale), priceScale)}</td>
      <td class={open === null ? "" : toneOf(open, quote)} data-testid="unrealised">{open === null ? "…" : gain(open, quote)} <span class="unit">{quote}</span></td>
    </tr>
  );
}

function amount(text: string, { asset }: Balance): string {
  const digits = digitsOfAsset(asset);
  return decimal(exact.rounded(text, digits), digits === 2 ? 2 : 0);
}
