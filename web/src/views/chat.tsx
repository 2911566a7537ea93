// The signed-in page: top bar, rooms, the open room.
// Never: more than one room at a time.
import { announcements, openRoom } from "../state";
import { Announcements } from "./announcements";
import { ConfirmSignIn } from "./confirm_sign_in";
import { JoinLinked } from "./join_linked";
import { Notice } from "./notice";
import { RoomList } from "./room_list";
import { RoomView } from "./room";
import { TopBar } from "./top_bar";

export function Chat() {
  const entry = openRoom.value;
  return (
    <div class={entry === undefined ? "chat" : "chat in-room"}>
      <TopBar />
      <div class="banners">
        {announcements.value.length > 0 && <Announcements />}
        <Notice />
      </div>
      <RoomList />
      {entry === undefined ? (
        <main class="room empty">
          <p>Choose a room, or create one.</p>
        </main>
      ) : (
        <RoomView key={entry.room.id} entry={entry} />
      )}
      <JoinLinked />
      <ConfirmSignIn />
    </div>
  );
}
