// The rooms there are, and the ways to one more.
// Never: a room the server did not list or let this person join.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { listing, listMore, markRead, openRoom, refreshRooms, searchRooms } from "../rooms";
import { online } from "../session_state";
import { openRoomId, rooms, type RoomEntry } from "../state";
import { CreateRoom } from "./create_room";
import { JoinRoom } from "./join_room";

/** How old the list may be; the server allows thirty readings a minute. */
const REFRESH_MS = 30_000;

export function RoomList() {
  const dialog = useSignal<"create" | "join" | undefined>(undefined);
  const { next, search } = listing.value;
  const entries = [...rooms.value.values()].filter(isFound(search)).sort(ownFirst);
  const close = () => (dialog.value = undefined);
  useEffect(keepFresh, []);
  return (
    <nav class="rooms" aria-label="Rooms">
      <div class="rooms-head">
        <h2>Rooms</h2>
        <button type="button" disabled={!online.value} onClick={() => (dialog.value = "join")}>
          Join
        </button>
        <button
          class="primary"
          type="button"
          disabled={!online.value}
          onClick={() => (dialog.value = "create")}
        >
          New room
        </button>
      </div>
      <input
        class="rooms-search"
        type="search"
        aria-label="Search rooms"
        placeholder="Search"
        maxLength={64}
        value={search}
        disabled={!online.value}
        onChange={(event) => void searchRooms(event.currentTarget.value)}
      />
      {entries.length === 0 ? (
        <p class="hint">{search === "" ? "No rooms yet." : "No room has this name."}</p>
      ) : (
        <ul>
          {entries.map((entry) => (
            <RoomItem key={entry.room.id} entry={entry} />
          ))}
        </ul>
      )}
      {next !== undefined && (
        <button type="button" disabled={!online.value} onClick={() => void listMore()}>
          More rooms
        </button>
      )}
      {dialog.value === "create" && <CreateRoom close={close} />}
      {dialog.value === "join" && <JoinRoom close={close} />}
    </nav>
  );
}

function RoomItem({ entry }: { entry: RoomEntry }) {
  const { room, unread } = entry;
  const current = openRoomId.value === room.id;
  return (
    <li>
      <button
        type="button"
        class="room-item"
        aria-current={current ? "true" : undefined}
        onClick={() => void openRoom(room.id)}
      >
        <span class="room-name" dir="auto">
          {room.name}
        </span>
        {room.visibility === "private" && <span class="tag">private</span>}
        {unread > 0 && (
          <span class="unread" aria-label={`${unread} unread`}>
            {unread > 99 ? "99+" : unread}
          </span>
        )}
      </button>
    </li>
  );
}

/** Reads the list again while the page is visible, and at once when it becomes visible. */
function keepFresh(): () => void {
  const whenSeen = () => {
    if (document.visibilityState !== "visible") return;
    markRead();
    if (online.value) void refreshRooms();
  };
  const timer = setInterval(whenSeen, REFRESH_MS);
  document.addEventListener("visibilitychange", whenSeen);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", whenSeen);
  };
}

/** The person's own rooms by name; then the others in the order of the server's list. */
function ownFirst(a: RoomEntry, b: RoomEntry): number {
  const [own, other] = [isOwn(a), isOwn(b)];
  if (own && other) return a.room.name.localeCompare(b.room.name);
  return Number(other) - Number(own);
}

function isOwn({ joined, room }: RoomEntry): boolean {
  return joined || room.member === true;
}

/** What was searched for, and the room that is open. */
function isFound(search: string): (entry: RoomEntry) => boolean {
  const wanted = search.toLowerCase();
  return ({ room }) => room.id === openRoomId.value || room.name.toLowerCase().includes(wanted);
}
