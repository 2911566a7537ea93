// The single connection of the page, shared by all its parts.
// Never: more than one at a time.
import { Realtime, type Listener, type Target } from "./realtime";
import { Refusal } from "./refusal";

let realtime: Realtime | undefined;

export function openConnection(
  target: Target,
  token: () => Promise<string>,
  listener: Listener,
): void {
  realtime?.close();
  realtime = new Realtime(target, token, listener);
}

export function closeConnection(): void {
  realtime?.close();
  realtime = undefined;
}

/** Opens the connection anew, with the token of now. */
export function renewConnection(): void {
  realtime?.renew();
}

export function isConnected(): boolean {
  return realtime?.connected ?? false;
}

/** One event and its acknowledgement; a refusal is thrown. */
export async function request(
  event: string,
  payload: Readonly<Record<string, unknown>>,
  envelope?: { mid: string },
): Promise<Readonly<Record<string, unknown>>> {
  if (realtime === undefined) throw new Refusal("offline", "");
  return realtime.request(event, payload, envelope);
}
