// The page after the server has ended the session.
// Never: shows a message, room or other user, also not behind the dialog.
import { signOut } from "../session";
import { doubt, link } from "../session_state";
import { Brand } from "./brand";
import { ConfirmSignIn } from "./confirm_sign_in";
import { Problem } from "./problem";

export function Ended() {
  return (
    <main class="door">
      <Brand />
      {doubt.value === "checking" ? <Checking /> : <p>Not connected</p>}
      <ConfirmSignIn />
    </main>
  );
}

/** The sign-in may still be valid: the page asks the server. */
function Checking() {
  if (link.value.state !== "waiting") return <p role="status">One moment…</p>;
  return (
    <div class="card">
      <Problem refusal={link.value.refusal} />
      <p class="hint">The page retries automatically.</p>
      <button type="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </div>
  );
}
