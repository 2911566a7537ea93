// Asks the user whether to join the room in the address.
// Never: joins without the question, or distinguishes a private room from a missing one.
import { joinById, openRoom } from "../rooms";
import { dropLink } from "../route";
import { linkedRoom, rooms } from "../state";
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Problem } from "./problem";

export function JoinLinked() {
  const linked = linkedRoom.value;
  if (linked === undefined || !linked.confirmed) return null;
  return <Ask key={linked.roomId} roomId={linked.roomId} />;
}

function Ask({ roomId }: { roomId: string }) {
  const act = useAct();
  const room = rooms.value.get(roomId)?.room;
  const join = () =>
    act.run(async () => {
      await joinById(roomId);
      void openRoom(roomId);
    });
  return (
    <Dialog title="Join this room?" close={dropLink}>
      <p>
        The link leads to{" "}
        {room === undefined ? (
          <>
            the room <code>{roomId}</code>
          </>
        ) : (
          <>
            “<bdi>{room.name}</bdi>”
          </>
        )}
        . You are not a member. Its members will see that you join.
      </p>
      <Problem refusal={act.refusal.value} />
      <div class="answers">
        <button type="button" onClick={dropLink}>
          Cancel
        </button>
        <button class="primary" type="button" onClick={join} disabled={act.busy.value}>
          Join room
        </button>
      </div>
    </Dialog>
  );
}
