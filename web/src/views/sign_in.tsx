// Sign in, or create an account.
// Never: says which of the two, name or password, was wrong.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { signIn, signOut, signUp } from "../session";
import { invitation, stillSignedIn } from "../session_state";
import { KnownAccountFields, NewAccountFields } from "./account_fields";
import { useAct } from "./act";
import { Brand } from "./brand";
import { CodeField, useCode } from "./code_field";
import { Problem } from "./problem";

/** Whether the page also creates accounts. */
export type Accounts = "open" | "existing";

export function SignIn({ accounts }: { accounts: Accounts }) {
  // A person with an invitation has no account yet.
  const isInvited = accounts === "open" && invitation.value !== undefined;
  const isNew = useSignal(isInvited);
  useEffect(() => {
    if (isInvited) isNew.value = true;
  }, [isInvited]);
  return (
    <main class="door">
      <Brand />
      <StillSignedIn />
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
          {...(accounts === "open"
            ? { other: "Create an account", toOther: () => (isNew.value = true) }
            : {})}
        />
      )}
    </main>
  );
}

interface Props {
  title: string;
  verb: string;
  kind: "new" | "known";
  other?: string;
  toOther?: () => void;
}

function AccountForm({ title, verb, kind, other, toOther }: Props) {
  const username = useSignal("");
  const password = useSignal("");
  const code = useCode();
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(() => {
      if (kind === "new") return signUp(username.value, password.value);
      return code.give((given) => signIn(username.value, password.value, given));
    });
  };
  return (
    <form class="card" onSubmit={submit} aria-labelledby="form-title">
      <h1 id="form-title">{title}</h1>
      {kind === "new" ? (
        <NewAccountFields username={username} password={password} />
      ) : (
        <KnownAccountFields username={username} password={password} />
      )}
      <CodeField code={code} />
      <Problem refusal={act.refusal.value} />
      <button class="primary" type="submit" disabled={act.busy.value}>
        {act.busy.value ? "One moment…" : verb}
      </button>
      {other !== undefined && (
        <button class="quiet" type="button" onClick={toOther}>
          {other}
        </button>
      )}
    </form>
  );
}

/** The cookie is still in this browser, and the next user of it must not get it. */
function StillSignedIn() {
  if (stillSignedIn.value === undefined) return null;
  return (
    <div class="card">
      <Problem refusal={stillSignedIn.value} />
      <button type="button" onClick={() => void signOut()}>
        Sign out again
      </button>
    </div>
  );
}
