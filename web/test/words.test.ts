// Devices, mutes, passwords and addresses of rooms in the page's words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceWords } from "../src/device";
import { muteSentence, readMute, readMuted } from "../src/mute";
import { checkKnownPassword, checkNewPassword } from "../src/password";
import { Refusal } from "../src/refusal";
import { readRoute } from "../src/route";

test("a device is named by browser and system", () => {
  const cases: [string, string][] = [
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
      "Chrome on Windows",
    ],
    [
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0",
      "Edge on Windows",
    ],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Linux"],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
      "Safari on iPhone",
    ],
    [
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
      "Safari on Mac",
    ],
    [
      "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
      "Chrome on Android",
    ],
    ["curl/8.5.0", "curl/8.5.0"],
    ["", "Unknown device"],
    ["x".repeat(100), `${"x".repeat(60)}…`],
  ];
  for (const [userAgent, expect] of cases) assert.equal(deviceWords(userAgent), expect);
});

test("a mute is read from a log-in and from a rejected message", () => {
  const muted = (message: string) => readMute(new Refusal("forbidden", message));
  const until = "2026-01-02T03:04:05.000Z";
  assert.deepEqual(muted(`You are muted until ${until}`), { untilMs: Date.parse(until) });
  assert.deepEqual(muted("You are muted"), {});
  assert.equal(muted("Forbidden"), undefined);
  assert.equal(readMute(new Refusal("INTERNAL", "You are muted")), undefined);
  assert.deepEqual(readMuted({ until: 5 }), { untilMs: 5 });
  assert.deepEqual(readMuted({}), {});
  assert.equal(readMuted(undefined), undefined);
  const now = new Date(2026, 0, 2, 10, 0).getTime();
  const later = new Date(2026, 0, 2, 18, 30).getTime();
  assert.match(muteSentence({ untilMs: later }, now), /^You are muted until .*30.*\.$/);
  assert.doesNotMatch(muteSentence({ untilMs: later }, now), /2026/);
  assert.match(muteSentence({ untilMs: later }, now - 86_400_000), /2026/);
  assert.equal(muteSentence({}, now), "You are muted until a moderator ends it.");
});

test("a password is measured in characters, and never cut", () => {
  const code = (work: () => void) => {
    try {
      work();
      return "fine";
    } catch (thrown) {
      return (thrown as Refusal).code;
    }
  };
  const cases: [string, string, string][] = [
    ["x".repeat(128), "fine", "fine"],
    ["x".repeat(129), "password_too_long", "password_too_long"],
    ["\u{1f98a}".repeat(128), "fine", "fine"],
    ["\u{1f98a}".repeat(129), "password_too_long", "password_too_long"],
    ["a\u0308".repeat(128), "fine", "fine"],
    ["\u{1f98a}".repeat(4), "fine", "password_too_short"],
    ["", "fine", "password_too_short"],
    ["\ufdfa".repeat(128), "fine", "password_too_long"],
  ];
  for (const [password, known, fresh] of cases) {
    assert.equal(
      code(() => checkKnownPassword(password)),
      known,
      password.slice(0, 4),
    );
    assert.equal(
      code(() => checkNewPassword(password)),
      fresh,
      password.slice(0, 4),
    );
  }
});

test("only a whole address of a room is one", () => {
  const cases: [string, string | undefined][] = [
    ["#/room/Ab_-9", "Ab_-9"],
    [`#/room/${"x".repeat(64)}`, "x".repeat(64)],
    [`#/room/${"x".repeat(65)}`, undefined],
    ["#/room/", undefined],
    ["#/room/a/b", undefined],
    ["#/room/a%20b", undefined],
    ["#room/a", undefined],
    ["", undefined],
  ];
  for (const [fragment, expect] of cases) assert.equal(readRoute(fragment), expect);
});
