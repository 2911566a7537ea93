// Everything the page shows, as signals. Views read it; the action files change it.
// Never: stored anywhere but in memory; closing the page forgets it all.
import { computed, signal } from "@preact/signals";
import type { Announcement, ChatMessage, Member, Room, User } from "./contract";
import type { Refusal } from "./refusal";
import { EMPTY, type Timeline } from "./timeline";

export interface Session {
  user: User;
  token: string;
  endsAtMs: number;
  /** Whether a role of the user rests until a second factor is added. */
  factorMissing: boolean;
  /** Whether nothing but adding a second factor is possible until then. */
  setupOnly: boolean;
}

export type Link =
  | { state: "off" }
  | { state: "connecting" }
  | { state: "online" }
  | { state: "waiting"; refusal: Refusal };

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
  /** Whether this connection hears the room. */
  joined: boolean;
  /** Whether its messages are kept; until it is opened they are only counted. */
  loaded: boolean;
  loading: boolean;
  membersKnown: boolean;
  timeline: Timeline;
  pending: readonly Pending[];
  members: readonly Member[];
  unread: number;
  refusal?: Refusal;
}

export interface Shown {
  key: number;
  announcement: Announcement;
}

/** The token of a set-up link, until it is used or put aside. */
export const setupToken = signal<string | undefined>(undefined);
/** A login link, until a log-in has used it. */
export const door = signal<string | undefined>(undefined);
export const session = signal<Session | undefined>(undefined);
/** The page of the second factor that has to be added first, until its recovery codes were read. */
export const enrolling = signal(false);
/** Finding out who is signed in, after a load; with a refusal it waits for the person. */
export const resuming = signal<{ refusal: Refusal | undefined } | undefined>(undefined);
/** Why the server could not be told that the person has signed out. */
export const stillSignedIn = signal<Refusal | undefined>(undefined);
/** Why the person is asked for the password again, while everything stays as it is. */
export const confirmAsked = signal<"soon" | "ended" | undefined>(undefined);
export const link = signal<Link>({ state: "off" });
export const rooms = signal<ReadonlyMap<string, RoomEntry>>(new Map());
export const openRoomId = signal<string | undefined>(undefined);
export const announcements = signal<readonly Shown[]>([]);
/** The newest refusal that belongs to no form and no room. */
export const notice = signal<Refusal | undefined>(undefined);

export const openRoom = computed(() => rooms.value.get(openRoomId.value ?? ""));
export const unread = computed(() => {
  return [...rooms.value.values()].reduce((sum, entry) => sum + entry.unread, 0);
});
export const online = computed(() => link.value.state === "online");

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
  if (openRoomId.value === roomId) openRoomId.value = undefined;
}

export function withRefusal(entry: RoomEntry, refusal: Refusal | undefined): RoomEntry {
  const { refusal: _, ...rest } = entry;
  return refusal === undefined ? rest : { ...rest, refusal };
}

export function isOwn(message: ChatMessage): boolean {
  return message.userId === session.value?.user.id;
}

export function forgetEverything(): void {
  setupToken.value = undefined;
  session.value = undefined;
  enrolling.value = false;
  resuming.value = undefined;
  confirmAsked.value = undefined;
  link.value = { state: "off" };
  rooms.value = new Map();
  openRoomId.value = undefined;
  announcements.value = [];
  notice.value = undefined;
}
