// The doctor's report: findings with their remedies, and all checks.
// Never: a check that was not run shown as passed.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask } from "../live/ask";
import { useAct } from "../../views/act";
import { Problem } from "../../views/problem";
import { mayChange, nowMs } from "../live/state";
import { readReport, type Report } from "../model/doctor";
import { moment, visible } from "../model/words";
import { Panel } from "../parts/list";

const RESULTS = {
  ok: "passed",
  warning: "warning",
  critical: "critical",
  not_checked: "not checked",
} as const;

export function Doctor() {
  const report = useSignal<Report | undefined>(undefined);
  const act = useAct();
  const read = (payload: { run?: true }) =>
    act.run(
      async () => (report.value = readReport((await ask("admin:doctor", payload))["report"])),
    );
  useEffect(() => read({}), []);
  const found = report.value;
  return (
    <Panel
      title="Doctor"
      wide
      {...(found === undefined ? {} : { hint: `Checked ${moment(found.atMs, nowMs.value)}.` })}
    >
      <Problem refusal={act.refusal.value} />
      {mayChange.value && (
        <button type="button" disabled={act.busy.value} onClick={() => read({ run: true })}>
          {act.busy.value ? "One moment…" : "Check now"}
        </button>
      )}
      {found !== undefined && found.findings.length === 0 && <p>No finding.</p>}
      <ul class="rows">
        {found?.findings.map((one) => (
          <li key={one.id} class="row">
            <div class="row-head">
              <span class={`badge ${one.severity}`}>{visible(one.severity, 12)}</span>
              <span class="row-title">{visible(one.title)}</span>
              <span class="hint">{visible(one.id, 20)}</span>
            </div>
            <p class="row-facts">{visible(one.detail, 400)}</p>
            <p>{visible(one.remedy, 400)}</p>
          </li>
        ))}
      </ul>
      {found !== undefined && <h3>All checks</h3>}
      <ul class="rows checks">
        {found?.checks.map((one) => (
          <li key={one.id} class="row">
            <div class="row-head">
              <span class={`badge ${one.result}`}>{RESULTS[one.result]}</span>
              <span class="row-title">{visible(one.title)}</span>
              <span class="hint">{visible(one.id, 20)}</span>
            </div>
            {one.detail !== "" && <p class="row-facts">{visible(one.detail, 300)}</p>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
