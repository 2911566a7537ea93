// The newest report of the regular audit, and a button that runs it again.
// Never: a change of the server.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { online } from "../../session_state";
import { useAct } from "../../views/act";
import { Problem } from "../../views/problem";
import { ask } from "../live/ask";
import { nowMs } from "../live/state";
import { readReport, resultWord, type Check, type Report } from "../model/report";
import { moment, visible } from "../model/words";
import { Panel } from "../parts/list";

/** Longest text of a finding. */
const TEXT_MAX = 400;
const AGAIN_MS = 500;
/** A run takes two minutes at most. */
const TRIES_MAX = 240;

export function Doctor() {
  const report = useSignal<Report | undefined>(undefined);
  const act = useAct();
  const load = (run: boolean) =>
    act.run(async () => {
      let answer = await ask("admin:doctor", run ? { run } : {});
      for (let tries = 0; answer["running"] === true && tries < TRIES_MAX; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * Math.min(1 + tries, 4)));
        answer = await ask("admin:doctor", {});
      }
      report.value = readReport(answer["report"]);
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
        <span class="tag">{resultWord(check.result)}</span>
      </div>
      {check.findings.map((finding) => (
        <div key={finding.key}>
          <p class="row-facts">
            <strong>{finding.severity === "critical" ? "Critical: " : "Warning: "}</strong>
            {visible(finding.found, TEXT_MAX)}
          </p>
          <p class="row-facts">What to do: {visible(finding.remedy, TEXT_MAX)}</p>
        </div>
      ))}
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
