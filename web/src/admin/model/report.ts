// The report of the regular audit.
// Never: a check without its id, or a finding without its text.
import { number, object, readList, text, texts, time } from "./read";

export type CheckResult = "ok" | "not_checked" | "warning" | "critical";

export interface Finding {
  key: string;
  severity: "warning" | "critical";
  found: string;
  remedy: string;
  /** Why the operator accepts it, and until when. */
  accepted?: { reason: string; until: string };
}

export interface Check {
  id: string;
  title: string;
  result: CheckResult;
  facts: readonly string[];
  findings: readonly Finding[];
  notChecked: readonly string[];
  /** Keys of findings for which the report has no space. */
  hidden: readonly string[];
  hiddenCount: number;
}

export interface Report {
  atMs?: number;
  /** What needs care first. */
  checks: readonly Check[];
}

const ORDER: readonly CheckResult[] = ["critical", "warning", "not_checked", "ok"];

const WORDS: Record<CheckResult, string> = {
  ok: "✓ ok",
  not_checked: "? not checked",
  warning: "! warning",
  critical: "‼ critical",
};

/** The result in words; a part that could not be checked is named. */
export function resultWord({ result, notChecked }: Check): string {
  const isPartial = result !== "not_checked" && notChecked.length > 0;
  return isPartial ? `${WORDS[result]} (partly checked)` : WORDS[result];
}

/** The failure of the last run: the report is that of an earlier one. */
export function readFailure(value: unknown): string | undefined {
  const fields = object(value);
  const why = text(fields["why"]);
  return why === undefined ? undefined : `${text(fields["at"]) ?? ""}: ${why}`;
}

export function readReport(value: unknown): Report | undefined {
  const fields = object(value);
  const checks = readList(fields["checks"], readCheck);
  if (checks.length === 0) return undefined;
  const rank = ({ result }: Check) => ORDER.indexOf(result);
  const atMs = time(fields["at"]) ?? number(fields["unix_ms"]);
  const sorted = [...checks].sort((one, other) => rank(one) - rank(other));
  return atMs === undefined ? { checks: sorted } : { atMs, checks: sorted };
}

function readCheck(value: unknown): Check | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  const result = ORDER.find((known) => known === fields["result"]);
  if (id === undefined || result === undefined) return undefined;
  const hidden = readList(fields["hidden"], (one) => text(object(one)["key"]));
  return {
    id,
    title: text(fields["title"]) ?? id,
    result,
    facts: texts(fields["facts"]),
    findings: readList(fields["findings"], readFinding),
    notChecked: texts(fields["not_checked"]),
    hidden,
    hiddenCount: hidden.length + (number(fields["uncounted"]) ?? 0),
  };
}

function readFinding(value: unknown): Finding | undefined {
  const fields = object(value);
  const key = text(fields["key"]);
  const found = text(fields["found"]);
  if (key === undefined || found === undefined) return undefined;
  const severity = fields["severity"] === "critical" ? "critical" : "warning";
  const finding = { key, severity, found, remedy: text(fields["remedy"]) ?? "" } as const;
  const accepted = object(fields["accepted"]);
  const reason = text(accepted["reason"]);
  if (reason === undefined) return finding;
  return { ...finding, accepted: { reason, until: text(accepted["until"]) ?? "" } };
}
