// The operations that change something: their titles, fields and effects.
// Never: sent without a reason and the answer of a dry run.
import { signal } from "@preact/signals";
import { ask } from "./ask";
import type { Level } from "../model/overview";
import { effectWords } from "../model/effect";
import { object, text, time, type Json } from "../model/read";
import type { Block } from "../model/rows";
import { moment, visible } from "../model/words";
import { changes } from "./state";

/** An operation that waits for a reason. */
export interface Operation {
  name: string;
  title: string;
  verb: string;
  payload: Json;
  /** Whether it ends by itself; the choices of its form. */
  expires: "required" | "no";
  /** Whether the form asks whom a block concerns. */
  scoped?: boolean;
  /** The effect in a sentence, beside the numbers of the dry run. */
  says: string;
  /** Receives the answer, where it holds more than that it is done. */
  take?: (answer: Json) => void;
}

export const pending = signal<Operation | undefined>(undefined);

export function propose(operation: Operation): void {
  pending.value = operation;
}

/** Asks for the effect without the change; operations on alerts change no connection. */
export async function preview(name: string, payload: Json): Promise<string> {
  if (!hasPreview(name)) return "";
  const answer = await ask(name, { ...payload, dry_run: true });
  return effectWords(answer["effect"], payload);
}

export function hasPreview(name: string): boolean {
  return !name.startsWith("alert:");
}

export async function perform(name: string, payload: Json): Promise<Json> {
  const answer = await ask(name, payload);
  changes.value += 1;
  return answer;
}

export const BLOCK_SAYS =
  "Signed-in users at these addresses go on, unless you block all connections. Your own address " +
  "is never blocked.";

/** `reason` is proposed; without one, the form asks for it. */
export const block = (prefix: string, reason = ""): Operation => ({
  name: "address:block",
  title: `Block ${visible(prefix)}`,
  verb: "Block",
  payload: reason === "" ? { prefix } : { prefix, reason },
  expires: "required",
  scoped: true,
  says: BLOCK_SAYS,
});

/** A block of the same network replaces the former one. The form proposes a later end. */
export const extend = ({ prefix, reason, scope, untilMs }: Block): Operation => {
  const restS = ((untilMs ?? 0) - Date.now()) / 1000;
  const later = DURATIONS.find(([seconds]) => seconds > restS) ?? DURATIONS.at(-1);
  const proposed = later === undefined ? {} : { duration_s: later[0] };
  return {
    ...block(prefix),
    title: `Extend the block of ${visible(prefix)}`,
    verb: "Extend",
    payload: { prefix, reason, scope, ...proposed },
    says: `The new end replaces the present one, ${moment(untilMs, Date.now())}.`,
  };
};

export const unblock = (prefix: string): Operation => ({
  name: "address:unblock",
  title: `Remove the block of ${visible(prefix)}`,
  verb: "Remove the block",
  payload: { prefix },
  expires: "no",
  says: "Clients at these addresses can connect again. All limits still apply to them.",
});

export const lift = (subject: { address: string } | { user: string }, name: string): Operation => ({
  name: "limits:unlock",
  title: `Lift limits of ${visible(name)}`,
  verb: "Lift",
  payload: subject,
  expires: "no",
  says: "Counts, penalties and closed logins start again at zero. The limits stay in force.",
});

export const closeConnection = (id: string): Operation => ({
  name: "connection:close",
  title: `Close connection ${visible(id)}`,
  verb: "Close",
  payload: { id },
  expires: "no",
  says: "The client can connect again at once.",
});

export const endSession = (
  user: string,
  session: string,
  name: string,
  since: number | undefined,
): Operation => ({
  name: "session:end",
  title: `End session of ${visible(name)} since ${moment(since, Date.now())}`,
  verb: "End session",
  payload: { user, session },
  expires: "no",
  says: "The device of this session must sign in again. Other sessions of the user go on.",
});

export const acknowledge = (id: string, title: string): Operation => ({
  name: "alert:acknowledge",
  title: `Acknowledge: ${visible(title)}`,
  verb: "Acknowledge",
  payload: { id },
  expires: "no",
  says: "It sends updates only when it is more severe or has ten times as many events.",
});

/** The key of an alert, as it is shown. */
type Key = { kind: string; value: string };

export const silence = (id: string, rule: string, key: Key | undefined): Operation => ({
  name: "alert:silence",
  title: `Silence ${visible(rule)}${key === undefined ? "" : ` for ${visible(key.value)}`}`,
  verb: "Silence",
  // By its id: the key that the page shows can be shortened or escaped.
  payload: { alert: id },
  expires: "required",
  says: "Channels and this page get no such alert until then. All administrators see the silence.",
});

export const unsilence = (id: string): Operation => ({
  name: "alert:unsilence",
  title: "End the silence",
  verb: "End the silence",
  payload: { id },
  expires: "no",
  says: "Alerts of this kind are sent again.",
});

export const pin = (state: Level, word: string): Operation => ({
  name: "state:pin",
  title: `Pin the load level to ${word}`,
  verb: "Pin",
  payload: { state },
  expires: "required",
  says: "The server keeps this load level until then, whatever it measures.",
});

export const unpin: Operation = {
  name: "state:unpin",
  title: "End the pin of the load level",
  verb: "End the pin",
  payload: {},
  expires: "no",
  says: "The load level follows from measurements again.",
};

/** An invitation that was made: its link is shown once, and the server keeps no copy. */
export const invited = signal<{ link: string; untilMs: number | undefined } | undefined>(undefined);

export const invite: Operation = {
  name: "invitation:create",
  title: "Invite a person",
  verb: "Create invitation",
  payload: { duration_s: 604_800 },
  expires: "required",
  says: "One person can register with the link. The page shows it once; the server keeps no copy.",
  take(answer) {
    const link = text(answer["link"]);
    const untilMs = time(object(answer["invitation"])["until"]);
    if (link !== undefined) invited.value = { link, untilMs };
  },
};

export const revokeInvitation = (id: string): Operation => ({
  name: "invitation:revoke",
  title: `Revoke invitation ${visible(id)}`,
  verb: "Revoke",
  payload: { id },
  expires: "no",
  says: "No one can register with its link any more.",
});

const USER_OPERATIONS = {
  mute: ["Mute", "The user reads messages and cannot write.", "required"],
  ban: ["Ban", "The user cannot sign in, and all their connections end.", "required"],
  kick: ["Disconnect", "All connections of the user end. The user can connect again.", "no"],
  logout: ["End all sessions", "The user must sign in again on all devices.", "no"],
} as const;

export type UserOperation = keyof typeof USER_OPERATIONS;

export function ofUser(kind: UserOperation, user: string, name: string): Operation {
  const [verb, says, expires] = USER_OPERATIONS[kind];
  const title = `${verb}: ${visible(name)}`;
  return { name: `user:${kind}`, title, verb, payload: { user }, expires, says };
}

/** Ends a mute or a ban: the same operation with a duration of 0. */
export function lifted(kind: "mute" | "ban", user: string, name: string): Operation {
  const verb = kind === "mute" ? "End mute" : "End ban";
  const payload = { user, duration_s: 0 };
  const says = "It takes effect at once.";
  return {
    name: `user:${kind}`,
    title: `${verb}: ${visible(name)}`,
    verb,
    payload,
    expires: "no",
    says,
  };
}

export function setRoles(user: string, name: string, roles: readonly string[]): Operation {
  const words = roles.length === 0 ? "no role" : roles.join(", ");
  return {
    name: "user:role",
    title: `Roles of ${visible(name)}`,
    verb: "Change roles",
    payload: { user, roles },
    expires: "no",
    says: `The user then has ${words}. Open connections get the change at once.`,
  };
}

export function setDisabled(user: string, name: string, disabled: boolean): Operation {
  const verb = disabled ? "Disable the account" : "Enable the account";
  const says = disabled
    ? "The user cannot sign in until an administrator enables the account."
    : "The user can sign in again.";
  const payload = { user, disabled };
  return {
    name: "user:disable",
    title: `${verb}: ${visible(name)}`,
    verb,
    payload,
    expires: "no",
    says,
  };
}

/** A silence and an invitation last seven days at most, everything else thirty. */
export function durationsOf(name: string): readonly [number, string][] {
  const isShort = name === "alert:silence" || name === "invitation:create";
  return isShort ? DURATIONS.slice(0, -1) : DURATIONS;
}

const DURATIONS: readonly [number, string][] = [
  [900, "15 minutes"],
  [3600, "1 hour"],
  [86_400, "1 day"],
  [604_800, "7 days"],
  [2_592_000, "30 days"],
];
