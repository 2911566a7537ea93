// Rows of the lists: offenders, users, blocks, connections and invitations.
// Never: a row without the member that names it.
import { number, object, text, texts, time, defined } from "./read";
import { plural } from "./words";

export interface Offender {
  kind: string;
  value: string;
  name?: string;
  rejected: number;
  perS: number;
  rule?: string;
  /** What the rule rejects. */
  ruleText?: string;
  /** Of a network: open connections, and users who are signed in on them. */
  connections?: number;
  usersBehind?: number;
  /** The end of a block that covers the network. */
  blockedUntilMs?: number;
}

export function readOffender(value: unknown): Offender | undefined {
  const fields = object(value);
  const kind = text(fields["kind"]);
  const named = text(fields["value"]);
  if (kind === undefined || named === undefined) return undefined;
  return defined<Offender>({
    kind,
    value: named,
    name: text(fields["name"]),
    rejected: number(fields["rejected_5min"]) ?? 0,
    perS: number(fields["per_s"]) ?? 0,
    rule: text(fields["rule"]),
    ruleText: text(fields["rule_text"]),
    connections: number(fields["connections"]),
    usersBehind: number(fields["users_behind"]),
    blockedUntilMs: time(fields["blocked_until"]),
  });
}

/** The longest reason that the server accepts. */
const REASON_MAX = 200;

/** Why an offender can be blocked, for readers of the log; empty if nothing is known. */
export function reasonOf({ value, rejected, rule, ruleText }: Offender): string {
  if (rejected === 0 || rule === undefined) return "";
  const what = ruleText === undefined ? `rule ${rule}` : `${ruleText} (${rule})`;
  const requests = plural(rejected, "request");
  const verb = rejected === 1 ? "was" : "were";
  const words = `${requests} from ${value} ${verb} rejected in 5 minutes: ${what}.`;
  return words.length <= REASON_MAX ? words : "";
}

export interface Affected {
  user: string;
  name: string;
  rule: string;
  /** What the rule rejects. */
  ruleText: string;
  rejected: number;
  waitMs: number;
}

export function readAffected(value: unknown): Affected | undefined {
  const fields = object(value);
  const user = text(fields["user"]);
  if (user === undefined) return undefined;
  return {
    user,
    name: text(fields["name"]) ?? user,
    rule: text(fields["rule"]) ?? "",
    ruleText: text(fields["rule_text"]) ?? text(fields["rule"]) ?? "",
    rejected: number(fields["rejected_5min"]) ?? 0,
    waitMs: number(fields["wait_ms"]) ?? 0,
  };
}

export interface UserRow {
  id: string;
  name: string;
  roles: readonly string[];
  connections: number;
  bannedUntilMs?: number;
  mutedUntilMs?: number;
  disabled: boolean;
  /** Roles without effect until there is a second factor. */
  rolesWithheld: readonly string[];
  /** Whether another issuer vouches for the user. */
  external: boolean;
}

export function readUserRow(value: unknown): UserRow | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  if (id === undefined) return undefined;
  return defined<UserRow>({
    id,
    name: text(fields["name"]) ?? id,
    roles: texts(fields["roles"]),
    connections: number(fields["connections"]) ?? 0,
    bannedUntilMs: time(fields["banned_until"]),
    mutedUntilMs: time(fields["muted_until"]),
    disabled: fields["disabled"] === true,
    rolesWithheld: texts(fields["roles_withheld"]),
    external: fields["external"] === true,
  });
}

export interface Block {
  prefix: string;
  scope: string;
  reason: string;
  by: string;
  createdMs?: number;
  untilMs?: number;
  rejected: number;
}

export function readBlock(value: unknown): Block | undefined {
  const fields = object(value);
  const prefix = text(fields["prefix"]);
  if (prefix === undefined) return undefined;
  return defined<Block>({
    prefix,
    scope: text(fields["scope"]) ?? "unauthenticated",
    reason: text(fields["reason"]) ?? "",
    by: text(fields["by"]) ?? "",
    createdMs: time(fields["created"]),
    untilMs: time(fields["until"]),
    rejected: number(fields["rejected"]) ?? 0,
  });
}

export interface ConnectionRow {
  id: string;
  /** The user who is signed in. */
  user?: string;
  name?: string;
  address: string;
  form: string;
  transport: string;
  sinceMs?: number;
  rooms: number;
  outboxBytes: number;
  inPerMin: number;
  rejected: number;
}

export function readConnection(value: unknown): ConnectionRow | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  if (id === undefined) return undefined;
  const user = text(fields["user"]);
  return defined<ConnectionRow>({
    id,
    user,
    name: text(fields["name"]) ?? user,
    address: text(fields["address"]) ?? "",
    form: text(fields["form"]) ?? "",
    transport: text(fields["transport"]) ?? "",
    sinceMs: time(fields["since"]),
    rooms: number(fields["rooms"]) ?? 0,
    outboxBytes: number(fields["outbox_bytes"]) ?? 0,
    inPerMin: number(fields["in_per_min"]) ?? 0,
    rejected: number(fields["rejected"]) ?? 0,
  });
}

export interface Invitation {
  id: string;
  by: string;
  createdMs?: number;
  untilMs?: number;
  usedBy?: string;
}

export function readInvitation(value: unknown): Invitation | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  if (id === undefined) return undefined;
  return defined<Invitation>({
    id,
    by: text(fields["by"]) ?? "",
    createdMs: time(fields["created"]),
    untilMs: time(fields["until"]),
    usedBy: text(fields["used_by"]),
  });
}
