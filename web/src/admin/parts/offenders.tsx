// The strongest sources of rejected requests, and the users that limits reject.
// Never: a block of a user or a rule; those have operations of their own.
import { block, lift } from "../live/operations";
import { affected, offenders } from "../live/state";
import { count, plural, span, visible } from "../model/words";
import { Do, Panel, Text } from "./list";

/** What a rule rejects, with its name. */
function ruleWords(words: string, rule: string | undefined): string {
  return rule === undefined ? visible(words) : `${visible(words)} (${visible(rule, 40)})`;
}

export function Offenders() {
  const strongest = Math.max(1, ...offenders.value.map((one) => one.rejected));
  return (
    <Panel title="Offenders" hint="Most rejected requests in 5 minutes.">
      {offenders.value.length === 0 && <p class="hint">No request was rejected.</p>}
      <ol class="rows">
        {offenders.value.slice(0, 20).map((one) => (
          <li key={`${one.kind} ${one.value}`} data-row tabIndex={-1} class="row">
            <div class="row-head">
              <span class="hint kind">{visible(one.kind, 12)}</span>
              <span class="row-title">
                <Text>{one.name ?? one.value}</Text>
              </span>
              <span class="number">{count(one.perS)}/s</span>
            </div>
            <meter
              min={0}
              max={strongest}
              value={one.rejected}
              aria-label="Share of the strongest offender"
            />
            <p class="row-facts">
              {count(one.rejected)} rejected
              {one.ruleText !== undefined && `: ${ruleWords(one.ruleText, one.rule)}`}
              {one.connections !== undefined &&
                `; ${plural(one.connections, "connection")}, ` +
                  `${plural(one.usersBehind ?? 0, "user")} signed in`}
            </p>
            <div class="row-operations">
              {one.kind === "prefix" && (
                <>
                  <Do operation={block(one.value)} letter="b">
                    Block
                  </Do>
                  <a class="button" href={`#/connections?address=${encodeURIComponent(one.value)}`}>
                    Connections
                  </a>
                  <a class="button" href={`#/audit?address=${encodeURIComponent(one.value)}`}>
                    Records
                  </a>
                </>
              )}
              {one.kind === "user" && (
                <a
                  class="button"
                  href={`#/limits?user=${encodeURIComponent(one.value.slice(0, 200))}`}
                >
                  Explain
                </a>
              )}
            </div>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

/** The rates of single events: the server resets all others of a user. */
const EVENT_RATE = "event_per_user";

export function Affected() {
  return (
    <Panel title="Affected users" hint="Signed-in users that limits reject.">
      {affected.value.length === 0 && <p class="hint">No user is rejected.</p>}
      <ul class="rows">
        {affected.value.slice(0, 20).map((one) => (
          <li key={one.user} data-row tabIndex={-1} class="row">
            <div class="row-head">
              <span class="row-title">
                <Text>{one.name}</Text>
              </span>
              <span class="number">{plural(one.rejected, "rejection")}</span>
            </div>
            <p class="row-facts">
              Rejected: {ruleWords(one.ruleText, one.rule)}. Can try again in {span(one.waitMs)}.
            </p>
            <div class="row-operations">
              {one.rule !== EVENT_RATE && (
                <Do operation={lift({ user: one.user }, one.name)}>Lift</Do>
              )}
              <a
                class="button"
                href={`#/limits?user=${encodeURIComponent(one.user.slice(0, 200))}`}
              >
                Explain
              </a>
            </div>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
