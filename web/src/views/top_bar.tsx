// Who is signed in, whether the server is there, and the way out.
// Never: colour alone to say something.
import { useSignal } from "@preact/signals";
import { sentence } from "../refusal";
import { signOut } from "../session";
import { link, session, type Link } from "../state";
import { Announce } from "./announce";
import { Brand } from "./brand";

export function TopBar() {
  const user = session.value?.user;
  const announcing = useSignal(false);
  return (
    <header class="top">
      <Brand />
      <LinkState link={link.value} />
      <span class="who">
        <bdi>{user?.username}</bdi>
        {user?.roles.includes("admin") && (
          <>
            <span class="tag">admin</span>
            <button class="quiet" type="button" onClick={() => (announcing.value = true)}>
              Announce
            </button>
          </>
        )}
      </span>
      <button class="quiet" type="button" onClick={signOut}>
        Sign out
      </button>
      {announcing.value && <Announce close={() => (announcing.value = false)} />}
    </header>
  );
}

function LinkState({ link }: { link: Link }) {
  return (
    <span class={`link ${link.state}`} role="status">
      {words(link)}
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
