// The summary of an incident: its parts, times in UTC, and texts of clients.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readAlert } from "../src/admin/model/alert";
import { readEvent } from "../src/admin/model/event";
import { beginningOf, incidentText, plain, utc } from "../src/admin/model/incident";
import { readOverview } from "../src/admin/model/overview";
import { readAffected, readOffender } from "../src/admin/model/rows";

const HOSTILE = "\u202Eeve\n@everyone https://evil.example www.evil.example";

const overview = readOverview({
  at: "2026-10-01T03:12:45.020Z",
  state: "shedding",
  since: "2026-10-01T03:03:00Z",
  why: "tasks wait 31 ms for the processor",
  connections: { signed_in: 7412, unauthenticated: 88, waiting: 231, of: 10_000 },
  users_rejected_5min: 1,
  answered_in_time_percent: 98,
  happening: {
    text: "Since 03:02 UTC, the server rejects 812 requests a second.",
    since: "2026-10-01T03:02:45Z",
  },
});

const offenders = [
  {
    kind: "prefix",
    value: "203.0.113.0/24",
    rejected_5min: 52_100,
    rule: "connect_per_prefix",
    rule_text: "too many connection attempts from one network",
    blocked_until: "2026-10-01T04:05:10Z",
  },
  { kind: "user", value: "u_1", name: HOSTILE, rejected_5min: 30, rule: "message_per_user" },
  { kind: "rule", value: "connect_per_prefix", rejected_5min: 52_100 },
].map(readOffender);

const operation = (at: string, action: string) =>
  readEvent({
    "@timestamp": at,
    event: { code: "authz_admin", action, sequence: Date.parse(at) },
    user: { name: "grace" },
    labels: {
      address: "203.0.113.0/24",
      until: "2026-10-01T04:05:10.000Z",
      stated_reason: HOSTILE,
    },
  });

const known = <T>(items: readonly (T | undefined)[]): T[] =>
  items.filter((item): item is T => item !== undefined);

function summary(operations: Parameters<typeof incidentText>[0]["operations"]): string {
  assert.ok(overview !== undefined);
  const alert = readAlert({
    id: "al_1",
    rule: "A8",
    title: "Limits reject clients of many networks",
    severity: "high",
    count: 48_210,
    first: "2026-10-01T03:02:50Z",
    last: "2026-10-01T03:12:43Z",
    acknowledged: { by: "grace" },
    evidence: [{ ref: "k3v9x0abcd" }, { ref: "k3v9x0abcd" }],
  });
  const affected = readAffected({
    user: "u_2",
    name: "ada",
    rule: "message_total",
    rejected_5min: 4,
  });
  return incidentText({
    host: "chat.example",
    overview,
    offenders: known(offenders),
    affected: known([affected]),
    alerts: known([alert]),
    operations,
  });
}

test("a summary says what, since when, from where, who is affected, what was done and by whom", () => {
  const operations = known([
    operation("2026-10-01T03:05:10Z", "address:block"),
    operation("2026-10-01T02:00:00Z", "user:mute"),
  ]);
  const hostile = "[U+202E]eve[U+000A]@ everyone https: //evil.example www .evil.example";
  assert.equal(
    summary(operations),
    [
      "Summary of chat.example, 2026-10-01 03:12:45 UTC",
      "State: Overloaded (shedding) since 2026-10-01 03:03:00 UTC: tasks wait 31 ms for the processor",
      "What: Since 03:02 UTC, the server rejects 812 requests a second.",
      "Since: 2026-10-01 03:02:45 UTC",
      "From:",
      "- network 203.0.113.0/24, 52,100 rejected in 5 minutes: too many connection attempts from " +
        "one network (connect_per_prefix); blocked until 2026-10-01 04:05:10 UTC",
      `- user ${hostile}, 30 rejected in 5 minutes: message_per_user`,
      "Affected:",
      "- 1 user rejected in 5 minutes",
      "- 7,500 of 10,000 connections, 231 wait; 98 % answered in time",
      "- user ada, 4 rejections: message_total",
      "Done:",
      "- 2026-10-01 03:05:10 UTC address:block 203.0.113.0/24 until 2026-10-01 04:05:10 UTC, " +
        `by grace: ${hostile}`,
      "Alerts:",
      "- high A8 Limits reject clients of many networks, 48,210 events from 2026-10-01 03:02:50 " +
        "UTC to 2026-10-01 03:12:43 UTC, acknowledged by grace",
      "References: k3v9x0abcd",
      "",
    ].join("\n"),
  );
});

test("a summary says that the log was not searched, and shortens lists", () => {
  assert.match(summary(undefined), /Done:\n- unknown: the security log could not be searched\n/);
  assert.match(summary([]), /Done: none\n/);
  const minute = (index: number) => `2026-10-01T03:${index + 10}:00Z`;
  const many = Array.from({ length: 12 }, (_, index) => operation(minute(index), "user:mute"));
  // The log has the newest one first; a reader of a ticket expects the order of time.
  const done = summary(known(many.reverse()));
  assert.match(done, /Done:\n- 2 earlier\n- 2026-10-01 03:12:00 UTC user:mute /);
  assert.match(done, /\n- 2026-10-01 03:21:00 UTC user:mute .*\nAlerts:/);
});

test("an incident begins with the attack or the load level, whichever is first", () => {
  assert.ok(overview !== undefined);
  assert.equal(utc(beginningOf(overview)), "2026-10-01 03:02:45 UTC");
  const quiet = readOverview({
    at: "2026-10-01T03:12:45Z",
    state: "normal",
    since: "2026-09-01T00:00:00Z",
  });
  assert.ok(quiet !== undefined);
  assert.equal(utc(beginningOf(quiet)), "2026-10-01 02:12:45 UTC");
  assert.equal(utc(undefined), "an unknown time");
});

test("a text of a client stays one line without links and mentions", () => {
  const cases: [string, string][] = [
    ["ada", "ada"],
    ["@here", "@ here"],
    ["a\r\n- b", "a[U+000D][U+000A]- b"],
    ["HTTPS://x WWW.y", "HTTPS: //x www .y"],
    ["x".repeat(100), `${"x".repeat(80)}…`],
  ];
  for (const [text, expect] of cases) assert.equal(plain(text), expect);
});
