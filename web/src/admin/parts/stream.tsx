// The stream of security records: chips, pause, and a row that opens.
// Never: a row that a flood hides, or that moves while the stream is paused.
import { signal, useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { closeConnection } from "../live/operations";
import { dropped, events, groups, paused, recordTexts } from "../live/state";
import { flatten, type EventRow } from "../model/event";
import { type EventGroup } from "../model/event_group";
import { eventWords } from "../model/event_words";
import { codeWords } from "../model/record_text";
import { clock, count, plural, visible } from "../model/words";
import { Do, NamedWords, Panel, Text } from "./list";
import { RefBox } from "./ref_box";

const SHOWN_MAX = 60;
const CHIPS = ["all", "warning", "critical", "rejected", "logins", "operations"] as const;
type Chip = (typeof CHIPS)[number];
const chip = signal<Chip>("all");
/** Whether records of one kind are one row. */
const grouped = signal(true);

function fits(row: EventRow, chosen: Chip): boolean {
  switch (chosen) {
    case "all":
      return true;
    case "warning":
      return row.level !== "info";
    case "critical":
      return row.level === "critical";
    case "rejected":
      return row.rule !== undefined || row.ref !== undefined;
    case "logins":
      return row.code.startsWith("authn_");
    case "operations":
      return /^(authz_admin|privilege_|user_|alert_|sys_|key_|address_)/.test(row.code);
  }
}

export function Stream() {
  const rows = events.value.filter((row) => fits(row, chip.value));
  const shown = groups.value.filter(({ rows: [newest] }) => fits(newest, chip.value));
  return (
    <Panel title="Security records" wide>
      <RefBox />
      <div class="chips" role="group" aria-label="Which records are shown">
        {CHIPS.map((name) => (
          <button
            key={name}
            type="button"
            class="chip"
            aria-pressed={chip.value === name}
            onClick={() => (chip.value = name)}
          >
            {name}
          </button>
        ))}
        <button
          type="button"
          aria-pressed={grouped.value}
          onClick={() => (grouped.value = !grouped.value)}
        >
          Group
        </button>
        <button
          type="button"
          aria-pressed={paused.value}
          onClick={() => (paused.value = !paused.value)}
        >
          {paused.value ? "Continue" : "Pause"}
        </button>
      </div>
      {dropped.value > 0 && (
        <p class="hint">
          {plural(dropped.value, "record")} came too fast to be shown: search them in the tab Audit.
        </p>
      )}
      {(grouped.value ? shown : rows).length === 0 && (
        <p class="hint">No record since this page was opened.</p>
      )}
      <ul class="rows stream">
        {grouped.value
          ? shown.map((group) => <GroupItem key={group.key} group={group} />)
          : rows.slice(0, SHOWN_MAX).map((row) => <EventItem key={row.key} row={row} />)}
      </ul>
    </Panel>
  );
}

/** The records of one kind as one row; a single one is shown as itself. */
function GroupItem({ group }: { group: EventGroup }) {
  const isOpen = useSignal(false);
  const [newest] = group.rows;
  const isSingle = group.count === 1;
  const lastMs = isSingle ? newest.atMs : group.lastMs;
  return (
    <li data-row tabIndex={-1} class="event">
      <Head isOpen={isOpen} newest={newest} atMs={lastMs}>
        {isSingle ? (
          <Source row={newest} />
        ) : (
          <>
            <span>
              <span class="count">
                {count(group.count)} records since {clock(group.startMs)}
              </span>
              , the last one of {newest.user !== undefined && <Text most={40}>{newest.user}</Text>}{" "}
              {newest.address ?? (newest.user === undefined ? "the server" : "")}
            </span>
          </>
        )}
      </Head>
      {isOpen.value && (
        <>
          {group.count > group.rows.length && (
            <p class="hint">The newest {group.rows.length}; the tab Audit finds the others.</p>
          )}
          <ul class={isSingle ? "rows" : "rows members"}>
            {group.rows.map((row) => (
              <Member key={row.key} row={row} isSingle={isSingle} />
            ))}
          </ul>
        </>
      )}
    </li>
  );
}

/** A record of a group. One that is read alone stays open, and keeps the focus, when others come. */
function Member({ row, isSingle }: { row: EventRow; isSingle: boolean }) {
  const isOpen = useSignal(isSingle);
  return (
    <li data-row={isSingle ? undefined : true} tabIndex={isSingle ? undefined : -1} class="event">
      {!isSingle && <RecordHead isOpen={isOpen} row={row} />}
      {isOpen.value && <Details row={row} />}
    </li>
  );
}

export function EventItem({ row }: { row: EventRow }) {
  const isOpen = useSignal(false);
  return (
    <li data-row tabIndex={-1} class="event">
      <RecordHead isOpen={isOpen} row={row} />
      {isOpen.value && <Details row={row} />}
    </li>
  );
}

interface HeadProps {
  isOpen: Signal<boolean>;
  newest: EventRow;
  atMs: number | undefined;
  children: ComponentChildren;
}

/** The button that opens a row. */
function Head({ isOpen, newest, atMs, children }: HeadProps) {
  const what = eventWords(newest, recordTexts.value);
  return (
    <button
      type="button"
      class="event-head"
      aria-expanded={isOpen.value}
      onClick={() => (isOpen.value = !isOpen.value)}
    >
      <time>{atMs === undefined ? "" : clock(atMs)}</time>
      <span class={`badge ${newest.level}`}>{newest.level}</span>
      <span class="code">
        <NamedWords of={codeWords(newest.code, recordTexts.value)} />
      </span>
      <span class="source">
        {what !== undefined && (
          <span class="what">
            <NamedWords of={what} />
          </span>
        )}{" "}
        {children}
      </span>
    </button>
  );
}

function RecordHead({ isOpen, row }: { isOpen: Signal<boolean>; row: EventRow }) {
  return (
    <Head isOpen={isOpen} newest={row} atMs={row.atMs}>
      <Source row={row} />
    </Head>
  );
}

function Source({ row }: { row: EventRow }) {
  if (row.user === undefined && row.address === undefined) return null;
  return (
    <span>
      {row.user !== undefined && <Text most={40}>{row.user}</Text>} {row.address ?? ""}
    </span>
  );
}

function Details({ row }: { row: EventRow }) {
  return (
    <>
      <dl class="details">
        {flatten(row.record).map(([path, value]) => (
          <>
            <dt>{visible(path, 60)}</dt>
            <dd>{visible(value, 500)}</dd>
          </>
        ))}
      </dl>
      {row.connection !== undefined && <Do operation={closeConnection(row.connection)}>Close</Do>}
    </>
  );
}
