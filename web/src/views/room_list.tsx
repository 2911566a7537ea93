// The rooms there are, and the ways to one more.
// Never: a room the server did not list or let this person join.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { markRead, openRoom, refreshRooms } from "../rooms";
import { online, openRoomId, rooms, type RoomEntry } from "../state";
import { CreateRoom } from "./create_room";
import { JoinRoom } from "./join_room";

/** How old the list may be; the server allows thirty readings a minute. */
const REFRESH_MS = 30_000;

export function RoomList() {
  const asked = useSignal<"create" | "join" | undefined>(undefined);
  const entries = [...rooms.value.values()].sort(byName);
  const close = () => (asked.value = undefined);
  useEffect(keepFresh, []);
  return (
    <nav class="rooms" aria-label="Rooms">
      <div class="rooms-head">
        <h2>Rooms</h2>
        <button type="button" disabled={!online.value} onClick={() => (asked.value = "join")}>
          Join
        </button>
        <button
          class="primary"
          type="button"
          disabled={!online.value}
          onClick={() => (asked.value = "create")}
        >
          New room
        </button>
      </div>
      {entries.length === 0 ? (
        <p class="hint">No rooms yet.</p>
      ) : (
        <ul>
          {entries.map((entry) => (
            <RoomItem key={entry.room.id} entry={entry} />
          ))}
        </ul>
      )}
      {asked.value === "create" && <CreateRoom close={close} />}
      {asked.value === "join" && <JoinRoom close={close} />}
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

/** Reads the list again while somebody looks, and at once when somebody looks again. */
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

function byName(a: RoomEntry, b: RoomEntry): number {
  return a.room.name.localeCompare(b.room.name) || a.room.id.localeCompare(b.room.id);
}
