// Sign in, or create an account.
// Never: says which of the two, name or password, was wrong.
import { useSignal } from "@preact/signals";
import { signIn, signUp } from "../session";
import { KnownAccountFields, NewAccountFields } from "./account_fields";
import { useAct } from "./act";
import { Brand } from "./brand";
import { Problem } from "./problem";

export function SignIn() {
  const isNew = useSignal(false);
  return (
    <main class="door">
      <Brand />
      {isNew.value ? (
        <AccountForm
          key="new"
          title="Create an account"
          verb="Create account"
          kind="new"
          other="I have an account"
          toOther={() => (isNew.value = false)}
        />
      ) : (
        <AccountForm
          key="known"
          title="Sign in"
          verb="Sign in"
          kind="known"
          other="Create an account"
          toOther={() => (isNew.value = true)}
        />
      )}
    </main>
  );
}

interface Props {
  title: string;
  verb: string;
  kind: "new" | "known";
  other: string;
  toOther: () => void;
}

function AccountForm({ title, verb, kind, other, toOther }: Props) {
  const username = useSignal("");
  const password = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    const enter = kind === "new" ? signUp : signIn;
    act.run(() => enter(username.value, password.value));
  };
  return (
    <form class="card" onSubmit={submit} aria-labelledby="form-title">
      <h1 id="form-title">{title}</h1>
      {kind === "new" ? (
        <NewAccountFields username={username} password={password} />
      ) : (
        <KnownAccountFields username={username} password={password} />
      )}
      <Problem refusal={act.refusal.value} />
      <button class="primary" type="submit" disabled={act.busy.value}>
        {act.busy.value ? "One moment…" : verb}
      </button>
      <button class="quiet" type="button" onClick={toOther}>
        {other}
      </button>
    </form>
  );
}
