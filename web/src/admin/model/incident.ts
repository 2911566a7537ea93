// A summary of what happens, as plain text for a chat or a ticket. Times are in UTC.
// Never: a text of a client that is a link, a mention or another line where it is pasted.
import type { Alert } from "./alert";
import { readEvent, type EventRow } from "./event";
import { doneWords, endOf, targetOf } from "./operation_record";
import type { Overview } from "./overview";
import { readList, textAt, type Json } from "./read";
import type { Affected, Offender } from "./rows";
import { count, levelWord, plural, visible } from "./words";

export interface IncidentFacts {
  /** The name of the server in the address of the page. */
  host: string;
  overview: Overview;
  offenders: readonly Offender[];
  affected: readonly Affected[];
  alerts: readonly Alert[];
  /** None if the log could not be searched. */
  operations: FoundOperations | undefined;
}

/** Records of operations, as a search found them. */
export interface FoundOperations {
  /** Newest first. */
  rows: readonly EventRow[];
  /** Whether the search ended before the beginning. */
  more: boolean;
}

const LINES_MAX = 5;
/** Operations that are read, and the newest of them, which are listed. */
const OPERATIONS_READ_MAX = 20;
const OPERATIONS_LISTED_MAX = 10;
const REFERENCES_MAX = 8;
/** The records of what administrators and operators change. */
const OPERATION_CODES = [
  "authz_admin",
  "privilege_permissions_changed",
  "alert_silenced",
  "alert_acknowledged",
  "sys_reload",
] as const;
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

/** The search for the operations: what `admin:events` gets. */
export function operationSearch(overview: Overview): Json {
  const since = new Date(beginningOf(overview) - BEFORE_MS).toISOString();
  return { filter: { code: OPERATION_CODES, since }, limit: OPERATIONS_READ_MAX };
}

export function readOperations(answer: Json): FoundOperations {
  return { rows: readList(answer["events"], readEvent), more: answer["more"] === true };
}

export function incidentText(facts: IncidentFacts): string {
  const { overview, host } = facts;
  const why = overview.why === "" ? "" : `: ${sentence(overview.why, 160)}`;
  const since = overview.sinceMs === undefined ? "" : ` since ${utc(overview.sinceMs)}`;
  const happening = overview.happening;
  const sections = [
    `Summary of ${visible(host)}, ${utc(overview.atMs)}`,
    `State: ${levelWord(overview.state)} (${overview.state})${since}${why}`,
    `What: ${happening === undefined ? "No attack is seen." : sentence(happening.text, 600)}`,
    ...(happening?.sinceMs === undefined ? [] : [`Since: ${utc(happening.sinceMs)}`]),
    list("From", sources(facts.offenders)),
    list("Affected", affectedLines(facts)),
    list("Done", operationLines(facts), OPERATIONS_LISTED_MAX + 1),
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
    const source = `${KINDS[kind] ?? plain(kind, 20)} ${party(kind, name ?? value)}`;
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

function operationLines({ overview, operations, alerts }: IncidentFacts): string[] {
  if (operations === undefined) return ["unknown: the security log could not be searched"];
  const fromMs = beginningOf(overview) - BEFORE_MS;
  const during = operations.rows.filter(({ atMs }) => atMs !== undefined && atMs >= fromMs);
  const listed = during.slice(0, OPERATIONS_LISTED_MAX).reverse();
  const lines = listed.map((row) => operationLine(row, alerts));
  const earlier = during.length - listed.length;
  if (operations.more && earlier === 0) {
    return ["earlier ones are unknown: the search of the security log ended early", ...lines];
  }
  if (earlier === 0) return lines;
  return [`${operations.more ? "at least " : ""}${count(earlier)} earlier`, ...lines];
}

function operationLine(row: EventRow, alerts: readonly Alert[]): string {
  const end = endOf(row.record);
  const until = end === undefined ? "" : end === "never" ? " without an end" : ` until ${utc(end)}`;
  const reason = textAt(row.record, "labels.stated_reason");
  const stated = reason === undefined ? "" : `: ${sentence(reason, 200)}`;
  return `${utc(row.atMs)} ${operationWords(row, alerts)}${until}${actor(row)}${stated}`;
}

function operationWords(row: EventRow, alerts: readonly Alert[]): string {
  const { code, message, record } = row;
  switch (code) {
    case "alert_acknowledged": {
      const id = textAt(record, "labels.alert") ?? "";
      const rule = alerts.find((alert) => alert.id === id)?.rule;
      return `acknowledged alert ${visible(rule ?? id, 20)}`;
    }
    case "alert_silenced": {
      const isEnd = textAt(record, "event.reason") === "unsilenced";
      const key = textAt(record, "labels.party");
      const about = key === undefined ? "" : ` for ${sentence(key)}`;
      return `${isEnd ? "ended" : "set"} ${sentence(message ?? "a silence", 120)}${about}`;
    }
    case "sys_reload": {
      const isFailed = textAt(record, "event.outcome") === "failure";
      const verb = isFailed ? "failed to reload" : "reloaded";
      return `${verb} the configuration: ${visible(message ?? "no details", 160)}`;
    }
    default: {
      const done = doneWords(row, (text) => plain(text));
      if (done !== undefined) return done;
      const on = targetOf(record, (text) => plain(text));
      const words = code === "authz_admin" ? "an operation" : "roles changed";
      return `${on === "" ? "" : `${on}: `}${sentence(message ?? words, 160)}`;
    }
  }
}

/** The words `by …`; empty where the message has them, as at the command line. */
function actor({ code, user, record }: EventRow): string {
  const reason = textAt(record, "event.reason");
  if (reason === "foreign_issuer") return ", by another issuer";
  if (reason === "beside_server") return ", by another program";
  if (user !== undefined) return `, by ${plain(user)}`;
  const isNamed = reason === "operator" && textAt(record, "event.action") === undefined;
  return isNamed || code === "sys_reload" ? "" : ", by an operator at the machine";
}

function alertLines(alerts: readonly Alert[]): string[] {
  return alerts.map((alert) => {
    const key =
      alert.key === undefined
        ? ""
        : `, ${plain(alert.key.kind, 20)} ${party(alert.key.kind, alert.key.name ?? alert.key.value)}`;
    const noticed =
      alert.acknowledgedBy === undefined ? "" : `, acknowledged by ${plain(alert.acknowledgedBy)}`;
    const events = plural(alert.count, "event");
    const times = `from ${utc(alert.firstMs)} to ${utc(alert.lastMs)}`;
    const state = alert.state === "resolved" ? "resolved" : alert.severity;
    return `${state} ${visible(alert.rule, 20)} ${sentence(alert.title)}${key}, ${events} ${times}${noticed}`;
  });
}

function references({ alerts, operations }: IncidentFacts): string[] {
  const evidence = alerts.flatMap((alert) => alert.evidence.map(({ ref }) => ref));
  const all = [...evidence, ...(operations?.rows ?? []).map(({ ref }) => ref)];
  const known = all.filter((ref) => ref !== undefined).map((ref) => plain(ref, 16));
  return [...new Set(known)].slice(0, REFERENCES_MAX);
}

function ruleWords(rule: string, ruleText: string | undefined): string {
  const name = visible(rule, 40);
  return ruleText === undefined || ruleText === rule ? name : `${visible(ruleText)} (${name})`;
}

/** A client as an offender or as the key of an alert; the server names networks. */
function party(kind: string, value: string): string {
  return kind === "prefix" ? visible(value) : plain(value);
}

/** A dot of a domain name, in each of its forms. */
const DOT = /[.\u3002\uFF0E\uFF61](?=[\p{L}\p{N}\p{S}_-])/gu;
/** The same, but not between digits: no top-level domain begins with a digit. */
const DOT_OF_DOMAIN =
  /[.\u3002\uFF0E\uFF61](?=[\p{L}\p{S}_-])|(?<!\p{N})[.\u3002\uFF0E\uFF61](?=\p{N})/gu;

/** A text of a client that stays a text in a chat: on one line, no link, no mention. */
export function plain(text: string, most?: number): string {
  return unlinked(visible(text, most), DOT);
}

/** A sentence that can contain texts of clients; its numbers and networks stay readable. */
export function sentence(text: string, most?: number): string {
  return unlinked(visible(text, most), DOT_OF_DOMAIN);
}

function unlinked(text: string, dot: RegExp): string {
  return text
    .replaceAll("://", ": //")
    .replaceAll("@", "@ ")
    .replace(dot, "[$&]")
    .replace(/\](?=\()|\[(?=~)/g, "$& ");
}

/** Date and time with seconds, in UTC. */
export function utc(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return "an unknown time";
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
