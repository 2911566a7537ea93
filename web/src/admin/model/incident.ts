// A summary of what happens, as plain text for a chat or a ticket. Times are in UTC.
// Never: a text of a client that is a link, a mention or another line where it is pasted.
import type { Alert } from "./alert";
import type { EventRow } from "./event";
import type { Overview } from "./overview";
import { textAt } from "./read";
import type { Affected, Offender } from "./rows";
import { count, levelWord, plural, visible } from "./words";

export interface IncidentFacts {
  /** The name of the server in the address of the page. */
  host: string;
  overview: Overview;
  offenders: readonly Offender[];
  affected: readonly Affected[];
  alerts: readonly Alert[];
  /** Records of operations, newest first; none if the log could not be searched. */
  operations: readonly EventRow[] | undefined;
}

const LINES_MAX = 5;
const OPERATIONS_MAX = 10;
const REFERENCES_MAX = 8;
/** An operation this long before the beginning belongs to the incident. */
const BEFORE_MS = 60_000;
/** Without a beginning, the time before now that is summarised. */
const HOUR_MS = 3_600_000;

/** When the incident began, by what the server reports. */
export function beginningOf({ happening, sinceMs, state, atMs }: Overview): number {
  const level = state === "normal" ? undefined : sinceMs;
  const known = [happening?.sinceMs, level].filter((ms) => ms !== undefined);
  return known.length === 0 ? atMs - HOUR_MS : Math.min(...known);
}

export function incidentText(facts: IncidentFacts): string {
  const { overview, host } = facts;
  const why = overview.why === "" ? "" : `: ${plain(overview.why, 160)}`;
  const since = overview.sinceMs === undefined ? "" : ` since ${utc(overview.sinceMs)}`;
  const happening = overview.happening;
  const sections = [
    `Summary of ${plain(host)}, ${utc(overview.atMs)}`,
    `State: ${levelWord(overview.state)} (${overview.state})${since}${why}`,
    `What: ${happening === undefined ? "No attack is seen." : plain(happening.text, 600)}`,
    ...(happening?.sinceMs === undefined ? [] : [`Since: ${utc(happening.sinceMs)}`]),
    list("From", sources(facts.offenders)),
    list("Affected", affectedLines(facts)),
    list("Done", operationLines(facts), OPERATIONS_MAX + 1),
    list("Alerts", alertLines(facts.alerts)),
    `References: ${references(facts).join(", ") || "none"}`,
  ];
  return `${sections.join("\n")}\n`;
}

function list(title: string, lines: readonly string[], most = LINES_MAX): string {
  if (lines.length === 0) return `${title}: none`;
  const shown = lines.slice(0, most).map((line) => `- ${line}`);
  const more = lines.length - shown.length;
  return [`${title}:`, ...shown, ...(more === 0 ? [] : [`- ${count(more)} more`])].join("\n");
}

const KINDS: Readonly<Record<string, string>> = {
  prefix: "network",
  user: "user",
  origin: "pages of",
};

function sources(offenders: readonly Offender[]): string[] {
  const of = offenders.filter(({ kind }) => kind !== "rule");
  return of.map(({ kind, value, name, rejected, rule, ruleText, blockedUntilMs }) => {
    const what = rule === undefined ? "" : `: ${ruleWords(rule, ruleText)}`;
    const block = blockedUntilMs === undefined ? "" : `; blocked until ${utc(blockedUntilMs)}`;
    const source = `${KINDS[kind] ?? plain(kind, 20)} ${plain(name ?? value)}`;
    return `${source}, ${count(rejected)} rejected in 5 minutes${what}${block}`;
  });
}

function affectedLines({ overview, affected }: IncidentFacts): string[] {
  const { signedIn, unauthenticated, of, waiting, answeredPercent } = overview;
  const connections = `${count(signedIn + unauthenticated)} of ${count(of)} connections`;
  const waits = waiting === 0 ? "" : `, ${count(waiting)} wait`;
  const answered =
    answeredPercent === undefined ? "" : `; ${count(answeredPercent)} % answered in time`;
  const users = affected.map(
    ({ name, rejected, rule, ruleText }) =>
      `user ${plain(name)}, ${plural(rejected, "rejection")}: ${ruleWords(rule, ruleText)}`,
  );
  return [
    `${plural(overview.usersRejected, "user")} rejected in 5 minutes`,
    `${connections}${waits}${answered}`,
    ...users,
  ];
}

function operationLines(facts: IncidentFacts): string[] {
  if (facts.operations === undefined) return ["unknown: the security log could not be searched"];
  const fromMs = beginningOf(facts.overview) - BEFORE_MS;
  const during = facts.operations.filter(({ atMs }) => atMs !== undefined && atMs >= fromMs);
  const earlier = during.length - OPERATIONS_MAX;
  const newest = during.slice(0, OPERATIONS_MAX).reverse().map(operationLine);
  return earlier > 0 ? [`${count(earlier)} earlier`, ...newest] : newest;
}

function operationLine({ atMs, user, record }: EventRow): string {
  const label = (name: string) => textAt(record, `labels.${name}`);
  const what = plain(textAt(record, "event.action") ?? "an operation", 40);
  const target = label("address") ?? textAt(record, "user.target.name") ?? "";
  const scope = label("scope") === "all" ? " (all clients)" : "";
  const until = label("until");
  const end = until === undefined ? "" : ` until ${utc(Date.parse(until))}`;
  const by = plain(user ?? "an operator at the machine");
  const reason = label("stated_reason");
  const stated = reason === undefined ? "" : `: ${plain(reason, 200)}`;
  const on = target === "" ? "" : ` ${plain(target)}`;
  return `${utc(atMs)} ${what}${on}${scope}${end}, by ${by}${stated}`;
}

function alertLines(alerts: readonly Alert[]): string[] {
  return alerts.map((alert) => {
    const key =
      alert.key === undefined
        ? ""
        : `, ${plain(alert.key.kind, 20)} ${plain(alert.key.name ?? alert.key.value)}`;
    const noticed =
      alert.acknowledgedBy === undefined ? "" : `, acknowledged by ${plain(alert.acknowledgedBy)}`;
    const events = plural(alert.count, "event");
    const times = `from ${utc(alert.firstMs)} to ${utc(alert.lastMs)}`;
    const state = alert.state === "resolved" ? "resolved" : alert.severity;
    return `${state} ${alert.rule} ${plain(alert.title)}${key}, ${events} ${times}${noticed}`;
  });
}

function references({ alerts, operations }: IncidentFacts): string[] {
  const evidence = alerts.flatMap((alert) => alert.evidence.map(({ ref }) => ref));
  const all = [...evidence, ...(operations ?? []).map(({ ref }) => ref)];
  const known = all.filter((ref) => ref !== undefined).map((ref) => plain(ref, 16));
  return [...new Set(known)].slice(0, REFERENCES_MAX);
}

function ruleWords(rule: string, ruleText: string | undefined): string {
  const name = plain(rule, 40);
  return ruleText === undefined || ruleText === rule ? name : `${plain(ruleText)} (${name})`;
}

/** A text that stays a text in a chat: on one line, no link, no mention. */
export function plain(text: string, most?: number): string {
  return visible(text, most)
    .replaceAll("://", ": //")
    .replace(/www\./gi, "www .")
    .replaceAll("@", "@ ");
}

/** Date and time with seconds, in UTC. */
export function utc(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return "an unknown time";
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
