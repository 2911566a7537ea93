// The signed-in user and the state of the connection, as signals: what the chat page
// and the dashboard share.
// Never: stored outside of memory; closing the page removes it.
import { computed, signal } from "@preact/signals";
import type { User } from "./contract";
import type { Refusal } from "./refusal";

export interface Session {
  user: User;
  token: string;
  endsAtMs: number;
  /** When the user proved the password last, by the clock of the server. */
  authenticatedMs: number | undefined;
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

/** A mute; without `untilMs` it has no end. */
export interface Mute {
  untilMs?: number;
}

/**
 * Whether the sign-in is in doubt: it ends soon; the server has ended the connection and the page
 * renews the token; or it has ended. The chat is shown in the first case only.
 */
export type Doubt = "soon" | "checking" | "ended";

/** The token of a set-up link, until it is used or put aside. */
export const setupToken = signal<string | undefined>(undefined);
/** A login link, until a log-in has used it. */
export const door = signal<string | undefined>(undefined);
/** An invitation, until a person has registered with it. */
export const invitation = signal<string | undefined>(undefined);
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
/** The user's mute, once the server has reported it. */
export const muted = signal<Mute | undefined>(undefined);
/** The newest refusal that belongs to no form and no room. */
export const notice = signal<Refusal | undefined>(undefined);

export const hidden = computed(() => doubt.value === "checking" || doubt.value === "ended");
export const online = computed(() => link.value.state === "online");

export function clearSession(): void {
  setupToken.value = undefined;
  session.value = undefined;
  enrolling.value = false;
  resuming.value = undefined;
  doubt.value = undefined;
  endedBecause.value = undefined;
  link.value = { state: "off" };
  muted.value = undefined;
  notice.value = undefined;
}
