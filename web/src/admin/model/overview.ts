// The overview of the server: its load level, what happens, and its log.
// Never: a state that the server did not report.
import { readBlockChange, type BlockChange } from "./block_change";
import { number, numbers, object, readList, text, textMembers, time, type Json } from "./read";

export const LEVELS = ["normal", "elevated", "shedding", "critical"] as const;
export type Level = (typeof LEVELS)[number];

/** An operation that the server offers for what happens. */
export interface Offer {
  name: string;
  payload: Json;
  label: string;
  effect: string;
}

export interface Happening {
  text: string;
  sinceMs: number | undefined;
  rule: string | undefined;
  operations: readonly Offer[];
}

export interface Channel {
  name: string;
  state: string;
  waiting: number;
}

export interface LogState {
  state: string;
  sequence: number | undefined;
  note: string | undefined;
  noteAtMs: number | undefined;
  lost: number;
}

export interface Overview {
  atMs: number;
  state: Level;
  pinned: { state: string; untilMs: number | undefined } | undefined;
  sinceMs: number | undefined;
  why: string;
  signedIn: number;
  unauthenticated: number;
  waiting: number;
  of: number;
  usersRejected: number;
  rejectedPerS: ReadonlyMap<string, number>;
  messagesPerS: number | undefined;
  /** Load signals, in percent of the threshold for shedding. */
  load: ReadonlyMap<string, number>;
  answeredPercent: number | undefined;
  ackP99Ms: number | undefined;
  /** The words for rejected requests and load signals, by the names of their series. */
  texts: ReadonlyMap<string, string>;
  /** Blocks that began or ended in the last two minutes. */
  blockChanges: readonly BlockChange[];
  /** Networks that are blocked now. */
  blocks: number;
  alerts: ReadonlyMap<string, number>;
  log: LogState;
  channels: readonly Channel[];
  happening: Happening | undefined;
}

export function readOverview(value: unknown): Overview | undefined {
  const fields = object(value);
  const atMs = time(fields["at"]);
  const state = LEVELS.find((level) => level === fields["state"]);
  if (atMs === undefined || state === undefined) return undefined;
  const connections = object(fields["connections"]);
  const pinned = object(fields["pinned"]);
  const pin = text(pinned["state"]);
  return {
    atMs,
    state,
    pinned: pin === undefined ? undefined : { state: pin, untilMs: time(pinned["until"]) },
    sinceMs: time(fields["since"]),
    why: text(fields["why"]) ?? "",
    signedIn: number(connections["signed_in"]) ?? 0,
    unauthenticated: number(connections["unauthenticated"]) ?? 0,
    waiting: number(connections["waiting"]) ?? 0,
    of: number(connections["of"]) ?? 0,
    usersRejected: number(fields["users_rejected_5min"]) ?? 0,
    rejectedPerS: numbers(fields["rejected_per_s"]),
    messagesPerS: number(fields["messages_per_s"]),
    load: numbers(fields["load_percent"]),
    answeredPercent: number(fields["answered_in_time_percent"]),
    ackP99Ms: number(fields["ack_p99_ms"]),
    texts: textMembers(fields["texts"]),
    blockChanges: readList(fields["block_changes"], readBlockChange),
    blocks: number(fields["blocks"]) ?? 0,
    alerts: numbers(fields["alerts"]),
    log: readLog(fields["log"]),
    channels: readList(fields["channels"], readChannel),
    happening: readHappening(fields["happening"]),
  };
}

function readLog(value: unknown): LogState {
  const fields = object(value);
  return {
    state: text(fields["state"]) ?? "unknown",
    sequence: number(fields["sequence"]),
    note: text(fields["note"]),
    noteAtMs: time(fields["note_at"]),
    lost: number(fields["lost"]) ?? 0,
  };
}

function readChannel(value: unknown): Channel | undefined {
  const fields = object(value);
  const name = text(fields["name"]);
  const state = text(fields["state"]);
  if (name === undefined || state === undefined) return undefined;
  return { name, state, waiting: number(fields["waiting"]) ?? 0 };
}

function readHappening(value: unknown): Happening | undefined {
  const fields = object(value);
  const words = text(fields["text"]);
  if (words === undefined) return undefined;
  return {
    text: words,
    sinceMs: time(fields["since"]),
    rule: text(fields["rule"]),
    operations: readList(fields["operations"], readOffer).slice(0, 3),
  };
}

function readOffer(value: unknown): Offer | undefined {
  const fields = object(value);
  const name = text(fields["name"]);
  const label = text(fields["label"]);
  if (name === undefined || label === undefined) return undefined;
  return { name, label, payload: object(fields["payload"]), effect: text(fields["effect"]) ?? "" };
}
