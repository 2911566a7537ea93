// The state of the server in one word and a sign, with its reason; live or stale.
// Never: a state by colour alone.
import { signal } from "@preact/signals";
import { link } from "../../session_state";
import { sentence } from "../../refusal";
import { pin, unpin } from "../live/operations";
import { mayChange, nowMs, overview, receivedMs, seconds, stale } from "../live/state";
import { LEVELS, type Level, type Overview } from "../model/overview";
import {
  clock,
  count,
  levelMeaning,
  levelWord,
  moment,
  plural,
  sentenceCase,
  span,
  visible,
} from "../model/words";
import { Do } from "./list";

const SIGNS: Readonly<Record<Level, string>> = {
  normal: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1.5 14.5-4-4L8 11l2.5 2.5L16 8l1.5 1.5z",
  elevated: "M12 3 22 21H2zM11 10v5h2v-5zm0 6.5v2h2v-2z",
  shedding: "M12 1 23 12 12 23 1 12zM11 6v8h2V6zm0 9.5v2h2v-2z",
  critical: "M8 2h8l6 6v8l-6 6H8l-6-6V8zM11 6v8h2V6zm0 9.5v2h2v-2z",
};

/** On a phone, whether the bar has all its parts; a desk always shows them. */
const isLong = signal(false);

export function StateBar() {
  const state = overview.value;
  if (state === undefined) return <Waiting />;
  const old = stale.value || link.value.state !== "online";
  const classes = [
    "bar",
    state.state,
    ...(old ? ["stale"] : []),
    ...(isLong.value ? ["long"] : []),
  ];
  return (
    <section class={classes.join(" ")} aria-label="State of the server">
      <svg class="sign" viewBox="0 0 24 24" aria-hidden="true">
        <path d={SIGNS[state.state]} fill="currentColor" fill-rule="evenodd" />
      </svg>
      <div class="state">
        <h1>{levelWord(state.state)}</h1>
        <p>
          {state.sinceMs !== undefined && `Since ${moment(state.sinceMs, nowMs.value)}. `}
          {cause(state)}
          {state.pinned !== undefined && ` Pinned by an operator${until(state.pinned.untilMs)}.`}
        </p>
        <p class="hint meaning">{levelMeaning(state.state)}</p>
        <Pin isPinned={state.pinned !== undefined} />
      </div>
      <Facts state={state} />
      <p class={old ? "freshness old" : "freshness"}>
        {old
          ? `Stale: values of ${clock(receivedMs.value)}. ${lost()}`
          : `Live, ${clock(state.atMs)}`}
      </p>
      <button
        class="more quiet"
        type="button"
        aria-expanded={isLong.value}
        onClick={() => (isLong.value = !isLong.value)}
      >
        {isLong.value ? "Less" : "More"}
      </button>
    </section>
  );
}

/** The load level can be pinned, and the pin ended. */
function Pin({ isPinned }: { isPinned: boolean }) {
  if (!mayChange.value) return null;
  return (
    <details class="pin">
      <summary>Pin the load level</summary>
      <div class="row-operations">
        <p class="hint">
          The server then keeps a level, whatever it measures. It is rarely needed: for a test, or
          before an event that brings many users.
        </p>
        {LEVELS.map((level) => (
          <Do key={level} operation={pin(level, levelWord(level))}>
            {levelWord(level)}
          </Do>
        ))}
        {isPinned && <Do operation={unpin}>End the pin</Do>}
      </div>
    </details>
  );
}

/** Rejections a second in the last ten seconds, as in the sentence about an attack. */
function recent(): number {
  const values = seconds.value?.series.get("rejected")?.slice(-10) ?? [];
  const known = values.filter((value) => value !== null);
  return known.reduce((sum, value) => sum + value, 0) / Math.max(1, known.length);
}

/** Why the level changed; the values are those of that moment. */
function cause({ state, why }: Overview): string {
  if (why === "") return "";
  const words = visible(why, 160);
  return state === "normal" ? `${sentenceCase(words)}.` : `Cause at that time: ${words}.`;
}

function until(ms: number | undefined): string {
  return ms === undefined ? "" : ` until ${moment(ms, nowMs.value)}`;
}

function lost(): string {
  if (link.value.state === "waiting") return sentence(link.value.refusal);
  return link.value.state === "online" ? "The server sends nothing." : "The connection is lost.";
}

function Waiting() {
  const words = link.value.state === "waiting" ? sentence(link.value.refusal) : "Connecting…";
  return (
    <section class="bar" aria-label="State of the server">
      <h1 class="state">{words}</h1>
    </section>
  );
}

function Facts({ state }: { state: Overview }) {
  const failing = state.channels.filter((channel) => channel.state === "failing");
  return (
    <dl class="facts">
      <div>
        <dt>Answered in time</dt>
        <dd>{state.answeredPercent === undefined ? "–" : `${count(state.answeredPercent)} %`}</dd>
        <dd class="hint">
          {state.ackP99Ms === undefined ? "" : `99 % within ${count(state.ackP99Ms)} ms`}
        </dd>
      </div>
      <div>
        <dt>Connections</dt>
        <dd>{count(state.signedIn + state.unauthenticated)}</dd>
        <dd class="hint">
          of {count(state.of)}
          {state.waiting > 0 && `, ${count(state.waiting)} wait for a slot`}
        </dd>
      </div>
      <div>
        <dt>Rejections, last 10 s</dt>
        <dd>{count(recent())}/s</dd>
        <dd class="hint">{plural(state.usersRejected, "signed-in user")} rejected in 5 min</dd>
      </div>
      <div>
        <dt>Log signed until</dt>
        <dd>{state.log.noteAtMs === undefined ? "–" : clock(state.log.noteAtMs)}</dd>
        <dd class="hint">
          {state.log.state === "ok"
            ? `record ${state.log.sequence ?? "–"}`
            : `state: ${visible(state.log.state)}`}
          {state.log.lost > 0 && `, ${plural(state.log.lost, "record")} lost`}
          {state.log.noteAtMs !== undefined &&
            nowMs.value - state.log.noteAtMs > 180_000 &&
            `, ${span(nowMs.value - state.log.noteAtMs)} ago`}
        </dd>
      </div>
      {failing.length > 0 && (
        <div class="failing">
          <dt>Alert channels</dt>
          <dd>{failing.map((channel) => visible(channel.name)).join(", ")} failing</dd>
        </div>
      )}
    </dl>
  );
}
