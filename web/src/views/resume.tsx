// After a reload, until the server has said who is signed in.
// Never: shows the sign-in form to a signed-in user.
import type { Refusal } from "../refusal";
import { leave, resume } from "../session";
import { Brand } from "./brand";
import { Problem } from "./problem";

export function Resume({ refusal }: { refusal: Refusal | undefined }) {
  return (
    <main class="door">
      <Brand />
      {refusal === undefined ? (
        <p role="status">One moment…</p>
      ) : (
        <div class="card">
          <Problem refusal={refusal} />
          <button class="primary" type="button" onClick={() => void resume()}>
            Try again
          </button>
          <button class="quiet" type="button" onClick={leave}>
            Sign in instead
          </button>
        </div>
      )}
    </main>
  );
}
