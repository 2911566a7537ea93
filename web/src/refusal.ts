// A rejection or failure, and the sentence that the user reads.
// Never: a stack trace, or a server text shown as anything but text.

import { muteSentence, readMute } from "./mute";

/** The details of a refusal in addition to its code. */
export interface RefusalDetails {
  ref?: string;
  retryAfterS?: number;
  field?: string;
  /** What the client can change, where one code covers several causes. */
  cause?: string;
}

export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly code: string,
    message: string,
    readonly details: RefusalDetails = {},
  ) {
    super(message);
  }
}

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ["offline", "The server cannot be reached. Check your connection."],
  ["timeout", "The server did not answer in time."],
  ["unreadable", "The server sent an answer that this page does not understand."],
  ["rate_limited", "Too many attempts."],
  ["RATE_LIMIT_EXCEEDED", "You are sending too fast."],
  ["SPAM_DETECTED", "This message looks like spam, so it was not sent."],
  [
    "INVALID_CONTENT",
    "This message contains markup that would run as a script, so it was not sent.",
  ],
  ["INVALID_MESSAGE", "The server did not accept this."],
  ["IDEMPOTENCY_CONFLICT", "This message was already sent with another text."],
  ["UNKNOWN_EVENT", "This server does not offer that."],
  ["name_taken", "That name is taken."],
  ["weak_password", "Use 8 to 128 characters that are not a well-known password."],
  ["forbidden", "You do not have permission for this, or it does not exist any more."],
  ["forbidden_origin", "This page is not allowed to connect to that server."],
  ["limit_reached", "A limit of this server is reached."],
  ["too_large", "That is too large."],
  ["password_too_long", "This password is too long: a password has at most 128 characters."],
  ["password_too_short", "This password is too short: a password has at least 8 characters."],
  [
    "forbidden_invite",
    "You cannot invite this user: the id is unknown, or you do not have permission.",
  ],
  [
    "forbidden_kick",
    "You cannot remove this user: their role protects them, or you do not have permission.",
  ],
  ["unknown_person", "No user in your rooms has this name. Ask the user for their user id."],
  ["several_people", "Several users in your rooms have this name. Use the user id."],
  ["connection_limit", "Too many windows are signed in. Close one and try again."],
  ["session_ended", "Your sign-in has ended."],
  ["not_signed_out", "You are signed out on this page, but the server could not be reached."],
  ["totp_required", "Enter a code of your second factor."],
  ["reauth_required", "Sign in again to change this."],
  ["second_factor_required", "This needs a second factor: add one on your account."],
  ["server_busy", "The server is busy."],
  ["INTERNAL", "Something failed on the server."],
]);

/** Whether a retry cannot succeed until the user signs in again. */
export function isFinal(refusal: Refusal): boolean {
  return FINAL.has(refusal.code);
}

const FINAL: ReadonlySet<string> = new Set([
  "unauthorized",
  "session_ended",
  "totp_required",
  "reauth_required",
]);

const FIELDS: ReadonlyMap<string, string> = new Map([
  ["username", "The user name needs 3 to 32 letters, digits, dots, hyphens or underscores."],
  ["password", "The password needs 8 to 128 characters."],
  ["name", "This room name is not accepted: use 1 to 64 plain characters."],
  ["search", "Search for 1 to 64 plain characters."],
  ["message", "This message is not accepted: use 1 to 1,000 visible characters."],
  ["roomId", "This is not a room id."],
  ["userId", "This is not a user id."],
  ["code", "This code is wrong or has expired. Enter the current code."],
  ["totp", "This code is wrong or has expired. Enter the current code."],
]);

/** Texts of the server with more details than their code, such as an end time. */
const WITH_CAUSE =
  /^(You are muted|You are banned|This (login|set-up) link|This invitation|Registration) /;

/** The sentence that the user reads; the reference is shown next to it. */
export function sentence(refusal: Refusal): string {
  const { field, retryAfterS } = refusal.details;
  const mute = readMute(refusal);
  if (mute?.untilMs !== undefined) return muteSentence(mute, Date.now());
  const ofField = refusal.code === "INVALID_MESSAGE" && field ? FIELDS.get(field) : undefined;
  const ofCause = WITH_CAUSE.test(`${refusal.message} `) ? asSentence(refusal.message) : undefined;
  const ofMessage = ofCause ?? ofField ?? spamSentence(refusal) ?? weakSentence(refusal);
  const first = ofMessage ?? SENTENCES.get(refusal.code) ?? asSentence(refusal.message);
  if (retryAfterS === undefined) return first;
  return `${first} Try again in about ${seconds(retryAfterS)}.`;
}

/** The server's text has the finding of the spam rule after its colon. */
function spamSentence(refusal: Refusal): string | undefined {
  if (refusal.code !== "SPAM_DETECTED") return undefined;
  const cause = /: (.{1,120})$/.exec(refusal.message)?.[1];
  return cause === undefined
    ? undefined
    : `This message was not sent. It looks like spam: ${cause}.`;
}

/** Which rule a new password breaks. */
function weakSentence(refusal: Refusal): string | undefined {
  const rule = /^the password (.{1,120})$/.exec(refusal.details.cause ?? "")?.[1];
  if (refusal.code !== "weak_password" || rule === undefined) return undefined;
  return `This password ${rule}. Choose another one.`;
}

/** Reads `{code, message, ref, field?, cause?, retry_after_s?}`. */
export function readRefusal(value: unknown): Refusal {
  if (typeof value !== "object" || value === null) return unreadable();
  const fields = value as Record<string, unknown>;
  if (typeof fields["code"] !== "string" && typeof fields["code"] !== "number") return unreadable();
  const message = typeof fields["message"] === "string" ? fields["message"] : "";
  const details: RefusalDetails = {};
  if (typeof fields["ref"] === "string") details.ref = fields["ref"];
  if (typeof fields["field"] === "string") details.field = fields["field"];
  if (typeof fields["cause"] === "string") details.cause = fields["cause"];
  if (typeof fields["retry_after_s"] === "number") details.retryAfterS = fields["retry_after_s"];
  return new Refusal(String(fields["code"]), message, details);
}

/** Converts anything thrown to a refusal. */
export function asRefusal(thrown: unknown): Refusal {
  return thrown instanceof Refusal ? thrown : unreadable();
}

function unreadable(): Refusal {
  return new Refusal("unreadable", "");
}

function asSentence(message: string): string {
  const text = message.trim();
  if (text === "") return "The server rejected this.";
  // Texts of operations begin with a small letter; names such as `duration_s` stay as they are.
  const first = /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

function seconds(count: number): string {
  if (count < 90) return count === 1 ? "1 second" : `${Math.ceil(count)} seconds`;
  return `${Math.ceil(count / 60)} minutes`;
}
