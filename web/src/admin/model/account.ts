// The account of one user, and its sessions.
// Never: a session without the id that names it.
import { defined, object, text, time } from "./read";

export interface Account {
  secondFactor: boolean;
  createdMs?: number;
  /** The last login, also when its session has ended. */
  lastLoginMs?: number;
}

export function readAccount(value: unknown): Account {
  const fields = object(value);
  return defined<Account>({
    secondFactor: fields["second_factor"] === true,
    createdMs: time(fields["created"]),
    lastLoginMs: time(fields["last_login"]),
  });
}

export interface SessionRow {
  id: string;
  sinceMs?: number;
  lastUsedMs?: number;
  secondFactor: boolean;
  device: string;
  address: string;
}

export function readSession(value: unknown): SessionRow | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  if (id === undefined) return undefined;
  return defined<SessionRow>({
    id,
    sinceMs: time(fields["since"]),
    lastUsedMs: time(fields["last_used"]),
    secondFactor: fields["second_factor"] === true,
    device: text(fields["device"]) ?? "",
    address: text(fields["address"]) ?? "",
  });
}
