// Everything the page shows, as signals. Views read it; the action files change it.
// Never: stored outside of memory; closing the page removes it.
import { computed, signal } from "@preact/signals";
import type { Announcement, ChatMessage, Member, Room } from "./contract";
import type { Refusal } from "./refusal";
import { session } from "./session_state";
import { EMPTY, type Timeline } from "./timeline";

/** A message of one's own on its way; `mid` makes a retry the same message. */
export interface Pending {
  mid: string;
  message: string;
  refusal?: Refusal;
  /** Sent too fast: the server takes it in about so many seconds. */
  waitS?: number;
  /** Its place, once acknowledged. */
  seq?: number;
}

export interface RoomEntry {
  room: Room;
  /** Whether this connection is subscribed to the room. */
  joined: boolean;
  /** Whether its messages are kept; until it is opened they are only counted. */
  loaded: boolean;
  loading: boolean;
  membersKnown: boolean;
  timeline: Timeline;
  pending: readonly Pending[];
  members: readonly Member[];
  unread: number;
  /** The number of the newest message the user has read; undefined before the room is joined. */
  readSeq?: number;
  refusal?: Refusal;
}

/** A room that the page's address names, until it is open. */
export interface LinkedRoom {
  roomId: string;
  /** Whether the user is confirmed to join; before that the list of rooms is on its way. */
  confirmed: boolean;
}

export interface Shown {
  key: number;
  announcement: Announcement;
}

export const rooms = signal<ReadonlyMap<string, RoomEntry>>(new Map());
export const openRoomId = signal<string | undefined>(undefined);
export const linkedRoom = signal<LinkedRoom | undefined>(undefined);
/** Texts that are not sent yet, by room. */
export const drafts = signal<ReadonlyMap<string, string>>(new Map());
export const announcements = signal<readonly Shown[]>([]);

export const openRoom = computed(() => rooms.value.get(openRoomId.value ?? ""));
export const unread = computed(() => {
  return [...rooms.value.values()].reduce((sum, entry) => sum + entry.unread, 0);
});

export function newEntry(room: Room): RoomEntry {
  return {
    room,
    joined: false,
    loaded: false,
    loading: false,
    membersKnown: false,
    timeline: EMPTY,
    pending: [],
    members: [],
    unread: 0,
  };
}

/** Changes one room's entry; a room that is gone stays gone. */
export function changeRoom(roomId: string, change: (entry: RoomEntry) => RoomEntry): void {
  const entry = rooms.value.get(roomId);
  if (entry === undefined) return;
  rooms.value = new Map(rooms.value).set(roomId, change(entry));
}

export function removeRoom(roomId: string): void {
  const left = new Map(rooms.value);
  left.delete(roomId);
  rooms.value = left;
  setDraft(roomId, "");
  if (openRoomId.value === roomId) openRoomId.value = undefined;
}

export function setDraft(roomId: string, text: string): void {
  if ((drafts.value.get(roomId) ?? "") === text) return;
  const next = new Map(drafts.value);
  if (text === "") next.delete(roomId);
  else next.set(roomId, text);
  drafts.value = next;
}

/** Whether the user may invite people to a room and remove members: its owner, or by a role. */
export function mayManage(room: Room): boolean {
  const user = session.value?.user;
  if (user === undefined) return false;
  return room.ownerId === user.id || MANAGERS.some((role) => user.roles.includes(role));
}

const MANAGERS = ["moderator", "admin"] as const;

export function withRefusal(entry: RoomEntry, refusal: Refusal | undefined): RoomEntry {
  const { refusal: _, ...rest } = entry;
  return refusal === undefined ? rest : { ...rest, refusal };
}

export function isOwn(message: ChatMessage): boolean {
  return message.userId === session.value?.user.id;
}

export function clearState(): void {
  rooms.value = new Map();
  openRoomId.value = undefined;
  linkedRoom.value = undefined;
  drafts.value = new Map();
  announcements.value = [];
}
