// Sending, receiving and reading back messages.
// Never: a message twice, out of order, or lost behind a broken connection.
import { request } from "./connection";
import { count, readList, readMessage, type ChatMessage } from "./contract";
import { readMute } from "./mute";
import { asRefusal } from "./refusal";
import { muted, session } from "./session_state";
import { changeRoom, openRoomId, rooms, withRefusal, type Pending, type RoomEntry } from "./state";
import { EMPTY, firstGap, merge, newestSeq } from "./timeline";

const TOO_FAST = "RATE_LIMIT_EXCEEDED";
const PAGE = 50;
/** Further behind than this, the newest page is read instead of everything in between. */
const CATCH_UP_MAX = 300;
/** Rooms whose waiting messages are being sent right now. */
const delivering = new Set<string>();
/** Rooms whose missing messages are being read right now. */
const filling = new Set<string>();

/** A message the server delivered. */
export function receive(message: ChatMessage): void {
  changeRoom(message.roomId, (entry) => {
    const seen = openRoomId.value === message.roomId && document.visibilityState === "visible";
    const own = message.userId === session.value?.user.id;
    if (!entry.loaded) return own ? entry : { ...entry, unread: entry.unread + 1 };
    const placed = place(entry, [message]);
    if (seen) return { ...placed, readSeq: Math.max(entry.readSeq ?? 0, message.seq) };
    const fresh = placed.timeline !== entry.timeline && !own;
    return fresh ? { ...placed, unread: entry.unread + 1 } : placed;
  });
  void fillGaps(message.roomId);
}

/** Puts a message on its way; it is shown as pending until the server has it. */
export function send(roomId: string, message: string): void {
  const mid = crypto.randomUUID();
  changeRoom(roomId, (entry) => ({ ...entry, pending: [...entry.pending, { mid, message }] }));
  void deliverPending(roomId);
}

/** Tries a refused message again, as the same message. */
export function retry(roomId: string, mid: string): void {
  changeRoom(roomId, (entry) => ({
    ...entry,
    pending: entry.pending.map((old) => (old.mid === mid ? { mid, message: old.message } : old)),
  }));
  void deliverPending(roomId);
}

export function discard(roomId: string, mid: string): void {
  changeRoom(roomId, (entry) => without(entry, mid));
}

/** Sends what waits, oldest first, one at a time; after a reconnect under the old `mid`. */
export async function deliverPending(roomId: string): Promise<void> {
  if (delivering.has(roomId)) return;
  delivering.add(roomId);
  try {
    for (;;) {
      const entry = rooms.value.get(roomId);
      // Before the room is joined nothing would be taken; joining calls this again.
      if (entry === undefined || !entry.joined) return;
      const next = entry.pending.find(
        ({ refusal, seq }) => refusal === undefined && seq === undefined,
      );
      if (next === undefined || (await deliver(roomId, next)) === "unanswered") return;
    }
  } finally {
    delivering.delete(roomId);
  }
}

/** The newest page, for a room just opened. */
export async function loadNewest(roomId: string): Promise<void> {
  // Live messages are kept from now on: none may fall between the page and them.
  changeRoom(roomId, (entry) => ({ ...entry, loaded: true, loading: true }));
  try {
    const page = await readPage(roomId, {});
    changeRoom(roomId, (entry) => {
      const placed = place(entry, page.messages);
      return { ...placed, timeline: { ...placed.timeline, moreBefore: page.more } };
    });
  } catch (thrown) {
    changeRoom(roomId, (entry) => ({ ...entry, loaded: false, timeline: EMPTY }));
    throw thrown;
  } finally {
    changeRoom(roomId, (entry) => ({ ...entry, loading: false }));
  }
  await fillGaps(roomId);
}

/** One page of what came before. */
export async function loadEarlier(roomId: string): Promise<void> {
  const before = rooms.value.get(roomId)?.timeline.messages.at(0)?.seq;
  if (before === undefined) return;
  changeRoom(roomId, (entry) => withRefusal({ ...entry, loading: true }, undefined));
  try {
    const page = await readPage(roomId, { before });
    changeRoom(roomId, (entry) => {
      const placed = place(entry, page.messages);
      return { ...placed, timeline: { ...placed.timeline, moreBefore: page.more } };
    });
  } catch (thrown) {
    changeRoom(roomId, (entry) => withRefusal(entry, asRefusal(thrown)));
  } finally {
    changeRoom(roomId, (entry) => ({ ...entry, loading: false }));
  }
}

/** After a reconnect: everything up to `seq` that was missed meanwhile. */
export async function catchUp(roomId: string, seq: number): Promise<void> {
  const entry = rooms.value.get(roomId);
  if (entry === undefined) return;
  if (seq - newestSeq(entry.timeline) > CATCH_UP_MAX || entry.timeline.messages.length === 0) {
    changeRoom(roomId, (old) => ({ ...old, timeline: EMPTY }));
    await loadNewest(roomId);
    return;
  }
  let after = newestSeq(entry.timeline);
  while (after < seq) {
    const reached = await readAfter(roomId, after);
    if (reached <= after) return;
    after = reached;
  }
}

async function deliver(
  roomId: string,
  { mid, message }: Pending,
): Promise<"answered" | "unanswered"> {
  try {
    const answer = await request("chat:send", { roomId, message }, { mid });
    muted.value = undefined;
    const seq = count(answer["seq"]) ?? 0;
    // It stays where it is until the message itself is there, so that nothing flickers.
    changeRoom(roomId, (entry) =>
      newestSeq(entry.timeline) >= seq
        ? without(entry, mid)
        : { ...entry, pending: changed(entry.pending, { mid, message, seq }) },
    );
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    // Not answered for want of a connection: sent again when it is back.
    if (refusal.code === "offline") return "unanswered";
    muted.value = readMute(refusal) ?? muted.value;
    const waitS = refusal.code === TOO_FAST ? refusal.details.retryAfterS : undefined;
    if (waitS !== undefined) {
      // Waiting is what the server asks for; asking again at once would count against the person.
      changeRoom(roomId, (entry) => ({
        ...entry,
        pending: changed(entry.pending, { mid, message, waitS }),
      }));
      await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
      return "answered";
    }
    changeRoom(roomId, (entry) => ({
      ...entry,
      pending: changed(entry.pending, { mid, message, refusal }),
    }));
  }
  return "answered";
}

/** With the messages in their places, and no longer pending. */
function place(entry: RoomEntry, messages: readonly ChatMessage[]): RoomEntry {
  const timeline = merge(entry.timeline, messages);
  const newest = newestSeq(timeline);
  const pending = entry.pending.filter((item) => item.seq === undefined || item.seq > newest);
  return { ...entry, timeline, pending };
}

function changed(pending: readonly Pending[], item: Pending): Pending[] {
  return pending.map((old) => (old.mid === item.mid ? item : old));
}

function without(entry: RoomEntry, mid: string): RoomEntry {
  return { ...entry, pending: entry.pending.filter((item) => item.mid !== mid) };
}

async function fillGaps(roomId: string): Promise<void> {
  if (filling.has(roomId)) return;
  filling.add(roomId);
  try {
    for (;;) {
      const entry = rooms.value.get(roomId);
      const after = entry === undefined || entry.loading ? undefined : firstGap(entry.timeline);
      if (after === undefined) return;
      const reached = await readAfter(roomId, after);
      // The server has nothing there either: no use in asking for ever.
      if (reached === after) return;
    }
  } catch (thrown) {
    changeRoom(roomId, (entry) => withRefusal(entry, asRefusal(thrown)));
  } finally {
    filling.delete(roomId);
  }
}

/** Reads one page after a number; answers the last number it held, or the same one. */
async function readAfter(roomId: string, after: number): Promise<number> {
  const page = await readPage(roomId, { after });
  changeRoom(roomId, (entry) => place(entry, page.messages));
  return page.messages.at(-1)?.seq ?? after;
}

async function readPage(
  roomId: string,
  where: { before?: number; after?: number },
): Promise<{ messages: ChatMessage[]; more: boolean }> {
  const answer = await request("chat:history", { roomId, ...where, limit: PAGE });
  const messages = readList(answer["messages"], readMessage);
  return { messages, more: answer["more"] === true };
}
