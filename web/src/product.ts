// A page of this server: the chat, or the dashboard.
// Never: how a user signs in; both pages share that.
import type { Listener, Target } from "./realtime";

export interface Product extends Target {
  /** All of it but what the sign-in itself is about. */
  listener: Omit<Listener, "expiring" | "ended">;
  /** Removes all data of the user from the page. */
  clear(): void;
}
