// Invites a user to a room, and shows the link for that user.
// Never: claims that the invited user was notified; the inviting user sends the link.
import { useSignal } from "@preact/signals";
import type { Room } from "../contract";
import { findPerson, namesBeside } from "../people";
import { asRefusal, Refusal } from "../refusal";
import { invite } from "../rooms";
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { FormButtons } from "./form_buttons";
import { Problem } from "./problem";
import { RoomLink } from "./room_link";

interface Props {
  room: Room;
  close: () => void;
}

export function Invite({ room, close }: Props) {
  const invited = useSignal<string | undefined>(undefined);
  const again = () => (invited.value = undefined);
  return (
    <Dialog title="Invite a user" close={close}>
      {invited.value === undefined ? (
        <Ask room={room} done={(person) => (invited.value = person)} close={close} />
      ) : (
        <>
          <p role="status">
            <bdi>{invited.value}</bdi> can join this room now. Send this link, because the server
            sends none:
          </p>
          <RoomLink roomId={room.id} shown="always" />
          <div class="answers">
            <button type="button" onClick={again}>
              Invite another
            </button>
            <button class="primary" type="button" onClick={close}>
              Done
            </button>
          </div>
        </>
      )}
    </Dialog>
  );
}

function Ask({ room, done, close }: Props & { done: (person: string) => void }) {
  const person = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await invite(room.id, findPerson(person.value)).catch(inWords);
      done(person.value.trim());
    });
  };
  return (
    <form onSubmit={submit}>
      <p>
        Invite a user to “<bdi>{room.name}</bdi>”.
      </p>
      <Field
        label="User name or user id"
        value={person}
        autocomplete="off"
        hint="The name of a user in one of your rooms, or a user id. Users find their id under “Your account”."
        maxLength={64}
        choices={namesBeside(room.id)}
        focus
      />
      <Problem refusal={act.refusal.value} />
      <FormButtons close={close} cancel="Cancel" verb="Invite" busy={act.busy.value} />
    </form>
  );
}

function inWords(thrown: unknown): never {
  const { code, details } = asRefusal(thrown);
  if (code === "forbidden") throw new Refusal("forbidden_invite", "", details);
  throw thrown;
}
