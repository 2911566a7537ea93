// Explains a reference that a user reports: the rule, the time and the rejected client.
// Never: more than the records of the reference say.
import { signal } from "@preact/signals";
import { ask } from "../live/ask";
import { readList } from "../../contract";
import { asRefusal, type Refusal } from "../../refusal";
import { Problem } from "../../views/problem";
import { takeRecordTexts } from "../live/record_texts";
import { nowMs, recordTexts } from "../live/state";
import { fieldsOf, text } from "../model/read";
import { readEvent, type EventRow } from "../model/event";
import { readReference, retryWords, type Reference } from "../model/reference";
import { codeWords, inWords, ruleName } from "../model/record_text";
import { moment, visible } from "../model/words";
import { Search } from "./list";
import { EventItem } from "./stream";

interface Explained {
  ref: string;
  reference: Reference | undefined;
  events: readonly EventRow[];
  /** Why the log was not searched. */
  searchError: string | undefined;
}

const found = signal<Explained | undefined>(undefined);
const problem = signal<Refusal | undefined>(undefined);

export function lookUp(ref: string): void {
  if (ref === "") return;
  location.hash = "#/";
  problem.value = undefined;
  ask("admin:events", { filter: { ref }, limit: 20 }).then(
    (answer) => {
      takeRecordTexts(answer);
      const reference = readReference(answer["explained"]);
      const searchError = text(fieldsOf(answer["search_error"])?.["message"]);
      const events = readList(answer["events"], readEvent);
      found.value = { ref, reference, events, searchError };
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
  const { reference, events, searchError } = found;
  const newest = events[0];
  const rule = newest?.rule ?? reference?.rule;
  const known = rule === reference?.rule ? reference?.ruleText : undefined;
  const texts = recordTexts.value;
  const cause =
    rule !== undefined
      ? inWords(known === undefined ? ruleName(rule, texts) : { words: known, name: rule })
      : newest === undefined
        ? undefined
        : inWords(codeWords(newest.code, texts));
  const atMs = newest?.atMs ?? reference?.atMs;
  return (
    <div id="ref-result" class="ref-result" tabIndex={-1}>
      <p>
        <code>{visible(found.ref, 20)}</code>:{" "}
        {cause === undefined
          ? "this server has not made this reference. It is mistyped, or of another server."
          : `rejected at ${moment(atMs, nowMs.value)}: ${cause}.`}
      </p>
      {reference !== undefined && (
        <p class="hint">
          {visible(reference.meaning, 200)} {retryWords(reference)}
          {searchError !== undefined && ` The log was not searched: ${visible(searchError, 200)}.`}
          {newest === undefined &&
            searchError === undefined &&
            " The log has no record of it: most rejections of a flood are only counted."}
        </p>
      )}
      <ul class="rows">
        {events.map((row) => (
          <EventItem key={row.key} row={row} />
        ))}
      </ul>
    </div>
  );
}
