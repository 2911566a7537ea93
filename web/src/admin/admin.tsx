// The dashboard: its head, its tabs and its dialogs.
// Never: private data for a user without a role that may read it.
import { computed, effect, signal } from "@preact/signals";
import { sentence } from "../refusal";
import { finishEnrolling, signOut } from "../session";
import { session } from "../session_state";
import { Brand } from "../views/brand";
import { ConfirmSignIn } from "../views/confirm_sign_in";
import { Dialog } from "../views/dialog";
import { Entry } from "../views/entry";
import { Notice } from "../views/notice";
import { AddFactor } from "../views/second_factor";
import { helpOpen, KEYS, keysOn } from "./live/keys";
import { pending } from "./live/operations";
import {
  addingFactor,
  announcement,
  deniedBecause,
  done,
  logWarning,
  mayChange,
  overview,
} from "./live/state";
import { acceptLog } from "./live/witness";
import { OperationDialog } from "./parts/operation_dialog";
import { Overview } from "./parts/overview";
import { StateBar } from "./parts/state_bar";
import { Audit } from "./tabs/audit";
import { Blocks } from "./tabs/blocks";
import { Connections } from "./tabs/connections";
import { Doctor } from "./tabs/doctor";
import { Invitations } from "./tabs/invitations";
import { Limits } from "./tabs/limits";
import { Users } from "./tabs/users";

const TABS = [
  ["", "Overview", Overview],
  ["connections", "Connections", Connections],
  ["users", "Users", Users],
  ["invitations", "Invitations", Invitations],
  ["limits", "Limits", Limits],
  ["blocks", "Blocks", Blocks],
  ["audit", "Audit", Audit],
  ["doctor", "Doctor", Doctor],
] as const;

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));
const tab = computed(() => /^#\/([a-z]+)/.exec(hash.value)?.[1] ?? "");

effect(() => {
  const state = overview.value?.state;
  document.title = `${state === undefined || state === "normal" ? "" : `${state}: `}Dashboard`;
});

export function Admin() {
  return (
    <Entry accounts="existing">
      <Signed />
    </Entry>
  );
}

function Signed() {
  if (deniedBecause.value !== undefined || addingFactor.value) return <Denied />;
  const [name, title, Shown] = TABS.find(([name]) => name === tab.value) ?? TABS[0];
  return (
    <div class="dashboard">
      <header class="head">
        <Brand />
        <nav aria-label="Parts of the dashboard">
          {TABS.map(([to, words]) => (
            <a key={to} href={`#/${to}`} aria-current={to === name ? "page" : undefined}>
              {words}
            </a>
          ))}
        </nav>
        <span class="signed-in-user">
          <bdi title={session.value?.user.username}>{session.value?.user.username}</bdi>
          {!mayChange.value && <span class="tag">read only</span>}
        </span>
        <button class="quiet" type="button" onClick={() => (helpOpen.value = true)}>
          Keys
        </button>
        <button class="quiet" type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </header>
      <StateBar />
      <Messages />
      <main aria-label={title}>
        <Shown key={hash.value} />
      </main>
      <p class="unseen" role="status">
        {announcement.value}
      </p>
      {pending.value !== undefined && (
        <OperationDialog key={pending.value.title} operation={pending.value} />
      )}
      {helpOpen.value && <Help />}
      <ConfirmSignIn />
    </div>
  );
}

function Messages() {
  return (
    <div class="messages-of-page">
      <Notice />
      {done.value !== undefined && (
        <div class="banner">
          <p role="status">{done.value}</p>
          <button
            class="quiet"
            type="button"
            aria-label="Dismiss"
            onClick={() => (done.value = undefined)}
          >
            ✕
          </button>
        </div>
      )}
      {logWarning.value !== undefined && (
        <div class="banner refused">
          <p class="problem" role="alert">
            {logWarning.value} Run <code>portcullis audit verify</code> before you trust the log.
          </p>
          <button
            type="button"
            onClick={() => overview.value !== undefined && acceptLog(overview.value.log)}
          >
            I have checked it
          </button>
        </div>
      )}
    </div>
  );
}

/** The account has no role for this page, or the role rests until there is a second factor. */
function Denied() {
  const refusal = deniedBecause.value;
  const factor = session.value?.factorMissing === true || addingFactor.value;
  return (
    <main class="door">
      <Brand />
      <section class="card" aria-labelledby="form-title">
        <h1 id="form-title">This account cannot open the dashboard</h1>
        <p>
          {factor
            ? "Your role needs a second factor. Add one, then this page opens."
            : "The dashboard needs the role admin or auditor. Ask an administrator for it, or sign in with another account."}
        </p>
        {refusal !== undefined && <p class="hint">{sentence(refusal)}</p>}
        {factor && <Factor />}
        <button type="button" onClick={() => void signOut()}>
          Sign in with another account
        </button>
      </section>
    </main>
  );
}

function Factor() {
  const close = () => {
    addingFactor.value = false;
    void finishEnrolling();
  };
  return (
    <>
      <button class="primary" type="button" onClick={() => (addingFactor.value = true)}>
        Add a second factor
      </button>
      {addingFactor.value && <AddFactor close={close} />}
    </>
  );
}

function Help() {
  const close = () => (helpOpen.value = false);
  return (
    <Dialog title="Keys" close={close}>
      <dl class="keys">
        {KEYS.map(([key, words]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <label class="choice">
        <input
          type="checkbox"
          checked={keysOn.value}
          onChange={(event) => (keysOn.value = event.currentTarget.checked)}
        />
        Single keys are on
      </label>
      <div class="answers">
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
