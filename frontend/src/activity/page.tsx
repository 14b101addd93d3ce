/** What bots have done and why, as it happens. */

import type { LogEntry, LogLevel } from "@openoutcry/client";
import { useEffect, useState } from "preact/hooks";
import { botName, BotSelect } from "../app/BotSelect.tsx";
import { Chip } from "../app/Chip.tsx";
import { Gate } from "../app/Gate.tsx";
import { KillNotice } from "../app/KillNotice.tsx";
import { Listing } from "../app/Listing.tsx";
import type { Page } from "../app/pages.ts";
import { Sheet } from "../app/Sheet.tsx";
import { Table, type TableColumn } from "../app/Table.tsx";
import { type Addressed, addressed } from "../state/addressed.ts";
import type { Desk } from "../state/desk.ts";
import { botIn, following, type Live } from "../state/orderFeed.ts";
import { Paged } from "../state/paged.ts";
import { stamp } from "../state/times.ts";
import type { Trading } from "../state/trading.ts";

const LEVELS: readonly (readonly [string, string])[] = [["", "All"], ["INFO", "Info"], ["WARNING", "Warnings"], ["ERROR", "Errors"], ["DEBUG", "Debug"]];

type Filter = Readonly<Record<"bot" | "level", string>>;

export function start(desk: Desk): Page {
  const filter = addressed<Filter>("activity", { bot: "", level: "" });
  return {
    Tools: () => null,
    Main: () => <Gate desk={desk} title="Activity" what="The activity log says what your bots did, and why."><Activity desk={desk} filter={filter} /></Gate>,
    stop: () => filter.stop(),
  };
}

interface Props {
  readonly desk: Desk;
  readonly filter: Addressed<Filter>;
}

function Activity({ desk, filter }: Props) {
  const { bot, level } = filter.value.value;
  return (
    <>
      <div class="toolbar" role="search" aria-label="Activity">
        <div class="chips-row" role="group" aria-label="Level">
          {LEVELS.map(([one, label]) => <Chip key={one} label={label} on={level === one} onClick={() => filter.set({ level: one })} />)}
        </div>
        <BotSelect desk={desk} value={bot} onChange={(value) => filter.set({ bot: value })} />
      </div>
      <KillNotice desk={desk} />
      <div class="board">
        <Log key={`${bot} ${level}`} desk={desk} filter={filter.value.value} />
      </div>
    </>
  );
}

function Log({ desk, filter }: { readonly desk: Desk; readonly filter: Filter }) {
  const [live, setLive] = useState<Live<LogEntry> | null>(null);
  const [open, setOpen] = useState<LogEntry | null>(null);
  useEffect(() => {
    const own = followLog(desk.trading, filter);
    setLive(own);
    return () => own.stop();
  }, []);
  if (!live) return null;
  const items = live.list.items.value;
  return (
    <Listing list={live.list} count={items.length} what="entries" empty={<><h2>Nothing here</h2><p>Entries appear by themselves when bots do something.</p></>}>
      <Table
        name="log"
        label="Activity log, newest first"
        items={items}
        columns={columns(desk)}
        keyOf={({ id }) => String(id)}
        toneOf={({ level }) => level.toLowerCase()}
        onOpen={(entry) => setOpen(entry)}
        onNearEnd={() => void live.list.more()}
      />
      {open && <EntrySheet desk={desk} entry={open} onClose={() => setOpen(null)} />}
    </Listing>
  );
}

/** The whole of a line that is longer than its row. */
function EntrySheet({ desk, entry, onClose }: { readonly desk: Desk; readonly entry: LogEntry; onClose(): void }) {
  return (
    <Sheet label="Log entry" title={<>{entry.level.slice(0, 1) + entry.level.slice(1).toLowerCase()}{entry.bot_id !== null && `: ${botName(desk, entry.bot_id)}`}</>} onClose={onClose} reading>
      <div class="entry-message">
        {entry.message}
        <small>{stamp(entry.timestamp)} UTC</small>
        {entry.bot_id !== null && <a href={`#orders?tab=orders&bot=${entry.bot_id}`}>Its orders</a>}
      </div>
    </Sheet>
  );
}

function columns(desk: Desk): readonly TableColumn<LogEntry>[] {
  return [
    { id: "time", label: "Time (UTC)", cell: ({ timestamp }) => stamp(timestamp) },
    { id: "level", label: "Level", cell: ({ level }) => <span class="level" data-level={level.toLowerCase()}>{level.slice(0, 1) + level.slice(1).toLowerCase()}</span> },
    { id: "bot", label: "Bot", cell: ({ bot_id }) => botName(desk, bot_id) },
    { id: "message", label: "Message", cell: ({ message }) => <span title={message}>{message}</span> },
  ];
}

function followLog(trading: Trading, filter: Filter): Live<LogEntry> {
  const list = new Paged<LogEntry>({
    keyOf: ({ id }) => String(id),
    load: (before, signal) =>
      trading.api.logs({ limit: 100, signal, ...botIn(filter), ...(before !== undefined && { before }), ...(filter.level !== "" && { level: filter.level as LogLevel }) }),
  });
  return following(trading, list, (message) => {
    if (message.type !== "log_created") return;
    const entry = message.data;
    if ((filter.bot === "" || entry.bot_id === Number(filter.bot)) && (filter.level === "" || entry.level === filter.level)) list.put(entry);
  });
}
