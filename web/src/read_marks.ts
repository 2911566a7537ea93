// The newest message that the user has read of each room, so that unread counts survive a reload.
// Never: a room id, a user id, a name or a text; and nothing after a sign-out or in another tab.
import { effect } from "@preact/signals";
import { session } from "./session_state";
import { rooms } from "./state";

const KEY = "read";
/** The rooms that are kept; the mark that was written longest ago makes way. */
const MARKS_MAX = 500;
/** Bytes of a hash that are kept: enough to tell rooms apart. */
const HASH_BYTES = 12;

/** The number of the newest message read, where this tab kept it. */
export async function readMark(roomId: string): Promise<number | undefined> {
  const name = await hashOf(roomId);
  return name === undefined ? undefined : stored().get(name);
}

/** Keeps what is read from now on. */
export function keepReadMarks(): void {
  const kept = new Map<string, number>();
  effect(() => {
    const user = session.value?.user.id;
    if (user === undefined) kept.clear();
    for (const [roomId, { readSeq }] of rooms.value) {
      if (user === undefined || readSeq === undefined || kept.get(roomId) === readSeq) continue;
      kept.set(roomId, readSeq);
      void keep(user, roomId, readSeq);
    }
  });
}

export function removeReadMarks(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // A browser that keeps nothing has nothing to remove.
  }
}

async function keep(user: string, roomId: string, seq: number): Promise<void> {
  const name = await hashOf(roomId);
  // A user who signed out in the meantime leaves no data behind.
  if (name === undefined || session.value?.user.id !== user) return;
  const marks = stored();
  marks.delete(name);
  marks.set(name, seq);
  const newest = [...marks].slice(-MARKS_MAX);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(newest));
  } catch {
    // The counts begin at the next load.
  }
}

function stored(): Map<string, number> {
  const marks = new Map<string, number>();
  try {
    const list: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    for (const item of Array.isArray(list) ? list : []) {
      const [name, seq] = Array.isArray(item) ? item : [];
      if (typeof name === "string" && Number.isSafeInteger(seq)) marks.set(name, seq);
    }
  } catch {
    // What cannot be read counts as not kept.
  }
  return marks;
}

/** Of user and room together: the same room of two users has two names. */
async function hashOf(roomId: string): Promise<string | undefined> {
  const user = session.value?.user.id;
  if (user === undefined) return undefined;
  const bytes = new TextEncoder().encode(`${user}\n${roomId}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return btoa(String.fromCharCode(...digest.slice(0, HASH_BYTES)));
}
