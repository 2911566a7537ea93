// Asks for the password again when a sign-in ends.
// Never: asks for another account's.
import { useSignal } from "@preact/signals";
import { confirm, signOut } from "../session";
import { doubt, endedBecause, session } from "../session_state";
import { useAct } from "./act";
import { CodeField, useCode } from "./code_field";
import { Dialog } from "./dialog";
import { FormButtons } from "./form_buttons";
import { PasswordField } from "./password_field";
import { Problem } from "./problem";

export function ConfirmSignIn() {
  switch (doubt.value) {
    case "soon":
      return <Ask key="soon" title="Your sign-in ends soon" cancel="Later" later={putOff} />;
    case "ended":
      return (
        <Ask key="ended" title="Your sign-in has ended" cancel="Sign out" later={signOutNow} />
      );
    case "checking":
    case undefined:
      return null;
  }
}

function putOff(): void {
  doubt.value = undefined;
}

function signOutNow(): void {
  void signOut();
}

interface Props {
  title: string;
  cancel: string;
  later: () => void;
}

function Ask({ title, cancel, later }: Props) {
  const password = useSignal("");
  const code = useCode();
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(() => code.give((given) => confirm(password.value, given)));
  };
  return (
    <Dialog title={title} close={later}>
      {endedBecause.value !== undefined && <Cause />}
      <p>
        Enter the password of <bdi>{session.value?.user.username}</bdi> to go on where you were.
      </p>
      <form onSubmit={submit}>
        <PasswordField value={password} kind="known" focus />
        <CodeField code={code} />
        <Problem refusal={act.refusal.value} />
        <FormButtons close={later} cancel={cancel} verb="Stay signed in" busy={act.busy.value} />
      </form>
    </Dialog>
  );
}

/** Why the server ended the session: the user cannot learn it from a rejected password. */
function Cause() {
  return (
    <>
      <Problem refusal={endedBecause.value} />
      <p class="hint">Until then, the server rejects even the right password.</p>
    </>
  );
}
