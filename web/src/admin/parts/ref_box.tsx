// Explains a reference that a user reports: the rule, when, and whom it rejected.
// Never: more than the records of the reference say.
import { signal } from "@preact/signals";
import { ask } from "../live/ask";
import { readList } from "../../contract";
import { asRefusal, type Refusal } from "../../refusal";
import { Problem } from "../../views/problem";
import { nowMs } from "../live/state";
import { readEvent, type EventRow } from "../model/event";
import { moment, visible } from "../model/words";
import { Search } from "./list";
import { EventItem } from "./stream";

interface Explained {
  ref: string;
  events: readonly EventRow[];
}

const found = signal<Explained | undefined>(undefined);
const problem = signal<Refusal | undefined>(undefined);

export function lookUp(ref: string): void {
  if (ref === "") return;
  location.hash = "#/";
  problem.value = undefined;
  ask("admin:events", { filter: { ref }, limit: 20 }).then(
    (answer) => {
      found.value = { ref, events: readList(answer["events"], readEvent) };
      requestAnimationFrame(() => document.getElementById("ref-result")?.focus());
    },
    (thrown: unknown) => (problem.value = asRefusal(thrown)),
  );
}

export function RefBox() {
  return (
    <div class="ref-box">
      <Search label="Reference" id="ref" placeholder="k3v9x0abcd" search={lookUp} />
      <Problem refusal={problem.value} />
      {found.value !== undefined && <Result found={found.value} />}
    </div>
  );
}

function Result({ found }: { found: Explained }) {
  const newest = found.events[0];
  return (
    <div id="ref-result" class="ref-result" tabIndex={-1}>
      <p>
        <code>{visible(found.ref, 20)}</code>:{" "}
        {newest === undefined
          ? "the log has no record of it. Run portcullis audit ref on the server: a reference also names its rule without a record."
          : `rejected by ${visible(newest.rule ?? newest.code, 40)} at ${moment(newest.atMs, nowMs.value)}.`}
      </p>
      <ul class="rows">
        {found.events.map((row) => (
          <EventItem key={row.key} row={row} />
        ))}
      </ul>
    </div>
  );
}
