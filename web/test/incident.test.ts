// The summary of an incident: its parts, times in UTC, and texts of clients.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readAlert } from "../src/admin/model/alert";
import {
  beginningOf,
  incidentText,
  operationSearch,
  plain,
  readOperations,
  sentence,
  utc,
} from "../src/admin/model/incident";
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

const operation = (at: string, action: string) => ({
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

/** With the records that a search finds; none if it fails. */
function summary(events: readonly object[] | undefined, more = false): string {
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
    operations: events === undefined ? undefined : readOperations({ events, more }),
  });
}

const doneOf = (text: string) => text.split("\nDone:")[1]?.split("\nAlerts:")[0];

test("a summary says what, since when, from where, who is affected, what was done and by whom", () => {
  const operations = [
    operation("2026-10-01T03:05:10Z", "address:block"),
    operation("2026-10-01T02:00:00Z", "user:mute"),
  ];
  const hostile = "[U+202E]eve[U+000A]@ everyone https: //evil[.]example www[.]evil[.]example";
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
      "- 2026-10-01 03:05:10 UTC blocked 203.0.113.0/24 until 2026-10-01 04:05:10 UTC, " +
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
  const done = summary(many.reverse());
  assert.match(done, /Done:\n- 2 earlier\n- 2026-10-01 03:12:00 UTC muted /);
  assert.match(done, /\n- 2026-10-01 03:21:00 UTC muted .*\nAlerts:/);
  // The search had more than it answered, or ended early.
  assert.match(
    summary(many, true),
    /Done:\n- at least 2 earlier\n- 2026-10-01 03:12:00 UTC muted /,
  );
  const unknown = "\n- earlier ones are unknown: the search of the security log ended early";
  assert.equal(doneOf(summary([], true)), unknown);
  assert.match(doneOf(summary(many.slice(0, 1), true)) ?? "", /ended early\n- 2026-10-01 03:21:00/);
});

test("the search for changes has all their codes, from a minute before the beginning", () => {
  assert.ok(overview !== undefined);
  assert.deepEqual(operationSearch(overview), {
    filter: {
      code: [
        "authz_admin",
        "privilege_permissions_changed",
        "alert_silenced",
        "alert_acknowledged",
        "sys_reload",
      ],
      since: "2026-10-01T03:01:45.000Z",
    },
    limit: 20,
  });
});

test("each kind of change is in the summary, with who made it and why", () => {
  const grace = { name: "grace" };
  const line = "silence si_1 of A8, until 2026-10-01T04:00:00.000Z";
  const at = "2026-11-30T02:11:04.000Z";
  const cases: [string, object, string][] = [
    [
      "privilege_permissions_changed",
      {
        event: { action: "user:role" },
        user: { ...grace, target: { id: "u_7" } },
        labels: { roles: "admin moderator", stated_reason: "at night" },
      },
      "set the roles of u_7 to admin, moderator, by grace: at night",
    ],
    [
      "privilege_permissions_changed",
      {
        event: { action: "user:role", reason: "operator" },
        user: { target: { id: "u_7" } },
        labels: { roles: "", stated_reason: "left" },
      },
      "removed all roles of u_7, by an operator at the machine: left",
    ],
    [
      "privilege_permissions_changed",
      {
        event: { reason: "operator" },
        user: { target: { id: "u_7" } },
        message: `roles set to admin, by root at the command line at ${at}`,
      },
      `u_7: roles set to admin, by root at the command line at ${at}`,
    ],
    [
      "privilege_permissions_changed",
      {
        event: { reason: "beside_server" },
        user: { target: { id: "u_7", name: "e.ve" } },
        message: "the user is an administrator now",
      },
      "e[.]ve: the user is an administrator now, by another program",
    ],
    [
      "privilege_permissions_changed",
      { event: { reason: "foreign_issuer" }, user: { id: "x_1", name: "eve" } },
      "eve: roles changed, by another issuer",
    ],
    ["privilege_permissions_changed", { user: grace }, "roles changed, by grace"],
    [
      "alert_silenced",
      {
        event: { reason: "silenced" },
        user: grace,
        message: line,
        labels: { party: "origin https://evil.example", stated_reason: "known" },
      },
      `set ${line} for origin https: //evil[.]example, by grace: known`,
    ],
    [
      "alert_silenced",
      {
        event: { reason: "unsilenced" },
        user: grace,
        message: line,
        labels: { party: "prefix 203.0.113.0/24" },
      },
      `ended ${line} for prefix 203.0.113.0/24, by grace`,
    ],
    [
      "alert_acknowledged",
      { user: grace, labels: { alert: "al_1" } },
      "acknowledged alert A8, by grace",
    ],
    [
      "alert_acknowledged",
      { user: grace, labels: { alert: "al_9" } },
      "acknowledged alert al_9, by grace",
    ],
    [
      "sys_reload",
      { event: { outcome: "success" }, message: "applied: limits.connect_per_prefix" },
      "reloaded the configuration: applied: limits.connect_per_prefix",
    ],
    [
      "sys_reload",
      { event: { outcome: "failure" }, message: "no such key" },
      "failed to reload the configuration: no such key",
    ],
    [
      "authz_admin",
      {
        event: { reason: "operator" },
        message: `network blocked all for 60 s, by root at the command line at ${at}`,
        labels: { address: "203.0.113.0/24", stated_reason: "flood" },
      },
      `203.0.113.0/24: network blocked all for 60 s, by root at the command line at ${at}: flood`,
    ],
  ];
  for (const [code, { event = {}, ...more }, expect] of cases as [
    string,
    { event?: object },
    string,
  ][]) {
    const record = { "@timestamp": "2026-10-01T03:05:10Z", event: { ...event, code }, ...more };
    assert.equal(doneOf(summary([record])), `\n- 2026-10-01 03:05:10 UTC ${expect}`);
  }
});

test("each operation is named by what it did, so that a ban and its end differ", () => {
  const until = "2026-10-01T04:05:10.000Z";
  const end = "until 2026-10-01 04:05:10 UTC";
  const eve = { target: { id: "u_9", name: "eve" } };
  const cases: [string, object, object, string][] = [
    ["user:ban", { effect: "banned", until }, eve, `banned eve ${end}`],
    ["user:ban", { effect: "banned", until: "never" }, eve, "banned eve without an end"],
    ["user:ban", { effect: "unbanned" }, eve, "unbanned eve"],
    ["user:mute", { effect: "muted", until }, eve, `muted eve ${end}`],
    ["user:mute", { effect: "unmuted" }, eve, "unmuted eve"],
    ["user:disable", { effect: "disabled" }, eve, "disabled the account of eve"],
    ["user:disable", { effect: "enabled" }, eve, "enabled the account of eve"],
    ["user:kick", { effect: "disconnected" }, eve, "disconnected eve"],
    ["user:logout", { effect: "signed_out" }, eve, "ended all sessions of eve"],
    ["session:end", {}, eve, "ended a session of eve"],
    ["limits:unlock", {}, eve, "lifted the limits of eve"],
    // A record of an earlier version says only that a ban was changed.
    ["user:ban", {}, eve, "changed the ban of eve"],
    [
      "address:block",
      { address: "203.0.113.0/24", scope: "all", until },
      {},
      `blocked 203.0.113.0/24 (all clients) ${end}`,
    ],
    [
      "address:block",
      { address: "203.0.113.0/24", scope: "unauthenticated", until },
      {},
      `blocked 203.0.113.0/24 (unauthenticated clients) ${end}`,
    ],
    ["address:unblock", { address: "203.0.113.0/24" }, {}, "lifted the block of 203.0.113.0/24"],
    ["limits:unlock", { address: "203.0.113.7" }, {}, "lifted the limits of 203.0.113.7"],
    ["state:unpin", {}, {}, "ended the pin of the load level"],
    ["alert:unsilence", {}, {}, "ended a silence of alerts"],
    ["new:operation", {}, eve, "new:operation eve"],
  ];
  const seen = new Set<string>();
  for (const [action, labels, user, expect] of cases) {
    const record = {
      "@timestamp": "2026-10-01T03:05:10Z",
      event: { code: "authz_admin", action },
      user: { name: "grace", ...user },
      labels: { ...labels, stated_reason: "at night" },
    };
    const line = doneOf(summary([record]));
    assert.equal(line, `\n- 2026-10-01 03:05:10 UTC ${expect}, by grace: at night`, action);
    seen.add(line ?? "");
  }
  assert.equal(seen.size, cases.length, "no two of them look alike");
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
    ["Ada L. Byron...", "Ada L. Byron..."],
    ["@here", "@ here"],
    ["[~grace]", "[ ~grace]"],
    ["a\r\n- b", "a[U+000D][U+000A]- b"],
    ["HTTPS://x WWW.y", "HTTPS: //x WWW[.]y"],
    ["evil.com", "evil[.]com"],
    ["a.b-c.xn--p1ai/x.y", "a[.]b-c[.]xn--p1ai/x[.]y"],
    [
      "\u043F.\u0440\u0444 \u2764.ws x.\u2764.ws",
      "\u043F[.]\u0440\u0444 \u2764[.]ws x[.]\u2764[.]ws",
    ],
    [
      "evil\u3002com evil\uFF0Ecom evil\uFF61com",
      "evil[\u3002]com evil[\uFF0E]com evil[\uFF61]com",
    ],
    ["203.0.113.7", "203[.]0[.]113[.]7"],
    ["[x](//evil.com)", "[x] (//evil[.]com)"],
    // An invisible character is written out in brackets.
    ["\u0000(//evil)", "[U+0000] (//evil)"],
    ["x".repeat(100), `${"x".repeat(80)}…`],
  ];
  for (const [text, expect] of cases) assert.equal(plain(text), expect);
});

test("a sentence keeps numbers and networks, and has no link of a client", () => {
  const cases: [string, string][] = [
    ["Wait 1.5 s. Then 99.9 %.", "Wait 1.5 s. Then 99.9 %."],
    ["41 % come from 203.0.113.0/24.", "41 % come from 203.0.113.0/24."],
    [
      "41 % come from pages of https://evil.example.",
      "41 % come from pages of https: //evil[.]example.",
    ],
    ["evil.com 1.evil.com evil.1.com a.1", "evil[.]com 1[.]evil[.]com evil[.]1[.]com a[.]1"],
    ["the user [x](//1.2.3.4) @here", "the user [x] (//1.2.3.4) @ here"],
  ];
  for (const [text, expect] of cases) assert.equal(sentence(text), expect);
});
