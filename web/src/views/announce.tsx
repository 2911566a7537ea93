// An announcement of an administrator to all connected users.
// Never: offered to other users; the server checks the permission anyway.
import { useSignal } from "@preact/signals";
import { request } from "../connection";
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { FormButtons } from "./form_buttons";
import { Problem } from "./problem";

export function Announce({ close }: { close: () => void }) {
  const message = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await request("admin:broadcast", { message: message.value });
      close();
    });
  };
  return (
    <Dialog title="Announce to all users" close={close}>
      <form onSubmit={submit}>
        <Field label="Announcement" value={message} autocomplete="off" maxLength={1000} focus />
        <Problem refusal={act.refusal.value} />
        <FormButtons close={close} cancel="Cancel" verb="Announce" busy={act.busy.value} />
      </form>
    </Dialog>
  );
}
