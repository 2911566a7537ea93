// Setup of the second factor that this server requires.
// Never: another way to continue than signing out.
import { useSignal } from "@preact/signals";
import { finishEnrolling, signOut } from "../session";
import { useAct } from "./act";
import { Brand } from "./brand";
import { Problem } from "./problem";
import { AddFactor } from "./second_factor";

export function FirstFactor() {
  const adding = useSignal(false);
  const act = useAct();
  const close = () => {
    adding.value = false;
    act.run(finishEnrolling);
  };
  return (
    <main class="door">
      <Brand />
      <section class="card" aria-labelledby="form-title">
        <h1 id="form-title">Add a second factor</h1>
        <p>This server requires a second factor. You need an authenticator app.</p>
        <Problem refusal={act.refusal.value} />
        <button
          class="primary"
          type="button"
          disabled={act.busy.value}
          onClick={() => (adding.value = true)}
        >
          Add it now
        </button>
        <button class="quiet" type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </section>
      {adding.value && <AddFactor close={close} />}
    </main>
  );
}
