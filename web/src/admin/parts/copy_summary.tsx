// One button that copies a summary of what happens, for a chat or a ticket.
// Never: sent anywhere by the page; the administrator pastes it.
import { useSignal } from "@preact/signals";
import { Dialog } from "../../views/dialog";
import { ask } from "../live/ask";
import { affected, alerts, offenders, overview } from "../live/state";
import { inOrder } from "../model/alert";
import { incidentText, operationSearch, readOperations } from "../model/incident";
import type { Overview } from "../model/overview";

export function CopySummary() {
  const result = useSignal("");
  const shown = useSignal<string | undefined>(undefined);
  const close = () => (shown.value = undefined);
  const copy = async (state: Overview) => {
    result.value = "";
    const text = compose(state);
    try {
      await write(text);
      result.value = "Copied.";
    } catch {
      shown.value = await text;
    }
  };
  const state = overview.value;
  if (state === undefined) return null;
  return (
    <div class="copy-summary">
      <button type="button" onClick={() => void copy(state)}>
        Copy summary
      </button>
      <span class="hint" role="status">
        {result.value}
      </span>
      {shown.value !== undefined && (
        <Dialog title="Summary" close={close}>
          <p>Your browser did not allow copying. Select the text instead.</p>
          <pre tabIndex={0} aria-label="Text of the summary" role="region">
            {shown.value}
          </pre>
          <div class="answers">
            <button type="button" onClick={close}>
              Close
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** Some browsers copy only what is promised at the moment of the click, others no promise. */
async function write(text: Promise<string>): Promise<void> {
  if (typeof ClipboardItem === "undefined") {
    await navigator.clipboard.writeText(await text);
    return;
  }
  const blob = text.then((words) => new Blob([words], { type: "text/plain" }));
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
}

/** The text, with the operations of administrators since the beginning. */
async function compose(state: Overview): Promise<string> {
  const operations = await ask("admin:events", operationSearch(state)).then(
    readOperations,
    () => undefined,
  );
  return incidentText({
    host: location.host,
    overview: state,
    offenders: offenders.value,
    affected: affected.value,
    alerts: inOrder(alerts.value),
    operations,
  });
}
