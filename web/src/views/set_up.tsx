// Creates the first administrator's account by the one-time link that the server printed.
// Never: shows the token.
import { useSignal } from "@preact/signals";
import { setUp } from "../session";
import { NewAccountFields } from "./account_fields";
import { useAct } from "./act";
import { Brand } from "./brand";
import { Problem } from "./problem";

interface Props {
  token: string;
  /** To the sign-in form instead. */
  done: () => void;
}

export function SetUp({ token, done }: Props) {
  const username = useSignal("");
  const password = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(() => setUp(token, username.value, password.value));
  };
  return (
    <main class="door">
      <Brand />
      <form class="card" onSubmit={submit} aria-labelledby="form-title">
        <h1 id="form-title">Set up this server</h1>
        <p>This link works once. The account that you create here is the first administrator.</p>
        <NewAccountFields username={username} password={password} />
        <Problem refusal={act.refusal.value} />
        <button class="primary" type="submit" disabled={act.busy.value}>
          {act.busy.value ? "One moment…" : "Create the administrator"}
        </button>
        <button class="quiet" type="button" onClick={done}>
          Sign in instead
        </button>
      </form>
    </main>
  );
}
