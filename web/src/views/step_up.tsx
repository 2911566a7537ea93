// Asks for the password where the server wants a recent log-in, and then does what was asked for.
// Never: asks before the server does.
import { useSignal, type Signal } from "@preact/signals";
import { asRefusal } from "../refusal";
import { reauthenticate } from "../session";
import { useAct } from "./act";
import { CodeField, useCode } from "./code_field";
import { Dialog } from "./dialog";
import { FormButtons } from "./form_buttons";
import { PasswordField } from "./password_field";
import { Problem } from "./problem";

type Work = () => Promise<void>;

export interface StepUp {
  /** What waits for a recent log-in. */
  waiting: Signal<Work | undefined>;
  /** Runs an operation; when the server wants a recent log-in first, the form is shown. */
  run(work: Work): Promise<void>;
}

export function useStepUp(): StepUp {
  const waiting = useSignal<Work | undefined>(undefined);
  const run = async (work: Work) => {
    try {
      await work();
    } catch (thrown) {
      if (asRefusal(thrown).code !== "reauth_required") throw thrown;
      waiting.value = work;
    }
  };
  return { waiting, run };
}

interface Props {
  work: Work;
  close: () => void;
  /** What waits for it, in a sentence. */
  cause?: string;
}

export function ProveAgain({ work, close, cause }: Props) {
  const password = useSignal("");
  const code = useCode();
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      // Where the server asks for a code, the form asks for it, and nothing is done yet.
      if (!(await code.give((given) => reauthenticate(password.value, given)))) return;
      await work();
      close();
    });
  };
  return (
    <Dialog title="Confirm your identity" close={close}>
      <p>{cause ?? "This needs a recent sign-in."} Enter your password.</p>
      <form onSubmit={submit}>
        <PasswordField value={password} kind="known" focus />
        <CodeField code={code} />
        <Problem refusal={act.refusal.value} />
        <FormButtons close={close} cancel="Back" verb="Continue" busy={act.busy.value} />
      </form>
    </Dialog>
  );
}
