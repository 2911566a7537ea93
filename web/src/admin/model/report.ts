// The report of the regular audit.
// Never: a check without its id, or a finding without its text.
import { number, object, readList, text, texts, time } from "./read";

export type CheckResult = "ok" | "not_checked" | "warning" | "critical";

export interface Finding {
  key: string;
  severity: "warning" | "critical";
  found: string;
  remedy: string;
}

export interface Check {
  id: string;
  title: string;
  result: CheckResult;
  facts: readonly string[];
  findings: readonly Finding[];
  notChecked: readonly string[];
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

export function resultWord(result: CheckResult): string {
  return WORDS[result];
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
  return {
    id,
    title: text(fields["title"]) ?? id,
    result,
    facts: texts(fields["facts"]),
    findings: readList(fields["findings"], readFinding),
    notChecked: texts(fields["not_checked"]),
  };
}

function readFinding(value: unknown): Finding | undefined {
  const fields = object(value);
  const key = text(fields["key"]);
  const found = text(fields["found"]);
  if (key === undefined || found === undefined) return undefined;
  const severity = fields["severity"] === "critical" ? "critical" : "warning";
  return { key, severity, found, remedy: text(fields["remedy"]) ?? "" };
}
