// The content of a reference: the rule and the time, also of a rejection without a record.
// Never: the client that was rejected; only a record says that.
import { defined, fieldsOf, number, text, time } from "./read";
import { span } from "./words";

export interface Reference {
  rule: string;
  /** What the rule rejects. */
  ruleText?: string;
  atMs?: number;
  meaning: string;
  retry: string;
  retryAfterMs?: number;
}

export function readReference(value: unknown): Reference | undefined {
  const fields = fieldsOf(value);
  const rule = text(fields?.["rule"]);
  if (fields === undefined || rule === undefined) return undefined;
  return defined<Reference>({
    rule,
    ruleText: text(fields["rule_text"]),
    atMs: time(fields["at"]),
    meaning: text(fields["meaning"]) ?? "",
    retry: text(fields["retry"]) ?? "",
    retryAfterMs: number(fields["retry_after_ms"]),
  });
}

/** Whether another attempt of the client makes sense. */
export function retryWords({ retry, retryAfterMs }: Reference): string {
  if (retry === "never") return "The same request is rejected again.";
  if (retryAfterMs !== undefined) return `The client can try again after ${span(retryAfterMs)}.`;
  return "The client can try again after the time in its error.";
}
