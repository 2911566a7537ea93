// One room's messages in the order of their sequence numbers, and what is missing among them.
// Never: two messages of one number, or more than the page may hold.
import type { ChatMessage } from "./contract";

export interface Timeline {
  /** Ascending by `seq`, each number once. */
  readonly messages: readonly ChatMessage[];
  /** Whether older messages than the first may be on the server. */
  readonly moreBefore: boolean;
}

/** What one room keeps in memory; older messages are read again from the server. */
export const MESSAGES_MAX = 2000;

export const EMPTY: Timeline = { messages: [], moreBefore: true };

/** With the incoming messages in their places; a number already there stays as it is. */
export function merge(timeline: Timeline, incoming: readonly ChatMessage[]): Timeline {
  const known = new Set(timeline.messages.map((message) => message.seq));
  const fresh: ChatMessage[] = [];
  for (const message of incoming) {
    if (known.has(message.seq)) continue;
    known.add(message.seq);
    fresh.push(message);
  }
  if (fresh.length === 0) return timeline;
  const messages = [...timeline.messages, ...fresh].sort((a, b) => a.seq - b.seq);
  if (messages.length <= MESSAGES_MAX) return { ...timeline, messages };
  return { messages: messages.slice(-MESSAGES_MAX), moreBefore: true };
}

/** The newest number there is, or zero. */
export function newestSeq(timeline: Timeline): number {
  return timeline.messages.at(-1)?.seq ?? 0;
}

/** The number before the first message that is missing between two others. */
export function firstGap(timeline: Timeline): number | undefined {
  let previous: number | undefined;
  for (const { seq } of timeline.messages) {
    if (previous !== undefined && seq !== previous + 1) return previous;
    previous = seq;
  }
  return undefined;
}
