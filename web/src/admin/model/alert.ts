// Alerts and silences, as the server sends them.
// Never: text of a client as anything but text.
import { number, numbers, object, readList, text, textAt, time } from "./read";
import { count, span, visible } from "./words";

export const SEVERITIES = ["critical", "high", "medium", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Evidence {
  sequence: number | undefined;
  ref: string | undefined;
}

/** A threshold of the rule of an alert. */
export interface Threshold {
  /** What it counts, or the state that it reports. */
  words: string;
  /** Missing for a threshold that does not count. */
  count: number | undefined;
  windowS: number | undefined;
  severity: string | undefined;
  /** Whether it was reached since the alert fired. */
  reached: boolean;
}

export interface Alert {
  id: string;
  rule: string;
  title: string;
  severity: Severity;
  state: string;
  /** `name` is that of a user; the lists of the server have it. */
  key: { kind: string; value: string; name: string | undefined } | undefined;
  count: number;
  distinct: ReadonlyMap<string, number>;
  /** All thresholds of the rule, in their order. */
  thresholds: readonly Threshold[];
  firstMs: number | undefined;
  lastMs: number | undefined;
  reopened: number;
  acknowledgedBy: string | undefined;
  evidence: readonly Evidence[];
}

export interface Silence {
  id: string;
  rule: string | undefined;
  key: string | undefined;
  severity: string | undefined;
  untilMs: number | undefined;
  reason: string;
  by: string;
}

export function readAlert(value: unknown): Alert | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  const rule = text(fields["rule"]);
  const severity = SEVERITIES.find((name) => name === fields["severity"]);
  if (id === undefined || rule === undefined || severity === undefined) return undefined;
  const kind = textAt(fields, "key.kind");
  const keyed = textAt(fields, "key.value");
  return {
    id,
    rule,
    severity,
    title: text(fields["title"]) ?? rule,
    state: text(fields["state"]) ?? "firing",
    key:
      kind === undefined || keyed === undefined
        ? undefined
        : { kind, value: keyed, name: textAt(fields, "key.name") },
    count: number(fields["count"]) ?? 0,
    distinct: numbers(fields["distinct"]),
    thresholds: readList(fields["thresholds"], readThreshold),
    firstMs: time(fields["first"]),
    lastMs: time(fields["last"]),
    reopened: number(fields["reopened"]) ?? 0,
    acknowledgedBy: readAcknowledged(fields["acknowledged"]),
    evidence: readList(fields["evidence"], readEvidence),
  };
}

function readAcknowledged(value: unknown): string | undefined {
  if (value === null || value === undefined || value === false) return undefined;
  return text(value) ?? textAt(value, "by.name") ?? textAt(value, "by") ?? "an administrator";
}

function readThreshold(value: unknown): Threshold | undefined {
  const fields = object(value);
  const words = text(fields["text"]);
  if (words === undefined) return undefined;
  return {
    words,
    count: number(fields["count"]),
    windowS: number(fields["window_s"]),
    severity: text(fields["severity"]),
    reached: fields["reached"] === true,
  };
}

/** A threshold in words: `10 in 10 min: failed logins to one user name`. */
export function thresholdWords({ words, count: events, windowS }: Threshold): string {
  const what = visible(words, 160);
  return events === undefined || windowS === undefined
    ? what
    : `${count(events)} in ${span(windowS * 1000)}: ${what}`;
}

function readEvidence(value: unknown): Evidence | undefined {
  const fields = object(value);
  const evidence = { sequence: number(fields["sequence"]), ref: text(fields["ref"]) };
  return evidence.sequence === undefined && evidence.ref === undefined ? undefined : evidence;
}

export function readSilence(value: unknown): Silence | undefined {
  const fields = object(value);
  const id = text(fields["id"]) ?? number(fields["id"])?.toString();
  if (id === undefined) return undefined;
  return {
    id,
    rule: text(fields["rule"]),
    key: text(fields["key"]) ?? textAt(fields, "key.value"),
    severity: text(fields["severity"]),
    untilMs: time(fields["until"]),
    reason: text(fields["reason"]) ?? "",
    by: text(fields["by"]) ?? textAt(fields, "by.name") ?? "",
  };
}

/** Whether the alert is about the account of a user. */
export function isAbout(alert: Alert, user: string | undefined): boolean {
  return alert.key?.kind === "user" && alert.key.value === user;
}

/**
 * Open alerts: the most severe first, then the newest. Those about the reader's own account, such as
 * the present sign-in, come after the others.
 */
export function inOrder(alerts: readonly Alert[], reader?: string): Alert[] {
  const own = (alert: Alert) => (isAbout(alert, reader) ? 1 : 0);
  const rank = (alert: Alert) => SEVERITIES.indexOf(alert.severity);
  const done = (alert: Alert) => (alert.state === "resolved" ? 1 : 0);
  const noticed = (alert: Alert) => (alert.acknowledgedBy === undefined ? 0 : 1);
  return [...alerts].sort(
    (a, b) =>
      done(a) - done(b) ||
      noticed(a) - noticed(b) ||
      own(a) - own(b) ||
      rank(a) - rank(b) ||
      (b.lastMs ?? 0) - (a.lastMs ?? 0),
  );
}
