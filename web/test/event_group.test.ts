// Groups of security records: what is one row, its place, and what a flood leaves visible.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readEvent, type EventRow } from "../src/admin/model/event";
import { withRecord, type EventGroup } from "../src/admin/model/event_group";

const T0 = Date.parse("2026-10-01T03:00:00Z");
let sequence = 0;

function record(s: number, code: string, more: object = {}): EventRow {
  sequence += 1;
  const at = new Date(T0 + s * 1000).toISOString();
  const row = readEvent({ "@timestamp": at, event: { code, sequence }, ...more });
  assert.ok(row !== undefined);
  return row;
}

const grouped = (rows: readonly EventRow[]) => rows.reduce<readonly EventGroup[]>(withRecord, []);

const words = (groups: readonly EventGroup[]) =>
  groups.map(({ rows: [{ code }], count, startMs, lastMs }) => {
    const [from, to] = [(startMs - T0) / 1000, (lastMs - T0) / 1000];
    return `${code} ${count} ${from}-${to}`;
  });

test("a flood is one row, and a rare record in it stays visible above it", () => {
  const flood = Array.from({ length: 3_000 }, (_, index) => record(index / 50, "ws_connected"));
  flood.splice(1_500, 0, record(30, "authn_login_lock"));
  assert.deepEqual(words(grouped(flood)), [
    "authn_login_lock 1 30-30",
    "ws_connected 3000 0-59.98",
  ]);
  const [, connects] = grouped(flood);
  assert.equal(connects?.rows.length, 20);
  assert.equal(connects?.rows[0].atMs, T0 + 59_980);
});

test("rule and severity are part of the kind, and of changes also the operation", () => {
  const admin = (action: string) => ({ event: { code: "authz_admin", action } });
  const ban = (effect: string) => ({ ...admin("user:ban"), labels: { effect } });
  const cases: [readonly EventRow[], number][] = [
    [[record(0, "a"), record(1, "a")], 1],
    [[record(0, "a", { rule: { name: "x" } }), record(1, "a", { rule: { name: "y" } })], 2],
    [[record(0, "a", { log: { level: "critical" } }), record(1, "a")], 2],
    [[record(0, "", admin("address:block")), record(1, "", admin("address:unblock"))], 2],
    // A ban and its end have the same operation.
    [[record(0, "", ban("banned")), record(1, "", ban("unbanned"))], 2],
    [[record(0, "", ban("banned")), record(1, "", ban("banned"))], 1],
    // A client chooses the name of its event.
    [[record(0, "", { event: { code: "b", action: "x1" } }), record(1, "b")], 1],
  ];
  for (const [rows, expect] of cases) assert.equal(grouped(rows).length, expect);
});

test("after a quiet minute, the same kind is a row of its own on top", () => {
  const rows = [record(0, "a"), record(60, "a"), record(90, "b"), record(121, "a")];
  assert.deepEqual(words(grouped(rows)), ["a 1 121-121", "b 1 90-90", "a 2 0-60"]);
});

test("a record that arrives late is counted where it belongs", () => {
  const rows = [record(100, "a"), record(200, "b"), record(95, "a"), record(300, "a")];
  assert.deepEqual(words(grouped(rows)), ["a 1 300-300", "b 1 200-200", "a 2 95-100"]);
});

test("of too many rows, the one that ended first goes, and not a flood that goes on", () => {
  const rows = Array.from({ length: 80 }, (_, index) => [
    record(index, "flood"),
    record(index, `rare_${index}`),
  ]).flat();
  const found = words(grouped(rows));
  assert.equal(found.length, 60);
  assert.ok(found.includes("flood 80 0-79"));
  assert.ok(found.includes("rare_79 1 79-79") && !found.includes("rare_5 1 5-5"));
});
