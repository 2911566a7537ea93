// Open alerts: the most severe first; acknowledge, silence, details, evidence.
// Never: a severity by colour alone.
import { useSignal } from "@preact/signals";
import { session } from "../../session_state";
import { acknowledge, silence, unsilence } from "../live/operations";
import { alerts, nowMs, recordTexts, silences } from "../live/state";
import { inOrder, isAbout, thresholdWords, type Alert, type Threshold } from "../model/alert";
import { codeWords, distinctWords, inWords, keyWords } from "../model/record_text";
import { count, moment, plural, span, visible } from "../model/words";
import { lookUp } from "./ref_box";
import { Do, Panel, Text } from "./list";

const SHOWN_MAX = 20;

export function Alerts() {
  const all = inOrder(alerts.value, session.value?.user.id);
  const open = all.filter((alert) => alert.state !== "resolved");
  const resolved = all.filter((alert) => alert.state === "resolved");
  return (
    <Panel title="Alerts">
      {open.length === 0 && <p class="hint">No alert is open.</p>}
      <Rows alerts={open} />
      {silences.value.length > 0 && <Silences />}
      {resolved.length > 0 && (
        <>
          <h3>Resolved in the last 30 minutes</h3>
          <Rows alerts={resolved} />
        </>
      )}
    </Panel>
  );
}

function Rows({ alerts }: { alerts: readonly Alert[] }) {
  return (
    <>
      <ul class="rows">
        {alerts.slice(0, SHOWN_MAX).map((alert) => (
          <Row key={alert.id} alert={alert} />
        ))}
      </ul>
      {alerts.length > SHOWN_MAX && (
        <p class="hint">{plural(alerts.length - SHOWN_MAX, "more alert")}.</p>
      )}
    </>
  );
}

function Row({ alert }: { alert: Alert }) {
  const isOpen = useSignal(false);
  const isDone = alert.state === "resolved";
  return (
    <li data-row tabIndex={-1} class={isDone ? "row resolved" : "row"}>
      <div class="row-head">
        <span class={`badge ${isDone ? "resolved" : alert.severity}`}>
          {isDone ? "resolved" : alert.severity}
        </span>
        <span class="row-title">{visible(alert.title)}</span>
        <span class="hint">{alert.rule}</span>
      </div>
      <p class="row-facts">
        {alert.key !== undefined && (
          <>
            {keyWords(alert.key.kind)} <Text>{nameOf(alert.key)}</Text>
            {isOwn(alert) && " (you)"},{" "}
          </>
        )}
        {plural(alert.count, "event")}
        {alert.lastMs !== undefined && `, last ${span(nowMs.value - alert.lastMs)} ago`}
        {alert.acknowledgedBy !== undefined &&
          `, acknowledged by ${visible(alert.acknowledgedBy, 40)}`}
      </p>
      {isOwn(alert) && !isDone && <p class="hint">{ownWords(alert)}</p>}
      <div class="row-operations">
        {!isDone && alert.acknowledgedBy === undefined && (
          <Do operation={acknowledge(alert.id, alert.title)} letter="a">
            Acknowledge
          </Do>
        )}
        {!isDone && alert.rule !== "A13" && alert.rule !== "A14" && (
          <Do operation={silence(alert.id, alert.rule, alert.key)} letter="s">
            Silence
          </Do>
        )}
        <button
          type="button"
          aria-expanded={isOpen.value}
          onClick={() => (isOpen.value = !isOpen.value)}
        >
          Details
        </button>
      </div>
      {isOpen.value && <Details alert={alert} />}
    </li>
  );
}

/** The name of a user, also before the list has it; other keys as they are. */
function nameOf(key: NonNullable<Alert["key"]>): string {
  const own = session.value?.user;
  if (key.kind === "code") return inWords(codeWords(key.value, recordTexts.value));
  return key.name ?? (own?.id === key.value ? own.username : key.value);
}

const isOwn = (alert: Alert) => isAbout(alert, session.value?.user.id);

/** Own sign-ins and changes raise alerts too: others have to see them. */
function ownWords(alert: Alert): string {
  const what = alert.rule === "A14" ? "Your own changes raise this alert" : "This is your account";
  return `${what}. If it was not you, let another administrator end your sessions.`;
}

function Details({ alert }: { alert: Alert }) {
  const now = nowMs.value;
  return (
    <dl class="details">
      <dt>State</dt>
      <dd>
        {visible(alert.state)}
        {alert.reopened > 0 && `, reopened ${plural(alert.reopened, "time")}`}
      </dd>
      <dt>First, last</dt>
      <dd>
        {moment(alert.firstMs, now)}, {moment(alert.lastMs, now)}
      </dd>
      {alert.thresholds.length > 0 && (
        <>
          <dt>Fires at</dt>
          <dd>
            <Thresholds thresholds={alert.thresholds} />
          </dd>
        </>
      )}
      {[...alert.distinct].map(([what, n]) => (
        <>
          <dt>{distinctWords(what)}</dt>
          <dd>{count(n)}</dd>
        </>
      ))}
      <dt>Evidence</dt>
      <dd>
        {alert.evidence.slice(0, 8).map(({ ref, sequence }) =>
          ref === undefined ? (
            <span key={sequence}>record {sequence} </span>
          ) : (
            <button key={ref} class="small" type="button" onClick={() => lookUp(ref)}>
              {visible(ref, 16)}
            </button>
          ),
        )}
        {alert.evidence.length === 0 && "none"}
      </dd>
    </dl>
  );
}

/** All thresholds of the rule; those that were reached are marked in words. */
function Thresholds({ thresholds }: { thresholds: readonly Threshold[] }) {
  const severities = new Set(thresholds.map(({ severity }) => severity));
  return (
    <>
      <ul class="thresholds">
        {thresholds.map((one) => (
          <li key={one.words}>
            {one.reached && <span class="badge reached">reached</span>} {thresholdWords(one)}
            {severities.size > 1 && one.severity !== undefined && (
              <span class="hint"> ({visible(one.severity, 20)})</span>
            )}
          </li>
        ))}
      </ul>
      {thresholds.every(({ reached }) => !reached) && (
        <p class="hint">None of these was reached: a check of the server raised the alert.</p>
      )}
    </>
  );
}

function Silences() {
  return (
    <>
      <h3>Silences</h3>
      <ul class="rows">
        {silences.value.map((one) => (
          <li key={one.id} class="row">
            <p class="row-facts">
              {visible(
                [one.rule, one.key, one.severity].filter(Boolean).join(", ") || "all alerts",
              )}{" "}
              until {moment(one.untilMs, nowMs.value)}, by <Text>{one.by}</Text>:{" "}
              <Text>{one.reason}</Text>
            </p>
            <Do operation={unsilence(one.id)}>End the silence</Do>
          </li>
        ))}
      </ul>
    </>
  );
}
