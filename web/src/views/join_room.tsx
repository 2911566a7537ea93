// Joins a room by its id.
// Never: distinguishes a private room from a missing one.
import { useSignal } from "@preact/signals";
import { joinById, openRoom } from "../rooms";
import { readRoute } from "../route";
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { FormButtons } from "./form_buttons";
import { Problem } from "./problem";

/** The id in a link, or the text itself. */
function readId(text: string): string {
  return readRoute(text.slice(Math.max(0, text.indexOf("#")))) ?? text;
}

export function JoinRoom({ close }: { close: () => void }) {
  const roomId = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      const wanted = readId(roomId.value.trim());
      await joinById(wanted);
      close();
      void openRoom(wanted);
    });
  };
  return (
    <Dialog title="Join a room" close={close}>
      <form onSubmit={submit}>
        <Field
          label="Room id"
          value={roomId}
          autocomplete="off"
          hint="The id or link of the room. Members find both next to the list of members."
          maxLength={500}
          pattern="\s*(.*#/room/)?[A-Za-z0-9_\-]{1,64}\s*"
          focus
        />
        <Problem refusal={act.refusal.value} />
        <FormButtons close={close} cancel="Cancel" verb="Join room" busy={act.busy.value} />
      </form>
    </Dialog>
  );
}
