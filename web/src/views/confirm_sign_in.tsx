// Asks for the password again when a sign-in ends; the page behind stays as it is.
// Never: asks for another account's.
import { useSignal } from "@preact/signals";
import { confirm, signOut } from "../session";
import { confirmAsked, session } from "../state";
import { useAct } from "./act";
import { CodeField, useCode } from "./code_field";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { Problem } from "./problem";

export function ConfirmSignIn() {
  const password = useSignal("");
  const code = useCode();
  const act = useAct();
  const asked = confirmAsked.value;
  if (asked === undefined) return null;
  const later = () => {
    if (asked === "soon") confirmAsked.value = undefined;
    else void signOut();
  };
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(() => code.give((given) => confirm(password.value, given)));
  };
  return (
    <Dialog
      title={asked === "soon" ? "Your sign-in ends soon" : "Your sign-in has ended"}
      close={later}
    >
      <p>
        Enter the password of <bdi>{session.value?.user.username}</bdi> to stay.
      </p>
      <form onSubmit={submit}>
        <Field
          label="Password"
          value={password}
          type="password"
          autocomplete="current-password"
          maxLength={128}
          focus
        />
        <CodeField code={code} />
        <Problem refusal={act.refusal.value} />
        <div class="answers">
          <button type="button" onClick={later}>
            {asked === "soon" ? "Later" : "Sign out"}
          </button>
          <button class="primary" type="submit" disabled={act.busy.value}>
            Stay signed in
          </button>
        </div>
      </form>
    </Dialog>
  );
}
