// The report of the doctor.
// Never: a check that was not run shown as passed.
import { object, readList, text, time } from "./read";

export interface Finding {
  id: string;
  severity: string;
  title: string;
  detail: string;
  remedy: string;
  sinceMs: number | undefined;
}

export interface Check {
  id: string;
  title: string;
  result: "ok" | "warning" | "critical" | "not_checked";
  detail: string;
}

export interface Report {
  atMs: number | undefined;
  findings: readonly Finding[];
  checks: readonly Check[];
}

export function readReport(value: unknown): Report {
  const fields = object(value);
  return {
    atMs: time(fields["at"]),
    findings: readList(fields["findings"], readFinding),
    checks: readList(fields["checks"], readCheck),
  };
}

function readFinding(value: unknown): Finding | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  if (id === undefined) return undefined;
  return {
    id,
    severity: text(fields["severity"]) ?? "warning",
    title: text(fields["title"]) ?? id,
    detail: text(fields["detail"]) ?? "",
    remedy: text(fields["remedy"]) ?? "",
    sinceMs: time(fields["since"]),
  };
}

function readCheck(value: unknown): Check | undefined {
  const fields = object(value);
  const id = text(fields["id"]);
  if (id === undefined) return undefined;
  const result = (["ok", "warning", "critical"] as const).find((word) => word === fields["result"]);
  return {
    id,
    title: text(fields["title"]) ?? id,
    result: result ?? "not_checked",
    detail: text(fields["detail"]) ?? "",
  };
}
