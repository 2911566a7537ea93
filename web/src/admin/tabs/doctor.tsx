// The newest report of the regular audit, and a button that runs it again.
// Never: a change of the server.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { online } from "../../session_state";
import { useAct } from "../../views/act";
import { Problem } from "../../views/problem";
import { ask } from "../live/ask";
import { nowMs } from "../live/state";
import {
  readFailure,
  readReport,
  resultWord,
  type Check,
  type Finding,
  type Report,
} from "../model/report";
import { moment, visible } from "../model/words";
import { Panel } from "../parts/list";

/** Longest text of a finding. */
const TEXT_MAX = 400;
const AGAIN_MS = 500;
/** A run takes two minutes at most. */
const TRIES_MAX = 240;

export function Doctor() {
  const report = useSignal<Report | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const act = useAct();
  const load = (run: boolean) =>
    act.run(async () => {
      let answer = await ask("admin:doctor", run ? { run } : {});
      for (let tries = 0; answer["running"] === true && tries < TRIES_MAX; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * Math.min(1 + tries, 4)));
        answer = await ask("admin:doctor", {});
      }
      report.value = readReport(answer["report"]);
      failure.value = readFailure(answer["failed"]);
    });
  useEffect(() => {
    if (online.value) load(false);
  }, [online.value]);
  const found = report.value;
  return (
    <Panel
      title="Doctor"
      wide
      hint="What needs care, and what to do. The server runs these checks each night."
    >
      <div class="row-operations">
        <button class="primary" type="button" disabled={act.busy.value} onClick={() => load(true)}>
          Run all checks now
        </button>
      </div>
      <Problem refusal={act.refusal.value} />
      <p class="hint" role="status">
        {act.busy.value
          ? "One moment…"
          : found === undefined
            ? "There is no report yet."
            : `Report of ${moment(found.atMs, nowMs.value)}.`}
      </p>
      {failure.value !== undefined && (
        <p class="row-facts" role="alert">
          The last run failed, so this report is that of an earlier one.{" "}
          {visible(failure.value, TEXT_MAX)}
        </p>
      )}
      <ul class="rows">
        {found?.checks.map((check) => (
          <CheckItem key={check.id} check={check} />
        ))}
      </ul>
    </Panel>
  );
}

function CheckItem({ check }: { check: Check }) {
  return (
    <li data-row tabIndex={-1} class="row">
      <div class="row-head">
        <span class="row-title">
          {visible(check.id)} {visible(check.title)}
        </span>
        <span class="tag">{resultWord(check)}</span>
      </div>
      {check.findings.map((finding) => (
        <FindingItem key={finding.key} finding={finding} />
      ))}
      {check.hiddenCount > 0 && (
        <p class="row-facts">
          And {check.hiddenCount} more: {visible(check.hidden.join(", "), TEXT_MAX)}
        </p>
      )}
      {check.findings.length === 0 && check.facts.length > 0 && (
        <p class="row-facts">{visible(check.facts.join("; "), TEXT_MAX)}</p>
      )}
      {check.notChecked.map((why) => (
        <p key={why} class="row-facts">
          Not checked: {visible(why, TEXT_MAX)}
        </p>
      ))}
    </li>
  );
}

function FindingItem({ finding: { severity, found, remedy, accepted } }: { finding: Finding }) {
  const word = severity === "critical" ? "Critical" : "Warning";
  return (
    <div>
      <p class="row-facts">
        <strong>
          {accepted === undefined ? `${word}: ` : `Accepted, ${word.toLowerCase()}: `}
        </strong>
        {visible(found, TEXT_MAX)}
      </p>
      <p class="row-facts">
        {accepted === undefined
          ? `What to do: ${visible(remedy, TEXT_MAX)}`
          : `Until ${visible(accepted.until)}: ${visible(accepted.reason, TEXT_MAX)}`}
      </p>
    </div>
  );
}
