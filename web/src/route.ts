// The address of a room: `#/room/ID`. A fragment, because the server serves fixed paths only and
// no browser sends a fragment anywhere: room ids stay out of logs and of the Referer header.
// Never: joins a room by its address alone; a user who is not a member is confirmed first.
import { effect } from "@preact/signals";
import { session } from "./session_state";
import { linkedRoom, openRoomId } from "./state";

const ROOM = /^#\/room\/([A-Za-z0-9_-]{1,64})$/;

/** The room that a fragment names. */
export function readRoute(fragment: string): string | undefined {
  return ROOM.exec(fragment)?.[1];
}

/** The link to a room, to be passed on. */
export function linkTo(roomId: string): string {
  return `${location.origin}${location.pathname}#/room/${roomId}`;
}

/** Keeps the address and the open room the same, in both directions. */
export function followRoutes(show: (roomId: string | undefined) => void): void {
  const read = () => {
    const roomId = readRoute(location.hash);
    if (session.value === undefined) waitFor(roomId);
    else if (roomId !== openRoomId.value) show(roomId);
  };
  waitFor(readRoute(location.hash));
  addEventListener("popstate", read);
  addEventListener("hashchange", read);
  effect(() => {
    const [open, link] = [openRoomId.value, linkedRoom.value];
    if (session.value === undefined || link !== undefined) return;
    const fragment = fragmentOf(open);
    if (fragment === location.hash) return;
    history.pushState(null, "", location.pathname + fragment);
  });
}

/** The user does not join the room of the address: going back does not ask again. */
export function dropLink(): void {
  history.replaceState(null, "", location.pathname + fragmentOf(openRoomId.value));
  linkedRoom.value = undefined;
}

/** After a sign-out: the next user does not read in the address where the last one was. */
export function clearRoute(): void {
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
}

function fragmentOf(roomId: string | undefined): string {
  return roomId === undefined ? "" : `#/room/${roomId}`;
}

/** Remembers a room of the address until the list of rooms is there. */
function waitFor(roomId: string | undefined): void {
  linkedRoom.value = roomId === undefined ? undefined : { roomId, confirmed: false };
}
