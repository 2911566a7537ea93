// What a person changes about their own account.
// Never: keeps a password, a code or a secret.
import { get, post, withCode } from "./api";
import { count, fieldsOf, readList, text } from "./contract";
import { checkKnownPassword, checkNewPassword } from "./password";
import { asRefusal, Refusal } from "./refusal";
import { reauthenticate, renew } from "./session";
import { session } from "./session_state";

export interface Profile {
  hasFactor: boolean;
  recoveryCodesLeft: number;
}

/** A second factor that waits for its first code. */
export interface NewFactor {
  /** In base 32, for an app that cannot read the picture. */
  secret: string;
  /** `otpauth://…`, which the picture shows. */
  uri: string;
}

export async function readProfile(): Promise<Profile> {
  const answer = await withToken((token) => get("/auth/profile", token));
  const left = count(answer["recovery_codes_left"]);
  if (left === undefined) throw new Refusal("unreadable", "");
  return { hasFactor: answer["totp"] === true, recoveryCodesLeft: left };
}

/** The other windows and devices are signed out by it. */
export async function changePassword(
  current: string,
  next: string,
  code: string | undefined,
): Promise<void> {
  checkKnownPassword(current);
  checkNewPassword(next);
  await post("/auth/password", { current, new: next, ...withCode(code) }, bearer());
}

/** Asks for a second factor; the password shows that it is the person who asks. */
export async function beginFactor(password: string): Promise<NewFactor> {
  await reauthenticate(password);
  const answer = await post("/auth/totp/begin", {}, bearer());
  const secret = text(answer["secret"]);
  const uri = text(answer["uri"]);
  if (secret === undefined || uri === undefined) throw new Refusal("unreadable", "");
  return { secret, uri };
}

/** From here on a code is asked for; answers the recovery codes, which are shown only once. */
export async function confirmFactor(code: string): Promise<readonly string[]> {
  const answer = await post("/auth/totp/confirm", { code: code.trim() }, bearer());
  const codes = answer["recovery_codes"];
  if (!Array.isArray(codes)) throw new Refusal("unreadable", "");
  // A role that waited for the second factor is there from now on. The codes must not be lost for it.
  await renew().catch(() => undefined);
  return codes.filter((code) => typeof code === "string");
}

export async function removeFactor(password: string, code: string): Promise<void> {
  checkKnownPassword(password);
  await post("/auth/totp/remove", { password, totp: code.trim() }, bearer());
  await renew().catch(() => undefined);
}

/** A device or browser on which the user is signed in. */
export interface OpenSession {
  id: string;
  /** Whether it is the one of this page. */
  current: boolean;
  device: string;
  address: string;
  lastUsedMs: number;
  signedInMs: number;
}

/** Where the user is signed in: this session first, then the last used. */
export async function readSessions(): Promise<readonly OpenSession[]> {
  const answer = await withToken((token) => get("/auth/sessions", token));
  const sessions = readList(answer["sessions"], readOpenSession);
  return sessions.sort((a, b) => {
    return Number(b.current) - Number(a.current) || b.lastUsedMs - a.lastUsedMs;
  });
}

export async function endSession(id: string): Promise<void> {
  await withToken((token) => post("/auth/sessions/end", { id }, token));
}

/** Ends every session but the one of this page, also those that were opened meanwhile. */
export async function endOtherSessions(): Promise<void> {
  for (const { id, current } of await readSessions()) {
    if (!current) await endSession(id).catch(unlessGone);
  }
}

/** A session that has ended by itself is what was wanted. */
function unlessGone(thrown: unknown): void {
  if (!(thrown instanceof Refusal) || thrown.code !== "forbidden") throw thrown;
}

function readOpenSession(value: unknown): OpenSession | undefined {
  const fields = fieldsOf(value);
  const id = text(fields?.["id"]);
  const lastUsedMs = count(fields?.["renewed_at"]);
  const signedInMs = count(fields?.["created_at"]);
  if (id === undefined || lastUsedMs === undefined || signedInMs === undefined) return undefined;
  const device = text(fields?.["device"]) ?? "";
  const address = text(fields?.["address"]) ?? "";
  return { id, current: fields?.["current"] === true, device, address, lastUsedMs, signedInMs };
}

/** Ends every session of the person, this one too. */
export async function logoutEverywhere(): Promise<void> {
  await withToken((token) => post("/auth/logout-all", {}, token));
}

/**
 * A request of the user. When another window has shown the password, the token of this one is void:
 * the request is sent once more, with a newer one. Not for passwords and codes, which would count
 * twice.
 */
async function withToken<T>(send: (token: string) => Promise<T>): Promise<T> {
  try {
    return await send(bearer());
  } catch (thrown) {
    if (asRefusal(thrown).code !== "unauthorized") throw thrown;
    await renew();
    return send(bearer());
  }
}

function bearer(): string {
  return session.value?.token ?? "";
}
