// Everything the page shows, as signals. Views read it; the action files change it.
// Never: stored outside of memory; closing the page removes it.
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

/** A mute; without `untilMs` it has no end. */
export interface Mute {
  untilMs?: number;
}

/** A room that the page's address names, until it is open. */
export interface LinkedRoom {
  roomId: string;
  /** Whether the user is confirmed to join; before that the list of rooms is on its way. */
  confirmed: boolean;
}

/**
 * Whether the sign-in is in doubt: it ends soon; the server has ended the connection and the page
 * renews the token; or it has ended. The chat is shown in the first case only.
 */
export type Doubt = "soon" | "checking" | "ended";

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
/** Why the server could not be notified of the sign-out. */
export const stillSignedIn = signal<Refusal | undefined>(undefined);
/** Why the page asks for the password again, or hides what it holds. */
export const doubt = signal<Doubt | undefined>(undefined);
/** Why the server ended the session, where it says so. */
export const endedBecause = signal<Refusal | undefined>(undefined);
export const link = signal<Link>({ state: "off" });
export const rooms = signal<ReadonlyMap<string, RoomEntry>>(new Map());
export const openRoomId = signal<string | undefined>(undefined);
export const linkedRoom = signal<LinkedRoom | undefined>(undefined);
/** Texts that are not sent yet, by room. */
export const drafts = signal<ReadonlyMap<string, string>>(new Map());
/** The user's mute, once the server has reported it. */
export const muted = signal<Mute | undefined>(undefined);
export const announcements = signal<readonly Shown[]>([]);
/** The newest refusal that belongs to no form and no room. */
export const notice = signal<Refusal | undefined>(undefined);

export const openRoom = computed(() => rooms.value.get(openRoomId.value ?? ""));
export const unread = computed(() => {
  return [...rooms.value.values()].reduce((sum, entry) => sum + entry.unread, 0);
});
export const hidden = computed(() => doubt.value === "checking" || doubt.value === "ended");
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
  setupToken.value = undefined;
  session.value = undefined;
  enrolling.value = false;
  resuming.value = undefined;
  doubt.value = undefined;
  endedBecause.value = undefined;
  link.value = { state: "off" };
  rooms.value = new Map();
  openRoomId.value = undefined;
  linkedRoom.value = undefined;
  drafts.value = new Map();
  muted.value = undefined;
  announcements.value = [];
  notice.value = undefined;
}
