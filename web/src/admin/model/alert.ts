// Alerts and silences, as the server sends them.
// Never: text of a client as anything but text.
import { number, numbers, object, readList, text, textAt, time } from "./read";

export const SEVERITIES = ["critical", "high", "medium", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Evidence {
  sequence: number | undefined;
  ref: string | undefined;
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
  threshold: { count: number | undefined; windowS: number | undefined };
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
  const threshold = object(fields["threshold"]);
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
    threshold: { count: number(threshold["count"]), windowS: number(threshold["window_s"]) },
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
