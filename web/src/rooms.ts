// Listing, opening, joining, creating, leaving and deleting rooms, and who is in them.
// Never: a room the server did not name.
import { signal } from "@preact/signals";
import { request } from "./connection";
import {
  count,
  readList,
  readMember,
  readRoom,
  text,
  type Member,
  type MemberChange,
  type Visibility,
} from "./contract";
import { catchUp, deliverPending, loadNewest } from "./messages";
import { readMark } from "./read_marks";
import { asRefusal, Refusal } from "./refusal";
import { notice, online, session } from "./session_state";
import {
  changeRoom,
  linkedRoom,
  newEntry,
  openRoomId,
  removeRoom,
  rooms,
  withRefusal,
  type RoomEntry,
} from "./state";
import { newestSeq } from "./timeline";

/** Rooms heard without being open; each costs one request after a connect. */
const REJOIN_MAX = 20;
/** Members that are read of a large room. */
const MEMBERS_SHOWN_MAX = 2000;

/** Where the list that is shown goes on, and what it was searched for. */
export const listing = signal<{ next: string | undefined; search: string }>({
  next: undefined,
  search: "",
});

/** Reads the first page of the list; rooms that are open keep what they hold. */
export async function listRooms(): Promise<void> {
  const search = listing.value.search;
  const answer = await request("room:list", search === "" ? {} : { search });
  if (listing.value.search !== search) return;
  listing.value = { next: text(answer["next"]), search };
  const listed = readList(answer["rooms"], readRoom);
  const next = new Map(
    listed.map((room) => {
      const entry = rooms.value.get(room.id);
      return [room.id, entry === undefined ? newEntry(room) : { ...entry, room }] as const;
    }),
  );
  // A joined room, or one of a later page, may be past the end of this page.
  const isLonger = listing.value.next !== undefined;
  for (const [id, entry] of rooms.value) {
    if ((entry.joined || isLonger) && !next.has(id)) next.set(id, entry);
  }
  rooms.value = next;
}

/** Reads the next page of the list. */
export async function listMore(): Promise<void> {
  const { next: after, search } = listing.value;
  if (after === undefined) return;
  try {
    const answer = await request("room:list", search === "" ? { after } : { after, search });
    if (listing.value.search !== search) return;
    listing.value = { next: text(answer["next"]), search };
    const all = new Map(rooms.value);
    for (const room of readList(answer["rooms"], readRoom)) {
      if (!all.has(room.id)) all.set(room.id, newEntry(room));
    }
    rooms.value = all;
  } catch (thrown) {
    notice.value = asRefusal(thrown);
  }
}

/** Shows rooms whose names contain a text. */
export async function searchRooms(search: string): Promise<void> {
  listing.value = { next: undefined, search: search.trim() };
  await refreshRooms();
}

/** Shows a room, joining it first when need be. */
export async function openRoom(roomId: string): Promise<void> {
  linkedRoom.value = undefined;
  openRoomId.value = roomId;
  changeRoom(roomId, (entry) => withRefusal({ ...entry, unread: 0 }, undefined));
  try {
    if (rooms.value.get(roomId)?.joined === false) await join(roomId);
    if (rooms.value.get(roomId)?.loaded === false) await loadNewest(roomId);
    markRead();
    void deliverPending(roomId);
    if (rooms.value.get(roomId)?.membersKnown === false) await loadMembers(roomId);
  } catch (thrown) {
    changeRoom(roomId, (entry) => withRefusal(entry, asRefusal(thrown)));
  }
}

export function closeRoom(): void {
  openRoomId.value = undefined;
  void refreshRooms();
}

/** Reads the current list: the server does not announce rooms that other users create. */
export async function refreshRooms(): Promise<void> {
  try {
    await listRooms();
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    if (refusal.code !== "offline") notice.value = refusal;
  }
}

/** The user views the open room. */
export function markRead(): void {
  if (document.visibilityState !== "visible") return;
  changeRoom(openRoomId.value ?? "", (entry) => {
    const readSeq = Math.max(entry.readSeq ?? 0, newestSeq(entry.timeline));
    return entry.unread === 0 && entry.readSeq === readSeq
      ? entry
      : { ...entry, unread: 0, readSeq };
  });
}

/** Goes where the address points: to a room, to the question whether to join it, or to none. */
export function showLinked(roomId: string | undefined): void {
  if (roomId === undefined) {
    linkedRoom.value = undefined;
    openRoomId.value = undefined;
    return;
  }
  if (isMember(rooms.value.get(roomId))) void openRoom(roomId);
  else linkedRoom.value = { roomId, confirmed: online.value };
}

/** The room of the address, once the list of rooms is there. */
function settleLink(): void {
  const roomId = linkedRoom.value?.roomId;
  if (roomId === undefined) return;
  if (isMember(rooms.value.get(roomId))) {
    linkedRoom.value = undefined;
    openRoomId.value = roomId;
  } else {
    linkedRoom.value = { roomId, confirmed: true };
  }
}

function isMember(entry: RoomEntry | undefined): boolean {
  return entry !== undefined && (entry.joined || entry.room.member === true);
}

/** Joins a room known only by its id. */
export async function joinById(roomId: string): Promise<void> {
  if (rooms.value.get(roomId)?.joined === true) return;
  const answer = await request("room:join", { roomId });
  addRoom(answer["room"]);
  await subscribe(roomId, answer);
}

/** Lets a user join, also a room that is private or that the user was removed from. */
export async function invite(roomId: string, userId: string): Promise<void> {
  await request("room:invite", { roomId, userId });
}

/** Removes a member, who stays out until invited again. */
export async function kick(roomId: string, userId: string): Promise<void> {
  await request("room:kick", { roomId, userId });
}

/** Makes a room; gives its id. */
export async function createRoom(name: string, visibility: Visibility): Promise<string> {
  const answer = await request("room:create", { name, visibility });
  return addRoom(answer["room"]);
}

export async function leaveRoom(roomId: string): Promise<void> {
  await request("room:leave", { roomId });
  removeMembership(roomId);
}

/** Nothing of a room stays that only its members read. */
function removeMembership(roomId: string): void {
  const entry = rooms.value.get(roomId);
  if (entry === undefined) return;
  removeRoom(roomId);
  if (entry.room.visibility === "private") return;
  rooms.value = new Map(rooms.value).set(roomId, newEntry({ ...entry.room, member: false }));
}

export async function deleteRoom(roomId: string): Promise<void> {
  await request("room:delete", { roomId });
  removeRoom(roomId);
}

/** The server says that a room is gone. */
export function roomDeleted(roomId: string): void {
  const entry = rooms.value.get(roomId);
  const mine = entry?.room.ownerId === session.value?.user.id;
  if (entry !== undefined && !mine && openRoomId.value === roomId) {
    notice.value = new Refusal("room_deleted", `The room “${entry.room.name}” was deleted.`);
  }
  removeRoom(roomId);
}

/** The server reports that a member joined, left, connected or disconnected. */
export function memberChanged(change: MemberChange): void {
  const own = change.userId === session.value?.user.id;
  if (change.byRole && !own) {
    const room = rooms.value.get(change.roomId)?.room.name ?? "";
    const announcement = `${change.username} entered “${room}” by a role, without the owner's invitation.`;
    notice.value = new Refusal("entered_by_role", announcement);
  }
  if (own && change.change === "left") {
    noLongerMember(change.roomId);
    return;
  }
  changeRoom(change.roomId, (entry) => {
    const others = entry.members.filter((member) => member.id !== change.userId);
    if (change.change === "left") return { ...entry, members: others };
    const online = change.change !== "offline";
    const { userId: id, username, external } = change;
    return { ...entry, members: [...others, { id, username, online, external }] };
  });
}

/** The user was removed, or has left in another window. */
function noLongerMember(roomId: string): void {
  const entry = rooms.value.get(roomId);
  if (entry === undefined) return;
  if (openRoomId.value === roomId) {
    const text = `You are no longer a member of “${entry.room.name}”.`;
    notice.value = new Refusal("no_member", text);
  }
  removeMembership(roomId);
}

/**
 * After a recovery: the server has put the connection into its rooms again and sends the messages
 * that it missed. Other state is read again: the members, and deleted rooms.
 */
export async function resumeRooms(): Promise<void> {
  await listRooms();
  for (const roomId of rooms.value.keys()) {
    changeRoom(roomId, (entry) => ({
      ...entry,
      joined: entry.joined && entry.room.member !== false,
      membersKnown: false,
    }));
  }
  settleLink();
  const open = openRoomId.value;
  if (open !== undefined) await openRoom(open);
  for (const [roomId, { joined, pending }] of rooms.value) {
    if (joined && pending.length > 0) void deliverPending(roomId);
  }
}

/** After a connect: the server knows nothing of this connection, so rooms are joined anew. */
export async function rejoinRooms(): Promise<void> {
  await listRooms();
  settleLink();
  const open = openRoomId.value;
  const wanted = [...rooms.value.values()].filter(isMember).map(({ room }) => room.id);
  for (const roomId of rooms.value.keys()) {
    changeRoom(roomId, (entry) => ({ ...entry, joined: false, membersKnown: false }));
  }
  if (open !== undefined) {
    if (wanted.includes(open)) await rejoin(open);
    if (openRoomId.value === open) await openRoom(open);
  }
  const others = wanted.filter((roomId) => roomId !== open);
  for (const roomId of others.slice(0, REJOIN_MAX)) await rejoin(roomId);
}

async function rejoin(roomId: string): Promise<void> {
  try {
    const seq = await join(roomId);
    if (rooms.value.get(roomId)?.loaded) {
      await catchUp(roomId, seq);
      await deliverPending(roomId);
    }
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    if (refusal.code === "offline") return;
    // Removed meanwhile, or the room is gone.
    if (refusal.code === "forbidden") return noLongerMember(roomId);
    changeRoom(roomId, (entry) => withRefusal({ ...entry, joined: false }, refusal));
  }
}

/** Subscribes to a room, and counts the messages since the user last read it. */
async function join(roomId: string): Promise<number> {
  return subscribe(roomId, await request("room:join", { roomId }));
}

async function subscribe(
  roomId: string,
  answer: Readonly<Record<string, unknown>>,
): Promise<number> {
  const seq = count(answer["seq"]) ?? 0;
  const mark = rooms.value.get(roomId)?.readSeq ?? (await readMark(roomId)) ?? seq;
  changeRoom(roomId, (entry) => {
    const readSeq = Math.max(mark, entry.readSeq ?? 0);
    const unread = roomId === openRoomId.value ? entry.unread : Math.max(0, seq - readSeq);
    return { ...entry, joined: true, readSeq, unread };
  });
  return seq;
}

async function loadMembers(roomId: string): Promise<void> {
  const members: Member[] = [];
  let after: string | undefined;
  do {
    const page = after === undefined ? { roomId } : { roomId, after };
    const answer = await request("room:members", page);
    members.push(...readList(answer["members"], readMember));
    after = text(answer["next"]);
  } while (after !== undefined && members.length < MEMBERS_SHOWN_MAX);
  changeRoom(roomId, (entry) => ({ ...entry, membersKnown: true, members }));
}

function addRoom(value: unknown): string {
  const room = readRoom(value);
  if (room === undefined) throw new Refusal("unreadable", "");
  if (!rooms.value.has(room.id)) {
    rooms.value = new Map(rooms.value).set(room.id, newEntry(room));
  }
  return room.id;
}
