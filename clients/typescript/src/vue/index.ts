/** Vue composables over one client: `app.use(openOutcry(client))` once, `useOpenOutcry()` anywhere below. */

import { computed, type ComputedRef, hasInjectionContext, inject, type InjectionKey, onScopeDispose, type Plugin, type Ref, shallowRef } from "vue";
import type { Client } from "../client.ts";
import { followTradeStats, type TradeStats, type TradeStatsOptions, type TradeStatsState } from "../stats.ts";
import type { ApiError } from "../rest.ts";
import { type ConnectionStatus, isUp } from "../status.ts";
import type { TradingState } from "../trading/state.ts";
import type { Bot, LogEntry, Order } from "../trading/types.ts";

const KEY: InjectionKey<Client> = Symbol("openoutcry");

export function openOutcry(client: Client): Plugin {
  return { install: (app) => void app.provide(KEY, client) };
}

export interface OpenOutcry {
  readonly client: Client;
  readonly status: Readonly<Ref<ConnectionStatus>>;
  readonly isConnected: ComputedRef<boolean>;
  readonly trading: Readonly<Ref<TradingState>>;
  readonly bots: ComputedRef<readonly Bot[]>;
  /** The newest change first. */
  readonly orders: ComputedRef<readonly Order[]>;
  readonly logs: ComputedRef<readonly LogEntry[]>;
}

/** Follow the connection and the user's trading for as long as the component lives. Throws `Error` without a client. */
export function useOpenOutcry(own?: Client): OpenOutcry {
  const client = own ?? (hasInjectionContext() ? inject(KEY, null) : null);
  if (!client) throw new Error("There is no client: app.use(openOutcry(client)), or give one.");
  const status = shallowRef(client.connection.status);
  const trading = shallowRef(client.trading.state);
  onScopeDispose(client.connection.watch((value) => void (status.value = value)));
  onScopeDispose(client.trading.watch((value) => void (trading.value = value)));
  return {
    client,
    status,
    trading,
    isConnected: computed(() => isUp(status.value.state)),
    bots: computed(() => [...trading.value.bots.values()]),
    orders: computed(() => [...trading.value.orders.values()].reverse()),
    logs: computed(() => trading.value.logs),
  };
}

export interface TradeStatsRefs {
  readonly stats: ComputedRef<TradeStats | null>;
  readonly error: ComputedRef<ApiError | null>;
  readonly isLive: ComputedRef<boolean>;
  readonly isLoading: ComputedRef<boolean>;
}

/** The public counter of trades: pushed where a client is, polled where none is. No sign-in is needed. */
export function useTradeStats(options: TradeStatsOptions & { readonly client?: Client } = {}): TradeStatsRefs {
  const client = options.client ?? (hasInjectionContext() ? inject(KEY, null) : null);
  const state = shallowRef<TradeStatsState>({ stats: null, error: null, live: false });
  const { client: _, ...rest } = options;
  onScopeDispose(
    followTradeStats((value) => void (state.value = value), {
      ...(client && { origin: client.origin, connection: client.connection }),
      ...rest,
    }),
  );
  return {
    stats: computed(() => state.value.stats),
    error: computed(() => state.value.error),
    isLive: computed(() => state.value.live),
    isLoading: computed(() => state.value.stats === null && state.value.error === null),
  };
}
