// The account of the user: password, second factor, sessions.
// Never: a change without the password.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { changePassword, logoutEverywhere, readProfile, type Profile } from "../account";
import { leave } from "../session";
import { session } from "../session_state";
import { useAct } from "./act";
import { CodeField, useCode } from "./code_field";
import { Dialog } from "./dialog";
import { FormButtons } from "./form_buttons";
import { PasswordField } from "./password_field";
import { Problem } from "./problem";
import { AddFactor, RemoveFactor } from "./second_factor";
import { Sessions } from "./sessions";
import { ProveAgain, useStepUp } from "./step_up";

type Shown = "list" | "sessions" | "password" | "add-factor" | "remove-factor";

export function Account({ close }: { close: () => void }) {
  const shown = useSignal<Shown>("list");
  const back = () => (shown.value = "list");
  switch (shown.value) {
    case "sessions":
      return <Sessions close={back} />;
    case "password":
      return <ChangePassword close={back} />;
    case "add-factor":
      return <AddFactor close={back} />;
    case "remove-factor":
      return <RemoveFactor close={back} />;
    case "list":
      return <Choices choose={(next) => (shown.value = next)} close={close} />;
  }
}

interface ChoicesProps {
  choose: (shown: Shown) => void;
  close: () => void;
}

function Choices({ choose, close }: ChoicesProps) {
  const profile = useSignal<Profile | undefined>(undefined);
  const act = useAct();
  const stepUp = useStepUp();
  useEffect(() => act.run(async () => void (profile.value = await readProfile())), []);
  const leaveEverywhere = () =>
    act.run(() =>
      stepUp.run(async () => {
        await logoutEverywhere();
        leave();
      }),
    );
  const waiting = stepUp.waiting.value;
  if (waiting !== undefined) {
    return <ProveAgain work={waiting} close={() => (stepUp.waiting.value = undefined)} />;
  }
  return (
    <Dialog title="Your account" close={close}>
      <p>
        Signed in as <bdi>{session.value?.user.username}</bdi>.
      </p>
      <p class="hint own-id">
        Your user id <code>{session.value?.user.id}</code>. Users need it to invite you.
      </p>
      <Factor profile={profile.value} choose={choose} />
      <Problem refusal={act.refusal.value} />
      <div class="choices">
        <button type="button" onClick={() => choose("sessions")}>
          Devices and browsers
        </button>
        <button type="button" onClick={() => choose("password")}>
          Change the password
        </button>
        <button class="danger" type="button" onClick={leaveEverywhere} disabled={act.busy.value}>
          Sign out everywhere
        </button>
      </div>
      <div class="answers">
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

interface FactorProps {
  profile: Profile | undefined;
  choose: (shown: Shown) => void;
}

function Factor({ profile, choose }: FactorProps) {
  if (profile === undefined) return null;
  if (!profile.hasFactor) {
    return (
      <div class="choices">
        {session.value?.factorMissing === true && (
          <p class="problem" role="alert">
            Your role has no effect until a second factor is added.
          </p>
        )}
        <button type="button" onClick={() => choose("add-factor")}>
          Add a second factor
        </button>
      </div>
    );
  }
  return (
    <div class="choices">
      <p>Signing in needs a second factor. Recovery codes left: {profile.recoveryCodesLeft}.</p>
      <button type="button" onClick={() => choose("remove-factor")}>
        Remove the second factor
      </button>
    </div>
  );
}

function ChangePassword({ close }: { close: () => void }) {
  const current = useSignal("");
  const next = useSignal("");
  const code = useCode();
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(() =>
      code.give(async (given) => {
        await changePassword(current.value, next.value, given);
        close();
      }),
    );
  };
  return (
    <Dialog title="Change the password" close={close}>
      <p>This signs out your other windows and devices.</p>
      <form onSubmit={submit}>
        <PasswordField label="Current password" value={current} kind="known" focus />
        <PasswordField label="New password" value={next} kind="new" />
        <CodeField code={code} />
        <Problem refusal={act.refusal.value} />
        <FormButtons close={close} cancel="Back" verb="Change it" busy={act.busy.value} />
      </form>
    </Dialog>
  );
}
