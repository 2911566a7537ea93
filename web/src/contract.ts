// The shapes that cross the wire, and readers that turn unknown JSON into them.
// Never: a cast of what the network sent; a value that does not fit is undefined.

export interface User {
  id: string;
  username: string;
  roles: readonly string[];
}

export type Visibility = "public" | "private";

export interface Room {
  id: string;
  name: string;
  ownerId: string;
  visibility: Visibility;
  /** Whether the server says the signed-in user is a member; undefined when it does not say. */
  member?: boolean;
}

export interface Member {
  id: string;
  username: string;
  online: boolean;
  /** Whether another issuer vouches for the user. */
  external: boolean;
}

export interface ChatMessage {
  id: string;
  seq: number;
  roomId: string;
  userId: string;
  username: string;
  /** Whether another issuer vouches for the user. */
  external: boolean;
  message: string;
  html?: string;
  timestampMs: number;
}

export type Change = "joined" | "left" | "online" | "offline";

export interface MemberChange {
  roomId: string;
  userId: string;
  username: string;
  external: boolean;
  change: Change;
  /** Whether a moderator or administrator let the user in by their role, and not the owner. */
  byRole: boolean;
}

export interface Announcement {
  message: string;
  timestampMs: number;
}

type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Fields;
}

export function readUser(value: unknown): User | undefined {
  const fields = fieldsOf(value);
  const id = text(fields?.["id"]);
  const username = text(fields?.["username"]);
  const roles = fields?.["roles"];
  if (id === undefined || username === undefined || !Array.isArray(roles)) return undefined;
  return { id, username, roles: roles.filter((role) => typeof role === "string") };
}

export function readRoom(value: unknown): Room | undefined {
  const fields = fieldsOf(value);
  const id = text(fields?.["id"]);
  const name = text(fields?.["name"]);
  const ownerId = text(fields?.["owner_id"]);
  const visibility = fields?.["visibility"];
  if (id === undefined || name === undefined || ownerId === undefined) return undefined;
  if (visibility !== "public" && visibility !== "private") return undefined;
  const room: Room = { id, name, ownerId, visibility };
  const member = fields?.["member"];
  if (typeof member === "boolean") room.member = member;
  return room;
}

export function readMember(value: unknown): Member | undefined {
  const fields = fieldsOf(value);
  const id = text(fields?.["id"]);
  const username = text(fields?.["username"]);
  if (id === undefined || username === undefined) return undefined;
  return { id, username, online: fields?.["online"] === true, external: isExternal(fields) };
}

export function readMessage(value: unknown): ChatMessage | undefined {
  const fields = fieldsOf(value);
  const id = text(fields?.["id"]);
  const seq = count(fields?.["seq"]);
  const roomId = text(fields?.["roomId"]);
  const userId = text(fields?.["userId"]);
  const username = text(fields?.["username"]);
  const message = text(fields?.["message"]);
  const timestampMs = moment(fields?.["timestamp"]);
  if (id === undefined || seq === undefined || roomId === undefined) return undefined;
  if (userId === undefined || username === undefined || message === undefined) return undefined;
  if (timestampMs === undefined) return undefined;
  const html = text(fields?.["html"]);
  const external = isExternal(fields);
  const read = { id, seq, roomId, userId, username, external, message, timestampMs };
  return html === undefined ? read : { ...read, html };
}

export function readMemberChange(value: unknown): MemberChange | undefined {
  const fields = fieldsOf(value);
  const roomId = text(fields?.["roomId"]);
  const userId = text(fields?.["userId"]);
  const username = text(fields?.["username"]);
  const change = fields?.["change"];
  if (roomId === undefined || userId === undefined || username === undefined) return undefined;
  switch (change) {
    case "joined":
    case "left":
    case "online":
    case "offline":
      return {
        roomId,
        userId,
        username,
        external: isExternal(fields),
        change,
        byRole: fields?.["byRole"] === true,
      };
    default:
      return undefined;
  }
}

export function readAnnouncement(value: unknown): Announcement | undefined {
  const fields = fieldsOf(value);
  const message = text(fields?.["message"]);
  const timestampMs = moment(fields?.["timestamp"]);
  if (message === undefined || timestampMs === undefined) return undefined;
  return { message, timestampMs };
}

function isExternal(fields: Fields | undefined): boolean {
  return fields?.["external"] === true;
}

/** The items of a list that can be read; the others are left out. */
export function readList<T>(value: unknown, read: (item: unknown) => T | undefined): T[] {
  if (!Array.isArray(value)) return [];
  return value.map(read).filter((item): item is T & {} => item !== undefined);
}

export function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function moment(value: unknown): number | undefined {
  const ms = typeof value === "string" ? Date.parse(value) : value;
  return typeof ms === "number" && Number.isFinite(ms) ? ms : undefined;
}
