// The signed-in user, the connection state, and sign-out.
// Never: shows a state by colour alone.
import { useSignal } from "@preact/signals";
import { sentence } from "../refusal";
import { signOut } from "../session";
import { link, session, type Link } from "../session_state";
import { Account } from "./account";
import { Announce } from "./announce";
import { Brand } from "./brand";

export function TopBar() {
  const user = session.value?.user;
  const announcing = useSignal(false);
  const showingAccount = useSignal(false);
  return (
    <header class="top">
      <Brand />
      <LinkState link={link.value} />
      <span class="signed-in-user">
        <bdi title={user?.username}>{user?.username}</bdi>
        {user?.roles.includes("admin") && <span class="tag">admin</span>}
      </span>
      {user?.roles.includes("admin") && (
        <button class="quiet" type="button" onClick={() => (announcing.value = true)}>
          Announce
        </button>
      )}
      <button class="quiet" type="button" onClick={() => (showingAccount.value = true)}>
        Account
      </button>
      <button class="quiet" type="button" onClick={() => void signOut()}>
        Sign out
      </button>
      {showingAccount.value && <Account close={() => (showingAccount.value = false)} />}
      {announcing.value && <Announce close={() => (announcing.value = false)} />}
    </header>
  );
}

function LinkState({ link }: { link: Link }) {
  return (
    <span class={`link ${link.state}`} role="status">
      <span class="link-words">{words(link)}</span>
    </span>
  );
}

function words(link: Link): string {
  switch (link.state) {
    case "off":
      return "Not connected";
    case "connecting":
      return "Connecting…";
    case "online":
      return "Connected";
    case "waiting":
      return sentence(link.refusal);
  }
}
