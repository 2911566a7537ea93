// The strongest sources of rejected requests, and the users that limits reject.
// Never: a block of a user or a rule; those have operations of their own.
import { block, lift } from "../live/operations";
import { affected, nowMs, offenders } from "../live/state";
import { reasonOf, type Offender } from "../model/rows";
import type { Named } from "../model/record_text";
import { count, moment, plural, span, visible } from "../model/words";
import { Do, NamedWords, Panel, Text } from "./list";

/** What a rule rejects, with its name. */
function ruleWords({ ruleText, rule }: { ruleText?: string; rule?: string }): string {
  if (ruleText === undefined) return visible(rule ?? "", 40);
  return rule === undefined ? visible(ruleText) : `${visible(ruleText)} (${visible(rule, 40)})`;
}

/** A rule of the list: its words, and its name in metrics and settings. */
function namedRule({ value, ruleText }: Offender): Named {
  const name = visible(value, 40);
  return ruleText === undefined ? { words: name } : { words: visible(ruleText), name };
}

export function Offenders() {
  const sources = offenders.value.filter((one) => one.kind !== "rule");
  const rules = offenders.value.filter((one) => one.kind === "rule");
  return (
    <Panel title="Offenders" hint="Most rejected requests in 5 minutes.">
      {offenders.value.length === 0 && <p class="hint">No request was rejected.</p>}
      <List offenders={sources} />
      {rules.length > 0 && (
        <>
          <h3>By limit or rule</h3>
          <List offenders={rules} />
        </>
      )}
    </Panel>
  );
}

function List({ offenders }: { offenders: readonly Offender[] }) {
  const strongest = Math.max(1, ...offenders.map((one) => one.rejected));
  return (
    <ol class="rows">
      {offenders.map((one) => (
        <li key={`${one.kind} ${one.value}`} data-row tabIndex={-1} class="row">
          <div class="row-head">
            {one.kind !== "rule" && <span class="hint kind">{KIND_WORDS[one.kind] ?? ""}</span>}
            <span class="row-title">
              {one.kind === "rule" ? (
                <NamedWords of={namedRule(one)} />
              ) : (
                <Text>{one.name ?? one.value}</Text>
              )}
            </span>
            {one.blockedUntilMs !== undefined && <span class="tag">blocked</span>}
            <span class="number">{count(one.perS)}/s now</span>
          </div>
          <meter
            min={0}
            max={strongest}
            value={one.rejected}
            aria-label="Share of the strongest offender"
          />
          <p class="row-facts">{factsOf(one)}</p>
          <OffenderOperations one={one} />
        </li>
      ))}
    </ol>
  );
}

const KIND_WORDS: Readonly<Record<string, string>> = {
  prefix: "network",
  user: "user",
  origin: "origin",
};

function factsOf(one: Offender): string {
  const words = one.kind === "rule" ? "" : ruleWords(one);
  const clients =
    one.connections === undefined
      ? ""
      : `; ${plural(one.connections, "connection")}, ${plural(one.usersBehind ?? 0, "user")} signed in`;
  const block =
    one.blockedUntilMs === undefined
      ? ""
      : `; blocked until ${moment(one.blockedUntilMs, nowMs.value)}`;
  return `${count(one.rejected)} rejected${words === "" ? "" : `: ${words}`}${clients}${block}`;
}

function OffenderOperations({ one }: { one: Offender }) {
  const address = encodeURIComponent(one.value.slice(0, 200));
  if (one.kind === "prefix") {
    return (
      <div class="row-operations">
        {one.blockedUntilMs === undefined && (
          <Do operation={block(one.value, reasonOf(one))} letter="b">
            Block
          </Do>
        )}
        <a class="button" href={`#/connections?address=${address}`}>
          Connections
        </a>
        <a class="button" href={`#/audit?address=${address}`}>
          Records
        </a>
      </div>
    );
  }
  if (one.kind !== "user") return null;
  return (
    <div class="row-operations">
      <a class="button" href={`#/limits?user=${address}`}>
        Explain
      </a>
    </div>
  );
}

/** The rates of single events: the server resets all others of a user. */
const EVENT_RATE = "event_per_user";

export function Affected() {
  return (
    <Panel title="Affected users" hint="Signed-in users that limits reject.">
      {affected.value.length === 0 && <p class="hint">No signed-in user is rejected.</p>}
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
              Rejected: {ruleWords(one)}. Can try again in {span(one.waitMs)}.
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
