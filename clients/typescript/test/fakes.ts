/** A clock that only moves when told, and a hub that says what the test scripts. */

import type { Clock } from "../src/clock.ts";
import type { Socket } from "../src/connection.ts";

interface Timer {
  readonly at: number;
  readonly task: () => void;
}

export class FakeClock implements Clock {
  time = 1_000_000;
  chance = 0.5;
  private timers: Timer[] = [];

  now(): number {
    return this.time;
  }

  random(): number {
    return this.chance;
  }

  after(delay: number, task: () => void): () => void {
    const timer = { at: this.time + delay, task };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.time = due.at;
      due.task();
    }
    this.time = end;
  }
}

export class FakeSocket implements Socket {
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: { type: string; channel?: string; id?: number; token?: string; offset?: number; epoch?: string }[] = [];
  closedWith: number | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.readyState = 3;
    this.closedWith = code ?? 1005;
  }

  accept(): void {
    this.readyState = 1;
    (this.onopen as ((event: object) => void) | null)?.({});
  }

  says(message: unknown): void {
    const data = typeof message === "string" ? message : JSON.stringify(message);
    (this.onmessage as ((event: object) => void) | null)?.({ data });
  }

  /** Answer the newest subscribe to a channel. */
  answers(channel: string, data: unknown): void {
    const asked = this.sent.filter((message) => message.type === "subscribe" && message.channel === channel).at(-1);
    this.says({ type: "subscribed", channel, id: asked?.id, data });
  }

  dies(code = 1006, reason = ""): void {
    this.readyState = 3;
    (this.onclose as ((event: object) => void) | null)?.({ code, reason });
  }

  types(): string[] {
    return this.sent.map((message) => (message.channel ? `${message.type} ${message.channel}` : message.type));
  }
}

export class FakeHub {
  readonly sockets: FakeSocket[] = [];

  readonly openSocket = (): FakeSocket => {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket;
  };

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("nobody connected");
    return socket;
  }
}

export const quote = (price: string) => ({
  symbol: "BTCUSDT", originalPrice: price, bidPrice: price, askPrice: price, timestamp: 1,
});

export const candle = (time: number, close = "2") => ({
  symbol: "BTCUSDT", interval: "1m", time, open: "1", high: "3", low: "1", close, volume: "5",
  quoteVolume: "9", trades: 2, takerBuyVolume: "1", takerBuyQuoteVolume: "2", closed: false, complete: false,
});
