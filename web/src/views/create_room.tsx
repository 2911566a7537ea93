// The form for a new room.
// Never: offers a choice that the server does not support.
import { useSignal } from "@preact/signals";
import type { Visibility } from "../contract";
import { createRoom, openRoom } from "../rooms";
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { FormButtons } from "./form_buttons";
import { Problem } from "./problem";

const CHOICES: readonly { visibility: Visibility; words: string }[] = [
  { visibility: "public", words: "Public: every signed-in user can find and join it" },
  { visibility: "private", words: "Private: only its members can see it" },
];

export function CreateRoom({ close }: { close: () => void }) {
  const name = useSignal("");
  const visibility = useSignal<Visibility>("public");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      const roomId = await createRoom(name.value.trim(), visibility.value);
      // Closed first, because the room behind a modal dialog cannot take the focus.
      close();
      void openRoom(roomId);
    });
  };
  return (
    <Dialog title="New room" close={close}>
      <form onSubmit={submit}>
        <Field label="Name" value={name} autocomplete="off" maxLength={64} focus />
        <fieldset>
          <legend>Access</legend>
          {CHOICES.map((choice) => (
            <label class="choice" key={choice.visibility}>
              <input
                type="radio"
                name="visibility"
                checked={visibility.value === choice.visibility}
                onChange={() => (visibility.value = choice.visibility)}
              />
              {choice.words}
            </label>
          ))}
        </fieldset>
        <Problem refusal={act.refusal.value} />
        <FormButtons close={close} cancel="Cancel" verb="Create room" busy={act.busy.value} />
      </form>
    </Dialog>
  );
}
