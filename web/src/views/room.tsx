// The open room: its head, messages, composer and members.
// Never: an act the person may not do, offered as if they might.
import { useSignal } from "@preact/signals";
import { closeRoom, deleteRoom, leaveRoom, openRoom } from "../rooms";
import { session } from "../session_state";
import { mayManage, type RoomEntry } from "../state";
import { Composer } from "./composer";
import { Confirm } from "./confirm";
import { Invite } from "./invite";
import { Members } from "./members";
import { MessageList } from "./message_list";
import { Problem } from "./problem";
import { RoomLink } from "./room_link";

export function RoomView({ entry }: { entry: RoomEntry }) {
  const { room } = entry;
  const dialog = useSignal<"invite" | "leave" | "delete" | undefined>(undefined);
  const membersShown = useSignal(false);
  const close = () => (dialog.value = undefined);
  const owned = room.ownerId === session.value?.user.id;
  return (
    <main class={membersShown.value ? "room with-members" : "room"}>
      <div class="room-head">
        <button class="quiet back" type="button" aria-label="Back to rooms" onClick={closeRoom}>
          ←
        </button>
        <h1 dir="auto">{room.name}</h1>
        <button
          class="quiet"
          type="button"
          aria-expanded={membersShown.value}
          aria-controls="members"
          onClick={() => (membersShown.value = !membersShown.value)}
        >
          Members
        </button>
      </div>
      {entry.refusal !== undefined && (
        <div class="banner refused">
          <Problem refusal={entry.refusal} />
          <button type="button" onClick={() => void openRoom(room.id)}>
            Try again
          </button>
        </div>
      )}
      <MessageList entry={entry} />
      <Composer entry={entry} />
      <Members entry={entry}>
        <RoomLink roomId={room.id} shown="when-needed" />
        <div class="room-acts">
          {mayManage(room) && (
            <button type="button" onClick={() => (dialog.value = "invite")}>
              Invite
            </button>
          )}
          <button type="button" onClick={() => (dialog.value = "leave")}>
            Leave room
          </button>
          {owned && (
            <button class="danger" type="button" onClick={() => (dialog.value = "delete")}>
              Delete room
            </button>
          )}
        </div>
      </Members>
      {dialog.value === "invite" && <Invite room={room} close={close} />}
      {dialog.value === "leave" && (
        <Confirm
          title="Leave this room?"
          question={`You will get no more messages of “${room.name}”.`}
          verb="Leave room"
          work={() => leaveRoom(room.id)}
          close={close}
        />
      )}
      {dialog.value === "delete" && (
        <Confirm
          title="Delete this room?"
          question={`“${room.name}” and all its messages are deleted permanently, for all members.`}
          verb="Delete room"
          work={() => deleteRoom(room.id)}
          close={close}
        />
      )}
    </main>
  );
}
