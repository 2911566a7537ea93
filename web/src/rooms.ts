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
import { asRefusal, Refusal } from "./refusal";
import {
  changeRoom,
  newEntry,
  notice,
  openRoomId,
  removeRoom,
  rooms,
  session,
  withRefusal,
  type RoomEntry,
} from "./state";

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
  openRoomId.value = roomId;
  changeRoom(roomId, (entry) => withRefusal({ ...entry, unread: 0 }, undefined));
  try {
    if (rooms.value.get(roomId)?.joined === false) await join(roomId);
    if (rooms.value.get(roomId)?.loaded === false) await loadNewest(roomId);
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

/** The list as it is now: nobody tells of rooms that others make. */
export async function refreshRooms(): Promise<void> {
  try {
    await listRooms();
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    if (refusal.code !== "offline") notice.value = refusal;
  }
}

/** The person looks at the page again. */
export function markRead(): void {
  changeRoom(openRoomId.value ?? "", (entry) => ({ ...entry, unread: 0 }));
}

/** Joins a room known only by its id. */
export async function joinById(roomId: string): Promise<void> {
  if (rooms.value.has(roomId)) return;
  const answer = await request("room:join", { roomId });
  addRoom(answer["room"]);
}

/** Makes a room; gives its id. */
export async function createRoom(name: string, visibility: Visibility): Promise<string> {
  const answer = await request("room:create", { name, visibility });
  return addRoom(answer["room"]);
}

export async function leaveRoom(roomId: string): Promise<void> {
  await request("room:leave", { roomId });
  const entry = rooms.value.get(roomId);
  if (entry === undefined) return;
  if (openRoomId.value === roomId) openRoomId.value = undefined;
  if (entry.room.visibility === "private") removeRoom(roomId);
  else rooms.value = new Map(rooms.value).set(roomId, newEntry({ ...entry.room, member: false }));
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

/** The server says that somebody came, went, appeared or disappeared. */
export function memberChanged(change: MemberChange): void {
  const own = change.userId === session.value?.user.id;
  if (change.byRole && !own) {
    const room = rooms.value.get(change.roomId)?.room.name ?? "";
    const told = `${change.username} entered “${room}” by a role, without the owner's invitation.`;
    notice.value = new Refusal("entered_by_role", told);
  }
  if (own && change.change === "left") {
    changeRoom(change.roomId, (entry) => newEntry({ ...entry.room, member: false }));
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

/**
 * After a recovery: the server has put the connection into its rooms again and sends the messages
 * that it missed. What it does not send again is read anew: who is there, and rooms that are gone.
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
  const open = openRoomId.value;
  if (open !== undefined) await openRoom(open);
  for (const [roomId, { joined, pending }] of rooms.value) {
    if (joined && pending.length > 0) void deliverPending(roomId);
  }
}

/** After a connect: the server knows nothing of this connection, so rooms are joined anew. */
export async function rejoinRooms(): Promise<void> {
  await listRooms();
  const wanted = [...rooms.value.values()].filter(({ joined, room }) => joined || room.member);
  const isOpen = (entry: RoomEntry) => entry.room.id === openRoomId.value;
  wanted.sort((a, b) => Number(isOpen(b)) - Number(isOpen(a)));
  for (const roomId of rooms.value.keys()) {
    changeRoom(roomId, (entry) => ({ ...entry, joined: false, membersKnown: false }));
  }
  for (const entry of wanted.slice(0, REJOIN_MAX)) await rejoin(entry.room.id);
  const open = openRoomId.value;
  if (open !== undefined) await openRoom(open);
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
    changeRoom(roomId, (entry) => withRefusal({ ...entry, joined: false }, refusal));
  }
}

async function join(roomId: string): Promise<number> {
  const answer = await request("room:join", { roomId });
  changeRoom(roomId, (entry) => ({ ...entry, joined: true }));
  return count(answer["seq"]) ?? 0;
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
