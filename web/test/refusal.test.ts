// The words of refusals, and the set-up link.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asRefusal, readRefusal, sentence } from "../src/refusal";
import { readSetupToken } from "../src/setup_link";

test("a refusal reads as a sentence", () => {
  const cases: [unknown, string][] = [
    [{ code: "name_taken", message: "x" }, "That name is taken."],
    [{ code: "unknown_code", message: "Something new" }, "Something new."],
    [{ code: "unknown_code", message: "" }, "The server rejected this."],
    [
      { code: "INVALID_MESSAGE", message: "x", field: "password" },
      "The password needs 8 to 128 characters.",
    ],
    [
      { code: "RATE_LIMIT_EXCEEDED", message: "x", retry_after_s: 5 },
      "You are sending too fast. Try again in about 5 seconds.",
    ],
    [
      { code: "rate_limited", message: "x", retry_after_s: 600 },
      "Too many attempts. Try again in about 10 minutes.",
    ],
    [
      { code: "forbidden", message: "You are muted until 2026-11-29", retry_after_s: 600 },
      "You are muted until 2026-11-29. Try again in about 10 minutes.",
    ],
    [{ code: "forbidden", message: "You are muted" }, "You are muted."],
    [
      { code: "session_ended", message: "You are banned or your account is locked" },
      "You are banned or your account is locked.",
    ],
    [
      { code: "INVALID_MESSAGE", message: "This login link has expired" },
      "This login link has expired.",
    ],
    [
      { code: "forbidden", message: "Registration is closed: ask for an account" },
      "Registration is closed: ask for an account.",
    ],
    [
      { code: "forbidden", message: "This invitation is not valid" },
      "This invitation is not valid.",
    ],
    [
      { code: "forbidden", message: "This set-up link is not valid" },
      "This set-up link is not valid.",
    ],
    [
      { code: "SPAM_DETECTED", message: "Message rejected as spam: one repeated link (one_link)" },
      "This message was not sent. It looks like spam: one repeated link (one_link).",
    ],
    [
      { code: "SPAM_DETECTED", message: "Message rejected as spam" },
      "This message looks like spam, so it was not sent.",
    ],
    [
      { code: "INVALID_CONTENT", message: "Invalid content detected" },
      "This message contains markup that would run as a script, so it was not sent.",
    ],
    [
      {
        code: "weak_password",
        message: "Use 8 to 128 characters that are not a well-known password",
        cause: "the password is on a list of known passwords",
      },
      "This password is on a list of known passwords. Choose another one.",
    ],
    [
      { code: "weak_password", message: "Use 8 to 128 characters" },
      "Use 8 to 128 characters that are not a well-known password.",
    ],
    ["<html>", "The server sent an answer that this page does not understand."],
  ];
  for (const [value, expect] of cases) assert.equal(sentence(readRefusal(value)), expect);
  assert.equal(asRefusal(new TypeError("x")).code, "unreadable");
  assert.equal(readRefusal({ code: "x", message: "", ref: "AB12" }).details.ref, "AB12");
});

test("only a whole set-up link is one", () => {
  const token = "abcDEF_-0123456789abcdef";
  const cases: [string, string | undefined][] = [
    [`#setup=${token}`, token],
    ["", undefined],
    ["#setup=", undefined],
    ["#setup=short", undefined],
    [`#setup=${token}<b>`, undefined],
    [`#other=${token}`, undefined],
  ];
  for (const [fragment, expect] of cases) assert.equal(readSetupToken(fragment), expect);
});
