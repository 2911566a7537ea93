// The newest refusal that belongs nowhere else.
// Never: more than one.
import { notice } from "../session_state";
import { Problem } from "./problem";

export function Notice() {
  if (notice.value === undefined) return null;
  return (
    <div class="banner refused">
      <Problem refusal={notice.value} />
      <button
        class="quiet"
        type="button"
        aria-label="Dismiss"
        onClick={() => (notice.value = undefined)}
      >
        ✕
      </button>
    </div>
  );
}
