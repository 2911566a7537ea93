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
import { listener } from "./live";
import { confirmAsked, forgetEverything, link, session } from "./state";

export async function signIn(username: string, password: string): Promise<void> {
  const { user, token } = await api.login(username, password);
  session.value = { user, token };
  link.value = { state: "connecting" };
  openConnection(() => session.value?.token ?? "", listener);
}

export async function signUp(username: string, password: string): Promise<void> {
  await api.register(username, password);
  await signIn(username, password);
}

/** Uses the set-up link: makes the first administrator and signs in. */
export async function setUp(token: string, username: string, password: string): Promise<void> {
  await api.setUp(token, username, password);
  await signIn(username, password);
}

/** Signs the same person in again, without losing what is on the page. */
export async function confirm(password: string): Promise<void> {
  const before = session.value;
  if (before === undefined) return;
  const { user, token } = await api.login(before.user.username, password);
  session.value = { user, token };
  confirmAsked.value = undefined;
  if (isConnected() && (await refreshed(token))) return;
  link.value = { state: "connecting" };
  renewConnection();
}

export function signOut(): void {
  closeConnection();
  forgetEverything();
}

async function refreshed(token: string): Promise<boolean> {
  try {
    await request("auth:refresh", { token });
    return true;
  } catch {
    return false;
  }
}
