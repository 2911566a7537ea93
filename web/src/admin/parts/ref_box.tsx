// Explains a reference that a user reports: the rule, when, and whom it rejected.
// Never: a guess; a reference of another server is said to be unknown.
import { signal } from "@preact/signals";
import { ask } from "../live/ask";
import { readList } from "../../contract";
import { asRefusal, type Refusal } from "../../refusal";
import { Problem } from "../../views/problem";
import { nowMs } from "../live/state";
import { readEvent, type EventRow } from "../model/event";
import { object, text, time } from "../model/read";
import { moment, visible } from "../model/words";
import { Search } from "./list";
import { EventItem } from "./stream";

interface Explained {
  ref: string;
  rule: string | undefined;
  atMs: number | undefined;
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
      const explained = object(answer["explained"]);
      found.value = {
        ref,
        rule: text(explained["rule"]),
        atMs: time(explained["at"]),
        events: readList(answer["events"], readEvent),
      };
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
  const unknown = found.rule === undefined && found.events.length === 0;
  return (
    <div id="ref-result" class="ref-result" tabIndex={-1}>
      <p>
        <code>{visible(found.ref, 20)}</code>:{" "}
        {unknown
          ? "this server did not create this reference, or its record is gone."
          : `rejected by ${visible(found.rule ?? "a rule of its record", 40)}${
              found.atMs === undefined ? "" : ` at ${moment(found.atMs, nowMs.value)}`
            }.`}
      </p>
      <ul class="rows">
        {found.events.map((row) => (
          <EventItem key={row.key} row={row} />
        ))}
      </ul>
    </div>
  );
}
