// Records of one kind as one row, so that a flood leaves the others visible.
// Never: more than 60 rows, or a row that moves because more of its records arrive.
import type { EventRow } from "./event";
import { textAt } from "./read";

export interface EventGroup {
  /** That of its first record. */
  key: string;
  kind: string;
  startMs: number;
  lastMs: number;
  count: number;
  /** The newest records, newest first. */
  rows: readonly [EventRow, ...EventRow[]];
}

/** After a pause of this time, records of the same kind are another row, on top. */
const PAUSE_MS = 60_000;
const GROUPS_MAX = 60;
export const ROWS_MAX = 20;

/**
 * The kind of a record: its severity, code and rule. Each operation of administrators is a kind of
 * its own; the names of other operations are chosen by clients.
 */
function kindOf({ level, code, rule, record }: EventRow): string {
  if (code !== "authz_admin") return [level, code, rule ?? ""].join(" ");
  // A ban and its end are one operation with two effects.
  const [operation, effect] = ["event.action", "labels.effect"].map((at) => textAt(record, at));
  return [level, code, rule ?? "", operation ?? "", effect ?? ""].join(" ");
}

/** The groups with one more record; the one that began last comes first. */
export function withRecord(groups: readonly EventGroup[], row: EventRow): readonly EventGroup[] {
  const kind = kindOf(row);
  const atMs = row.atMs ?? groups[0]?.lastMs ?? 0;
  const fits = (group: EventGroup) =>
    group.kind === kind && atMs >= group.startMs - PAUSE_MS && atMs <= group.lastMs + PAUSE_MS;
  const known = groups.find(fits);
  if (known !== undefined) {
    const longer = withRow(known, row, atMs);
    return groups.map((group) => (group === known ? longer : group));
  }
  const group = { key: row.key, kind, startMs: atMs, lastMs: atMs, count: 1, rows: [row] } as const;
  const all = [group, ...groups].sort((a, b) => b.startMs - a.startMs);
  if (all.length <= GROUPS_MAX) return all;
  // A flood can be the row that began first: the one that ended first goes.
  const oldest = all.reduce((a, b) => (b.lastMs <= a.lastMs ? b : a));
  return all.filter((one) => one !== oldest);
}

function withRow(group: EventGroup, row: EventRow, atMs: number): EventGroup {
  const rows = [row, ...group.rows].sort((a, b) => (b.atMs ?? 0) - (a.atMs ?? 0));
  const [newest = row, ...others] = rows.slice(0, ROWS_MAX);
  return {
    ...group,
    startMs: Math.min(group.startMs, atMs),
    lastMs: Math.max(group.lastMs, atMs),
    count: group.count + 1,
    rows: [newest, ...others],
  };
}
