// The dashboard's words, time lines and records: texts of clients, gaps, and hostile input.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inOrder, readAlert, thresholdWords } from "../src/admin/model/alert";
import { effectWords } from "../src/admin/model/effect";
import { flatten, readEvent } from "../src/admin/model/event";
import { eventWords } from "../src/admin/model/event_words";
import { needsPassword } from "../src/admin/model/login_age";
import { readOverview } from "../src/admin/model/overview";
import {
  codeWords,
  inWords,
  readRecordTexts,
  ruleName,
  withTexts,
} from "../src/admin/model/record_text";
import { readLimits } from "../src/admin/model/limits";
import { readOffender, reasonOf } from "../src/admin/model/rows";
import { readFailure, readReport, resultWord } from "../src/admin/model/report";
import { extend, lengthOf, readTimeline } from "../src/admin/model/timeline";
import { seriesWords, span, visible } from "../src/admin/model/words";
import { readNote } from "../src/admin/live/witness";

test("a text of a client is shortened, and invisible characters are written out", () => {
  const cases: [string, string][] = [
    ["ada", "ada"],
    ["\u202Egnp.exe", "[U+202E]gnp.exe"],
    ["a\u0000b\u200B", "a[U+0000]b[U+200B]"],
    ["<b>x</b>", "<b>x</b>"],
    ["x".repeat(10_240), `${"x".repeat(80)}…`],
    ["\u{1F600}".repeat(3), "\u{1F600}".repeat(3)],
  ];
  for (const [text, expect] of cases) assert.equal(visible(text), expect);
});

test("a duration is written in one unit", () => {
  const cases: [number, string][] = [
    [0, "0 s"],
    [89_000, "89 s"],
    [600_000, "10 min"],
    [7_200_000, "2 h"],
    [432_000_000, "5 d"],
  ];
  for (const [ms, expect] of cases) assert.equal(span(ms), expect);
});

test("an overview without a known state is rejected, and missing members are zero", () => {
  assert.equal(readOverview({ at: "2026-10-01T03:12:45Z", state: "fine" }), undefined);
  const read = readOverview({
    at: "2026-10-01T03:12:45Z",
    state: "normal",
    rejected_per_s: { a: 1, b: "x" },
  });
  assert.deepEqual([read?.signedIn, read?.happening, read?.rejectedPerS.size], [0, undefined, 1]);
});

test("alerts are in the order of severity, and those about the reader's account come last", () => {
  const alert = (id: string, severity: string, user?: string) =>
    readAlert({
      id,
      severity,
      rule: "F2",
      key: user === undefined ? null : { kind: "user", value: user, name: "ada" },
    });
  const all = [
    alert("own", "high", "u_1"),
    alert("flood", "medium"),
    alert("other", "high", "u_2"),
    alert("down", "critical"),
  ].filter((read) => read !== undefined);
  assert.equal(all[0]?.key?.name, "ada");
  const ids = (reader?: string) => inOrder(all, reader).map((one) => one.id);
  assert.deepEqual(ids("u_1"), ["down", "other", "flood", "own"]);
  assert.deepEqual(ids(), ["down", "own", "other", "flood"]);
});

test("a time line is extended by a newer overview, with gaps for what it does not have", () => {
  const line = readTimeline({
    from: "2026-10-01T03:00:00Z",
    step_s: 1,
    series: { messages: [1, 2], rejected: [0, null] },
  });
  const overview = readOverview({
    at: "2026-10-01T03:00:03Z",
    state: "normal",
    rejected_per_s: { a: 4 },
  });
  assert.ok(line !== undefined && overview !== undefined);
  const longer = extend(line, overview);
  assert.equal(lengthOf(longer), 4);
  assert.deepEqual(longer.series.get("messages"), [1, 2, null, null]);
  assert.deepEqual(longer.series.get("rejected"), [0, null, null, 4]);
  assert.deepEqual(longer.series.get("rejected.a"), [0, 0, 0, 4]);
  assert.equal(extend(longer, overview), longer, "an older overview changes nothing");
});

test("a time line without values begins with the first overview", () => {
  const line = readTimeline({ from: "1970-01-01T00:00:00Z", step_s: 1, series: { messages: [] } });
  const overview = readOverview({ at: "2026-10-01T03:00:03Z", state: "normal" });
  assert.ok(line !== undefined && overview !== undefined);
  const extended = extend(line, overview);
  assert.deepEqual([extended.fromMs, lengthOf(extended)], [overview.atMs, 1]);
});

test("a series has the words of the server, and the name that metrics and settings have", () => {
  const texts = new Map([
    ["rejected.connect_per_prefix", "too many connection attempts from one network"],
    ["rejected.other", "all others"],
    ["load.lag", "delay of timers"],
    ["connections", "open connections"],
    ["load.\u202Ex", "\u202Ewords"],
  ]);
  const cases: [string, { words: string; name?: string }][] = [
    [
      "rejected.connect_per_prefix",
      { words: "too many connection attempts from one network", name: "connect_per_prefix" },
    ],
    ["rejected.other", { words: "all others" }],
    ["load.lag", { words: "delay of timers", name: "lag" }],
    ["load.\u202Ex", { words: "[U+202E]words", name: "[U+202E]x" }],
    ["connections", { words: "open connections" }],
    ["rejected.new_rule", { words: "new_rule" }],
    ["messages", { words: "messages" }],
  ];
  for (const [series, expect] of cases) assert.deepEqual(seriesWords(series, texts), expect);
});

test("the reason of a block is a sentence, or empty when nothing is known", () => {
  const offender = {
    kind: "prefix",
    value: "203.0.113.0/24",
    rejected_5min: 52_100,
    rule: "connect_per_prefix",
    rule_text: "too many connection attempts from one network",
  };
  const cases: [object, string][] = [
    [
      {},
      "52,100 requests from 203.0.113.0/24 were rejected in 5 minutes: too many connection attempts " +
        "from one network (connect_per_prefix).",
    ],
    [
      { rule_text: null, rejected_5min: 1 },
      "1 request from 203.0.113.0/24 was rejected in 5 minutes: rule connect_per_prefix.",
    ],
    [{ rule: null }, ""],
    [{ rejected_5min: 0 }, ""],
    [{ rule_text: "x".repeat(200) }, ""],
  ];
  for (const [change, expect] of cases) {
    const read = readOffender({ ...offender, ...change });
    assert.ok(read !== undefined);
    assert.equal(reasonOf(read), expect);
  }
});

test("a record needs a code, and all its members are listed", () => {
  assert.equal(readEvent({ event: {} }), undefined);
  assert.equal(readEvent({ event: { code: "authn_login_fail", sequence: 7 } })?.key, "7");
  assert.deepEqual(flatten({ a: { b: 1 }, c: "x" }), [
    ["a.b", "1"],
    ["c", "x"],
  ]);
});

test("a note has a name and a number", () => {
  assert.deepEqual(readNote("myapp.com/x\n12\nhead="), { log: "myapp.com/x", sequence: 12 });
  assert.equal(readNote("myapp.com/x\ntwelve\n"), undefined);
  assert.equal(readNote(""), undefined);
});

test("the effect of a preview counts connections and users", () => {
  const cases: [unknown, string][] = [
    [
      { connections: 3, signed_in: 1, unauthenticated: 2, users: 1 },
      "Concerns 3 connections now: 1 of signed-in users, 2 unauthenticated. Affects 1 user.",
    ],
    [
      { connections: 1, signed_in: 0, unauthenticated: 1, users: 0 },
      "Concerns 1 connection now: 0 of signed-in users, 1 unauthenticated.",
    ],
    [{ connections: 0, users: 0 }, "Concerns no connection that is open now."],
  ];
  for (const [effect, expect] of cases) assert.equal(effectWords(effect), expect);
  const block = { scope: "unauthenticated" };
  assert.match(effectWords({ connections: 0 }, block), /^No user is signed in from there/);
  const effect = { connections: 99, signed_in: 46, unauthenticated: 53, users: 46 };
  assert.equal(
    effectWords(effect, block),
    "Concerns 53 unauthenticated connections now. 46 connections of signed-in users stay.",
  );
  assert.match(effectWords(effect, { scope: "all" }), /Affects 46 users/);
});

test("the limits of a user are one group, those of an address one for each prefix", () => {
  const limit = {
    limit: "login_per_prefix",
    text: "logins and registrations from one network",
    key: "rate.login_per_prefix",
    used: 3,
    of: 20,
    period_ms: 60_000,
    wait_ms: 0,
  };
  const row = {
    limit: "login_per_prefix",
    words: "logins and registrations from one network",
    key: "rate.login_per_prefix",
    used: 3,
    of: 20,
    periodMs: 60_000,
    waitMs: 0,
    observed: false,
  };
  const user = readLimits({ user: "u_1", connections: 2, limits: [limit, {}] });
  assert.deepEqual(user, [{ title: "Open connections: 2", limits: [row] }]);
  const held = { http: 1, pre_auth: 2, authenticated: 3 };
  const address = readLimits({ address: "2001:db8::1", prefixes: [{ held, limits: [limit] }, {}] });
  assert.deepEqual(
    address.map(({ title, limits }) => [title, limits.length]),
    [
      [
        "The network of the address; connections: 1 open for HTTP requests, 2 without a login, " +
          "3 of signed-in users",
        1,
      ],
      [
        "The wider network; connections: 0 open for HTTP requests, 0 without a login, " +
          "0 of signed-in users",
        0,
      ],
    ],
  );
  // A rate of one event has its name; a limit without words has its own name.
  const others = readLimits({
    user: "u_1",
    limits: [
      { ...limit, limit: "event_per_user", text: "messages of one kind", event: "chat:send" },
      { limit: "new_limit" },
    ],
  });
  assert.deepEqual(
    others[0]?.limits.map(({ words, key }) => [words, key]),
    [
      ["messages of one kind: chat:send", "rate.login_per_prefix"],
      ["new_limit", "new_limit"],
    ],
  );
});

test("codes and rules of records have the words of the server, and their names", () => {
  const texts = readRecordTexts({
    codes: { authz_fail: "A user requested an operation that is not allowed.", odd: 7 },
    rules: { access: "operations that the user is not allowed to perform", x: "\u202Ewords" },
  });
  const cases: [string, string][] = [
    [
      inWords(codeWords("authz_fail", texts)),
      "A user requested an operation that is not allowed (authz_fail)",
    ],
    [inWords(codeWords("odd", texts)), "odd"],
    [
      inWords(ruleName("access", texts)),
      "operations that the user is not allowed to perform (access)",
    ],
    [inWords(ruleName("x", texts)), "[U+202E]words (x)"],
    [inWords(ruleName("\u202Enew", texts)), "[U+202E]new"],
  ];
  for (const [words, expect] of cases) assert.equal(words, expect);
  assert.equal(withTexts(texts, readRecordTexts({ codes: { authz_fail: "x" } })), texts);
  const more = withTexts(
    texts,
    readRecordTexts({ rules: { block: "clients in blocked networks" } }),
  );
  assert.deepEqual([...more.rules.keys()], ["access", "x", "block"]);
});

test("a row of a record says what was done, what a rule rejects, or its message", () => {
  const texts = readRecordTexts({ rules: { access: "operations that are not allowed" } });
  const words = (more: object) => {
    const row = readEvent({ event: { code: "x" }, ...more });
    assert.ok(row !== undefined);
    const found = eventWords(row, texts);
    return found === undefined ? undefined : inWords(found);
  };
  const ban = {
    event: { code: "authz_admin", action: "user:ban" },
    user: { name: "grace", target: { name: "e\u202Eve" } },
    labels: { effect: "unbanned" },
  };
  const cases: [object, string | undefined][] = [
    [ban, "unbanned e[U+202E]ve"],
    [{ rule: { name: "access" } }, "operations that are not allowed (access)"],
    [{ rule: { name: "access" }, message: "more" }, "operations that are not allowed (access)"],
    [{ rule: { name: "weakened" }, message: "rate.x is high" }, "rate.x is high"],
    [{ rule: { name: "weakened" } }, "weakened"],
    [{ message: "" }, undefined],
    [{}, undefined],
  ];
  for (const [more, expect] of cases) assert.equal(words(more), expect, JSON.stringify(more));
});

test("an alert has all thresholds of its rule, and those that were reached", () => {
  const threshold = (text: string, count: number | null, reached: boolean) => ({
    text,
    count,
    window_s: count === null ? null : 600,
    severity: "high",
    reached,
  });
  const alert = readAlert({
    id: "al_1",
    rule: "A3",
    severity: "high",
    thresholds: [
      threshold("failed logins of one address, to at least 20 user names", 50, false),
      threshold("failed logins of all addresses", 200, true),
      threshold("the load level is shedding", null, true),
      { count: 7 },
    ],
  });
  assert.deepEqual(
    alert?.thresholds.map((one) => [thresholdWords(one), one.reached]),
    [
      ["50 in 10 min: failed logins of one address, to at least 20 user names", false],
      ["200 in 10 min: failed logins of all addresses", true],
      ["the load level is shedding", true],
    ],
  );
  assert.deepEqual(readAlert({ id: "al_2", rule: "A17", severity: "medium" })?.thresholds, []);
});

test("the page says that an operation asks for the password before it is confirmed", () => {
  const minute = 60_000;
  const cases: [string, object, number | undefined, boolean][] = [
    ["user:ban", {}, 14, false],
    ["user:ban", {}, 15, true],
    ["alert:acknowledge", {}, 16, true],
    ["user:role", {}, 4, false],
    ["user:role", {}, 5, true],
    ["address:block", { scope: "unauthenticated" }, 6, false],
    ["address:block", { scope: "all" }, 6, true],
    ["alert:silence", { alert: "al_1" }, 6, false],
    ["alert:silence", {}, 6, true],
    ["user:ban", {}, undefined, true],
  ];
  const now = Date.parse("2026-10-01T03:12:45Z");
  for (const [name, payload, age, expect] of cases) {
    const at = age === undefined ? undefined : now - age * minute;
    assert.equal(needsPassword(name, { ...payload }, at, now), expect, `${name} ${age}`);
  }
  // The clocks of a device and the server can differ by a moment.
  assert.equal(needsPassword("user:ban", {}, now - 15 * minute + 3_000, now), true);
});

test("a report lists what needs care first, and leaves out what it cannot read", () => {
  assert.equal(readReport(null), undefined);
  assert.equal(readReport({ checks: [{ id: "D1", result: "fine" }] }), undefined);
  const finding = { key: "D4 a", severity: "warning", found: "open", remedy: "close it" };
  const read = readReport({
    at: "2026-10-01T03:12:45Z",
    checks: [
      { id: "D1", title: "Configuration", result: "ok", facts: ["fine", 7] },
      { id: "D6", result: "not_checked", not_checked: ["no backup"] },
      { id: "D4", result: "warning", findings: [finding, { key: "D4 b" }, 7] },
      { id: "D7", result: "critical", findings: [] },
      { title: "no id", result: "ok" },
    ],
  });
  const order = read?.checks.map(({ id, result }) => `${id} ${result}`);
  assert.deepEqual(order, ["D7 critical", "D4 warning", "D6 not_checked", "D1 ok"]);
  assert.equal(read?.atMs, Date.parse("2026-10-01T03:12:45Z"));
  assert.deepEqual(read?.checks[1]?.findings, [finding]);
  assert.deepEqual(read?.checks[3]?.facts, ["fine"]);
  assert.equal(read?.checks[2]?.title, "D6");
});

test("a check says that it ran in part, what is accepted, and how many findings are hidden", () => {
  const accepted = { reason: "a plan", until: "2027-03-01T00:00:00.000Z" };
  const finding = { key: "D6 age", severity: "warning", found: "old", remedy: "make one" };
  const read = readReport({
    checks: [
      { id: "D2", result: "ok", facts: ["TLS 1.3"], not_checked: ["TLS 1.1: timed out"] },
      { id: "D3", result: "ok", facts: ["all"] },
      { id: "D5", result: "not_checked", not_checked: ["no keys"] },
      { id: "D6", result: "ok", findings: [{ ...finding, accepted }] },
      {
        id: "D10",
        result: "warning",
        findings: [finding],
        not_checked: ["one advisory"],
        hidden: [{ key: "D10 a", severity: "warning" }, 7],
        uncounted: 2,
      },
    ],
  });
  const words = read?.checks.map((check) => `${check.id} ${resultWord(check)}`);
  assert.deepEqual(words, [
    "D10 ! warning (partly checked)",
    "D5 ? not checked",
    "D2 ✓ ok (partly checked)",
    "D3 ✓ ok",
    "D6 ✓ ok",
  ]);
  const [advisories, , , , backup] = read?.checks ?? [];
  assert.deepEqual([advisories?.hidden, advisories?.hiddenCount], [["D10 a"], 3]);
  assert.deepEqual(backup?.findings, [{ ...finding, accepted }]);
  assert.equal(
    readFailure({ at: "2026-11-30T02:00:00.000Z", why: "it ended early" }),
    "2026-11-30T02:00:00.000Z: it ended early",
  );
  assert.equal(readFailure(null), undefined);
});
