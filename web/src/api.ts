// The HTTPS side: sign up, sign in, first administrator.
// Never: keeps a token; it hands it to the caller and forgets it.
import { count, fieldsOf, readUser, text, type User } from "./contract";
import { readRefusal, Refusal } from "./refusal";

export interface SignedIn {
  user: User;
  token: string;
  expiresInS: number;
}

/** How long a person is made to wait for an answer. */
const TIMEOUT_MS = 20_000;

export async function register(username: string, password: string): Promise<void> {
  await post("/auth/register", { username, password });
}

export async function login(username: string, password: string): Promise<SignedIn> {
  const answer = fieldsOf(await post("/auth/login", { username, password }));
  const token = text(answer?.["access_token"]);
  const expiresInS = count(answer?.["expires_in"]);
  const user = readUser(answer?.["user"]);
  if (token === undefined || expiresInS === undefined || user === undefined) {
    throw new Refusal("unreadable", "");
  }
  return { user, token, expiresInS };
}

/** Makes the first administrator; `token` is the one of the set-up link. */
export async function setUp(token: string, username: string, password: string): Promise<void> {
  await post("/auth/setup", { token, username, password });
}

async function post(path: string, body: Record<string, string>): Promise<unknown> {
  const response = await send(path, body);
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer;
  throw withRetryAfter(readRefusal(answer), response.headers.get("retry-after"));
}

async function send(path: string, body: Record<string, string>): Promise<Response> {
  try {
    return await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      cache: "no-store",
      redirect: "error",
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
