// A mute, as the server reports it with a log-in or a rejected message, and the words for it.
// Never: a mute that only this page believes in; the server decides at every message.
import { count, fieldsOf } from "./contract";
import type { Refusal } from "./refusal";
import type { Mute } from "./session_state";
import { momentWords } from "./time";

const TEXT = /^You are muted(?: until (\d{4}-\d\d-\d\dT[\d:.]{5,12}Z))?$/;

/** The member `muted` of a log-in. */
export function readMuted(value: unknown): Mute | undefined {
  const fields = fieldsOf(value);
  if (fields === undefined) return undefined;
  const untilMs = count(fields["until"]);
  return untilMs === undefined ? {} : { untilMs };
}

/** The mute behind a rejected message. */
export function readMute(refusal: Refusal): Mute | undefined {
  const match = refusal.code === "forbidden" ? TEXT.exec(refusal.message.trim()) : null;
  if (match === null) return undefined;
  const untilMs = Date.parse(match[1] ?? "");
  return Number.isNaN(untilMs) ? {} : { untilMs };
}

/** Such as `You are muted until 14:05.`, in the time of this device. */
export function muteSentence({ untilMs }: Mute, nowMs: number): string {
  return untilMs === undefined
    ? "You are muted until a moderator ends it."
    : `You are muted until ${momentWords(untilMs, nowMs)}.`;
}
