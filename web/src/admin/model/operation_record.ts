// What a recorded operation did, in words: a ban and its end differ by their verb.
// Never: the name of an operation in place of what it did, where the record says that.
import type { EventRow } from "./event";
import { textAt, type Json } from "./read";
import { visible } from "./words";

/** Writes a text of a client: as text of the page, or harmless for a chat. */
export type Writer = (text: string) => string;

/** Codes of records whose `event.action` names an operation. */
const OPERATION_CODES: readonly string[] = ["authz_admin", "privilege_permissions_changed"];

/**
 * What an operation did and to whom, such as `banned eve`; `undefined` for other records, and for
 * those whose message says it.
 */
export function doneWords({ code, record }: EventRow, write: Writer): string | undefined {
  const action = textAt(record, "event.action");
  if (!OPERATION_CODES.includes(code) || action === undefined) return undefined;
  const target = targetOf(record, write);
  const on = target === "" ? "" : ` ${target}`;
  const message = textAt(record, "message") ?? "";
  switch (action) {
    case "address:block":
      return `blocked${on}${scope(record)}`;
    case "address:unblock":
      return `lifted the block of${on}`;
    case "limits:unlock":
      return `lifted the limits of${on}`;
    case "user:ban":
      return `${timed(record, "banned", "unbanned", "changed the ban of")}${on}`;
    case "user:mute":
      return `${timed(record, "muted", "unmuted", "changed the mute of")}${on}`;
    case "user:disable":
      return `${effect(record, ["disabled", "enabled"]) ?? "disabled or enabled"} the account of${on}`;
    case "user:kick":
      return `disconnected${on}`;
    case "user:logout":
      return `ended all sessions of${on}`;
    case "session:end":
      return `ended a session of${on}`;
    case "user:role":
      return roles(record, on);
    case "connection:close":
      return `closed ${/^(connection [0-9-]+) closed$/.exec(message)?.[1] ?? "a connection"}`;
    case "state:pin":
      return `pinned the load level${message === "" ? "" : ` (${visible(message, 80)})`}`;
    case "state:unpin":
      return "ended the pin of the load level";
    case "alert:unsilence":
      return "ended a silence of alerts";
    case "invitation:create":
      return `created ${visible(message === "" ? "an invitation" : message, 60)}`;
    case "invitation:revoke":
      return `revoked ${visible(message === "" ? "an invitation" : message, 60)}`;
    case "room:kick":
      return `removed${on} from a room`;
    case "room:delete":
      return "deleted a room";
    case "room:invite":
      return `invited${on} to a room`;
    case "room:join":
      return "joined a room by role";
    case "admin:broadcast":
      return "sent a broadcast to all users";
    default:
      // A later version of the server has more operations.
      return `${write(action)}${on}`;
  }
}

/** The network, address or user that a record is about; empty where it names none. */
export function targetOf(record: Json, write: Writer): string {
  const address = textAt(record, "labels.address");
  if (address !== undefined) return visible(address);
  const user = textAt(record, "event.reason") === "foreign_issuer" ? "user" : "user.target";
  return write(textAt(record, `${user}.name`) ?? textAt(record, `${user}.id`) ?? "");
}

/** The end of what an operation did: its time, `never`, or `undefined` where it has none. */
export function endOf(record: Json): number | "never" | undefined {
  const until = textAt(record, "labels.until");
  if (until === undefined || until === "never") return until;
  const ms = Date.parse(until);
  return Number.isNaN(ms) ? undefined : ms;
}

function effect<T extends string>(record: Json, known: readonly T[]): T | undefined {
  const found = textAt(record, "labels.effect");
  return known.find((one) => one === found);
}

/** A restriction or its end; a record of an earlier version says neither. */
function timed(record: Json, set: string, lifted: string, unknown: string): string {
  const known = effect(record, [set, lifted]);
  return known ?? (endOf(record) === undefined ? unknown : set);
}

function scope(record: Json): string {
  switch (textAt(record, "labels.scope")) {
    case "all":
      return " (all clients)";
    case "unauthenticated":
      return " (unauthenticated clients)";
    default:
      return "";
  }
}

function roles(record: Json, on: string): string {
  const names = textAt(record, "labels.roles");
  if (names === undefined) return `changed the roles of${on}`;
  if (names === "") return `removed all roles of${on}`;
  return `set the roles of${on} to ${visible(names.split(" ").join(", "))}`;
}
