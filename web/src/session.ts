// Signing up, in and out, the first administrator, and staying signed in.
// Never: a token or password anywhere but in memory, and a password not even there.
import * as api from "./api";
import {
  closeConnection,
  isConnected,
  openConnection,
  renewConnection,
  request,
} from "./connection";
import { checkKnownPassword, checkNewPassword } from "./password";
import type { Product } from "./product";
import { asRefusal, isFinal, Refusal } from "./refusal";
import { isRemembered, remember } from "./remembered";
import {
  clearSession,
  door,
  doubt,
  endedBecause,
  enrolling,
  invitation,
  link,
  muted,
  resuming,
  session,
  stillSignedIn,
} from "./session_state";

/** A token that ends so soon is renewed before it is shown to the server. */
const SOON_MS = 30_000;
/** How long to wait before the server is asked again, when it did not say. */
const AGAIN_S = 5;

/** The page that is signed in: the chat, or the dashboard. */
let product: Product | undefined;
/** The running renewal: one at a time. */
let renewal: Promise<void> | undefined;
/** Whether a connection was admitted since the last attempt to reconnect. Useless attempts are not repeated. */
let proved = true;
/** How often a user has signed out on this page. */
let departures = 0;
let comeBackTimer: ReturnType<typeof setTimeout> | undefined;

/** Names the page, before anything else of this file runs. */
export function useProduct(page: Product): void {
  product = page;
}

export async function signIn(username: string, password: string, code?: string): Promise<void> {
  checkKnownPassword(password);
  try {
    enter(await api.login(username, password, code, door.value));
  } catch (thrown) {
    // A link that has ended or was used: the next try is without it.
    if (asRefusal(thrown).code === "INVALID_MESSAGE") door.value = undefined;
    throw thrown;
  }
  door.value = undefined;
  connect();
}

export async function signUp(username: string, password: string): Promise<void> {
  checkNewPassword(password);
  await api.register(username, password, invitation.value);
  invitation.value = undefined;
  await signIn(username, password);
}

/** Uses the set-up link: makes the first administrator and signs in. */
export async function setUp(token: string, username: string, password: string): Promise<void> {
  checkNewPassword(password);
  await api.setUp(token, username, password);
  await signIn(username, password);
}

/** Resumes the session after a reload, if a user was signed in. */
export async function resume(): Promise<void> {
  if (!isRemembered()) return;
  resuming.value = { refusal: undefined };
  try {
    await renew();
    resuming.value = undefined;
    connect();
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    resuming.value = isFinal(refusal) ? undefined : { refusal };
    if (isFinal(refusal)) remember(false);
  }
}

/** Signs the same user in again, who goes on where the page was. */
export async function confirm(password: string, code?: string): Promise<void> {
  const before = session.value;
  if (before === undefined) return;
  checkKnownPassword(password);
  const started = departures;
  const signedIn = await api.login(before.user.username, password, code);
  // Another window of this browser has signed out meanwhile: nothing of the user comes back.
  if (started !== departures) throw new Refusal("session_ended", "");
  enter(signedIn);
  await handOver();
}

/** Proves who the user is, for what asks for a recent log-in. */
export async function reauthenticate(password: string, code?: string): Promise<void> {
  checkKnownPassword(password);
  await renewal?.catch(() => undefined);
  // A connection that the server ends meanwhile waits for this, and goes on with the new token.
  renewal = reauthenticateNow(password, code).finally(() => (renewal = undefined));
  return renewal;
}

async function reauthenticateNow(password: string, code: string | undefined): Promise<void> {
  const started = departures;
  const signedIn = await api.reauthenticate(session.value?.token ?? "", password, code);
  if (started !== departures) throw new Refusal("session_ended", "");
  // A server that keeps the token answers without one.
  if (signedIn === undefined) return;
  enter(signedIn);
  await handOver();
}

/** The token expires soon: fetches a newer one, and asks the user only if that is rejected. */
async function stay(): Promise<void> {
  try {
    await renew();
    await handOver();
  } catch (thrown) {
    // Anything else may pass until the token has ended, and is tried again then.
    if (isFinal(asRefusal(thrown)) && doubt.value === undefined) doubt.value = "soon";
  }
}

/** The server has ended the connection: back with a newer token, or else by the password. */
async function comeBack(): Promise<void> {
  clearTimeout(comeBackTimer);
  if (session.value === undefined) return;
  if (!proved) return askAgain();
  proved = false;
  doubt.value = "checking";
  link.value = { state: "connecting" };
  try {
    await renew();
    // The required second factor was removed in another window.
    if (enrolling.value) {
      closeConnection();
      link.value = { state: "off" };
      return;
    }
    renewConnection();
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    if (session.value === undefined) return;
    if (isFinal(refusal)) return askAgain();
    proved = true;
    link.value = { state: "waiting", refusal };
    const seconds = refusal.details.retryAfterS ?? AGAIN_S;
    comeBackTimer = setTimeout(() => void comeBack(), seconds * 1000);
  }
}

/** A newer token, by the cookie the browser holds. A refusal is thrown. */
export async function renew(): Promise<void> {
  renewal ??= renewNow().finally(() => (renewal = undefined));
  return renewal;
}

async function renewNow(): Promise<void> {
  const before = departures;
  const signedIn = await api.refresh();
  // A user who signed out in the meantime stays signed out.
  if (before !== departures) throw new Refusal("session_ended", "");
  enter(signedIn);
}

export async function signOut(): Promise<void> {
  leave();
  stillSignedIn.value = undefined;
  try {
    await api.logout();
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    if (!isFinal(refusal)) {
      stillSignedIn.value = new Refusal("not_signed_out", "", refusal.details);
    }
  }
}

/** Removes all data of the user from this page. */
export function leave(): void {
  departures += 1;
  clearTimeout(comeBackTimer);
  closeConnection();
  clearAll();
  remember(false);
}

/** The required second factor was added or postponed: continues when the server confirms it. */
export async function finishEnrolling(): Promise<void> {
  await renew();
  if (session.value === undefined || session.value.setupOnly) return;
  enrolling.value = false;
  connect();
}

function enter(signedIn: api.SignedIn): void {
  const { user, token, authenticatedMs, factorMissing, setupOnly } = signedIn;
  const before = session.value;
  if (before !== undefined && before.user.id !== user.id) {
    // Another window of this browser has signed in another user: removes all data of the former.
    closeConnection();
    clearAll();
    queueMicrotask(connect);
  }
  doubt.value = undefined;
  endedBecause.value = undefined;
  const endsAtMs = Date.now() + signedIn.expiresInS * 1000;
  session.value = { user, token, endsAtMs, authenticatedMs, factorMissing, setupOnly };
  if (setupOnly) enrolling.value = true;
  muted.value = signedIn.muted;
  stillSignedIn.value = undefined;
  remember(true);
}

function clearAll(): void {
  clearSession();
  product?.clear();
}

function connect(): void {
  proved = true;
  if (enrolling.value || product === undefined) return;
  const { listener } = product;
  link.value = { state: "connecting" };
  openConnection(product, freshToken, {
    ...listener,
    up(recovered) {
      proved = true;
      listener.up(recovered);
    },
    expiring: () => void stay(),
    ended: () => void comeBack(),
  });
}

/** The token of now, renewed before it is refused for its age. */
async function freshToken(): Promise<string> {
  const held = session.value;
  if (held !== undefined && held.endsAtMs - Date.now() < SOON_MS) {
    // What is refused here is refused at the connection as well, and answered there.
    await renew().catch(() => undefined);
  }
  return session.value?.token ?? "";
}

/** The connection goes on with the newer token, or is opened anew with it. */
async function handOver(): Promise<void> {
  proved = true;
  if (enrolling.value) return;
  const token = session.value?.token;
  if (token !== undefined && isConnected() && (await refreshed(token))) return;
  link.value = { state: "connecting" };
  renewConnection();
}

async function refreshed(token: string): Promise<boolean> {
  try {
    await request("auth:refresh", { token });
    return true;
  } catch {
    return false;
  }
}

function askAgain(): void {
  proved = true;
  link.value = { state: "off" };
  doubt.value = "ended";
}
