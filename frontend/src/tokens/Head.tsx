/** Which token this is, what it costs, and how far its curve has come. */

import type { Token, TokenDetail } from "@openoutcry/client";
import { useState } from "preact/hooks";
import { Avatar } from "./Avatar.tsx";
import { Amount, Price } from "./Figure.tsx";
import { Progress } from "./Progress.tsx";
import { amountText, exactly, shortAddress } from "../state/ether.ts";
import { percentChange } from "../state/format.ts";
import { inDays, stamp } from "../state/times.ts";

interface Props {
  readonly token: Token;
  readonly detail: TokenDetail | null;
  readonly dayOpen: string | null;
  /** What the newest trade was, and so which way the price went. */
  readonly side: "buy" | "sell" | null;
  readonly dated: boolean;
}

export function Head({ token, detail, dayOpen, side, dated }: Props) {
  const { address, name, symbol, currentPrice, launchpad, creator, createdAt } = token;
  const change = dayOpen === null || currentPrice === null ? null : percentChange(dayOpen, currentPrice);
  return (
    <header class="token-head" data-testid="token-head">
      <div class="token-who">
        <Avatar address={address} symbol={symbol} size={48} />
        <div>
          <h2>{name} <span class="ticker">{symbol}</span></h2>
          <p>
            <CopyAddress address={address} />
            <span>{launchpad}</span>
            {createdAt !== null && <span title={`Made ${stamp(new Date(createdAt).toISOString())} UTC by ${creator}`}>{inDays(Date.now() - createdAt)} old</span>}
          </p>
        </div>
      </div>
      <div class="token-price" data-dated={dated}>
        <p class={`last ${side === null ? "" : side === "buy" ? "up" : "down"}`} data-testid="price" title="Of the last trade">
          <span class="sr-only">Price </span><Price value={currentPrice} /> <span class="unit">ETH</span>
          {side !== null && <span class="arrow" aria-hidden="true">{side === "buy" ? "▲" : "▼"}</span>}
        </p>
        <p class="token-change">
          {change === null ? <span class="none">Not traded in 24 h</span> : <b class={change.startsWith("−") ? "down" : change.startsWith("+") ? "up" : ""} data-testid="change" title="Against the first trade of the last 24 hours, by the hour">{change}</b>}
          {change !== null && <span class="none"> 24 h</span>}
        </p>
      </div>
      <Curve token={token} />
      <Figures token={token} detail={detail} dated={dated} />
    </header>
  );
}

function Curve({ token }: { readonly token: Token }) {
  const { reserve, target, graduatedAt } = token;
  return (
    <div class="token-curve" data-testid="curve">
      <p>
        <span>{graduatedAt === null ? "Bonding curve" : "Graduated"}</span>
        {graduatedAt === null ? (
          target !== null && <span title={`${exactly(reserve, "ETH")} of ${exactly(target, "ETH")}`}>{amountText(reserve)} of {amountText(target)} <span class="unit">ETH</span></span>
        ) : (
          <span title={`${stamp(new Date(graduatedAt).toISOString())} UTC`}>{inDays(Date.now() - graduatedAt)} ago</span>
        )}
      </p>
      <Progress token={token} wide />
    </div>
  );
}

function Figures({ token, detail, dated }: Omit<Props, "dayOpen" | "side">) {
  const source = detail?.marketCapSource === "store" ? "Of the supply that is stored: the chain does not answer" : "The price times what circulates on the chain";
  return (
    <dl class="figures" data-dated={dated} data-testid="figures">
      <div title={source}><dt>Market cap</dt><dd data-testid="market-cap"><Amount value={token.marketCap} /></dd></div>
      <div><dt>24 h volume</dt><dd data-testid="volume24h"><Amount value={token.volume24h} /></dd></div>
      <div><dt>7 d volume</dt><dd><Amount value={token.volume7d} /></dd></div>
      <div><dt>Volume ever</dt><dd><Amount value={token.volumeTotal} /></dd></div>
      <div><dt>Holders</dt><dd data-testid="holder-count">{token.holderCount.toLocaleString()}</dd></div>
      <div><dt>Trades</dt><dd data-testid="trade-count">{token.tradeCount.toLocaleString()}</dd></div>
    </dl>
  );
}

function CopyAddress({ address }: { readonly address: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(address);
      setCopied(true);
      setTimeout(() => setCopied(false), 2_000);
    } catch {
      // Not on http: the title has the whole of it, to be read.
    }
  };
  return (
    <button type="button" class="address" title={address} aria-label={copied ? "Copied" : `Copy the address ${address}`} onClick={() => void copy()}>
      {copied ? "Copied" : shortAddress(address)}
      <svg viewBox="0 0 24 24" aria-hidden="true"><path d={copied ? "m5 12 5 5 9-10" : "M9 9h10v10H9zM5 15V5h10"} /></svg>
    </button>
  );
}
