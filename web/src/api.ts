// Requests over HTTPS: sign in, refresh, sign out.
// Never: keeps a token; the caller gets it.
import { count, fieldsOf, readUser, text, type User } from "./contract";
import { readMuted } from "./mute";
import { readRefusal, Refusal } from "./refusal";
import type { Mute } from "./session_state";

export interface SignedIn {
  user: User;
  token: string;
  expiresInS: number;
  /** When the user proved the password last, by the clock of the server. */
  authenticatedMs: number | undefined;
  /** Whether a role of the user rests until a second factor is added. */
  factorMissing: boolean;
  /** Whether nothing but adding a second factor is possible until then. */
  setupOnly: boolean;
  muted: Mute | undefined;
}

/** How long a person is made to wait for an answer. */
const TIMEOUT_MS = 20_000;

export async function register(
  username: string,
  password: string,
  invitation?: string,
): Promise<void> {
  const invited = invitation === undefined ? {} : { invitation };
  await post("/auth/register", { username, password, ...invited });
}

/** `code` is of the second factor, or a recovery code; `door` is a login link. */
export async function login(
  username: string,
  password: string,
  code?: string,
  door?: string,
): Promise<SignedIn> {
  const link = door === undefined ? {} : { door };
  return readSignedIn(
    await post("/auth/login", { username, password, ...withCode(code), ...link }),
  );
}

/** Goes on with the log-in whose cookie the browser holds. */
export async function refresh(): Promise<SignedIn> {
  return readSignedIn(await post("/auth/refresh", {}));
}

/** Ends the log-in whose cookie the browser holds. */
export async function logout(): Promise<void> {
  await post("/auth/logout", {});
}

/** A recent log-in for the session; a newer token where the server gives one. */
export async function reauthenticate(
  bearer: string,
  password: string,
  code: string | undefined,
): Promise<SignedIn | undefined> {
  const answer = await post("/auth/reauthenticate", { password, ...withCode(code) }, bearer);
  return answer["access_token"] === undefined ? undefined : readSignedIn(answer);
}

/** Makes the first administrator; `token` is the one of the set-up link. */
export async function setUp(token: string, username: string, password: string): Promise<void> {
  await post("/auth/setup", { token, username, password });
}

export function withCode(code: string | undefined): { totp?: string } {
  return code === undefined ? {} : { totp: code.trim() };
}

/** One request and its answer; a refusal is thrown. `bearer` is who asks. */
export async function post(
  path: string,
  body: Readonly<Record<string, string>>,
  bearer?: string,
): Promise<Readonly<Record<string, unknown>>> {
  const sent = { method: "POST", body: JSON.stringify(body) };
  return read(
    await send(path, sent, { "content-type": "application/json", ...authorization(bearer) }),
  );
}

/** As `post`, for what is only read. */
export async function get(
  path: string,
  bearer: string,
): Promise<Readonly<Record<string, unknown>>> {
  return read(await send(path, { method: "GET" }, authorization(bearer)));
}

function authorization(bearer: string | undefined): Record<string, string> {
  return bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
}

function readSignedIn(answer: Readonly<Record<string, unknown>>): SignedIn {
  const token = text(answer["access_token"]);
  const expiresInS = count(answer["expires_in"]);
  const user = readUser(answer["user"]);
  if (token === undefined || expiresInS === undefined || user === undefined) {
    throw new Refusal("unreadable", "");
  }
  const authenticatedMs = count(answer["authenticated_at"]);
  const factorMissing = answer["totp_setup_required"] === true;
  const setupOnly = answer["totp_setup_only"] === true;
  const muted = readMuted(answer["muted"]);
  return { user, token, expiresInS, authenticatedMs, factorMissing, setupOnly, muted };
}

async function read(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) {
    throw withRetryAfter(readRefusal(answer), response.headers.get("retry-after"));
  }
  const fields = fieldsOf(answer);
  if (fields === undefined) throw new Refusal("unreadable", "");
  return fields;
}

async function send(
  path: string,
  sent: { method: string; body?: string },
  headers: Record<string, string>,
): Promise<Response> {
  try {
    return await fetch(path, {
      ...sent,
      headers,
      cache: "no-store",
      redirect: "error",
      // What is under way when the window closes, like a log-out, still arrives.
      keepalive: true,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (thrown) {
    const late = thrown instanceof DOMException && thrown.name === "TimeoutError";
    throw new Refusal(late ? "timeout" : "offline", "");
  }
}

function withRetryAfter(refusal: Refusal, header: string | null): Refusal {
  if (header === null || !/^\d{1,6}$/.test(header)) return refusal;
  const details = { retryAfterS: Number(header), ...refusal.details };
  return new Refusal(refusal.code, refusal.message, details);
}
