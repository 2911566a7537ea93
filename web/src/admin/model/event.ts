// A record of the security log, as the stream shows it.
// Never: more of a record than the server sent.
import { number, object, text, textAt, time, at, type Json } from "./read";

export interface EventRow {
  key: string;
  atMs: number | undefined;
  level: "info" | "warning" | "critical";
  code: string;
  rule: string | undefined;
  address: string | undefined;
  user: string | undefined;
  ref: string | undefined;
  /** The connection that the record is about; it can have ended since. */
  connection: string | undefined;
  message: string | undefined;
  record: Json;
}

let unnumbered = 0;

export function readEvent(value: unknown): EventRow | undefined {
  const record = object(value);
  const code = textAt(record, "event.code");
  if (code === undefined) return undefined;
  const level = textAt(record, "log.level");
  const sequence = number(at(record, "event.sequence"));
  return {
    key: sequence === undefined ? `n${(unnumbered += 1)}` : String(sequence),
    atMs: time(record["@timestamp"]),
    level: level === "critical" || level === "warning" ? level : "info",
    code,
    rule: textAt(record, "rule.name"),
    address: textAt(record, "source.ip"),
    user: textAt(record, "user.name") ?? textAt(record, "user.id"),
    ref: textAt(record, "trace.id"),
    connection: textAt(record, "labels.conn_id"),
    message: text(record["message"]),
    record,
  };
}

/** All members of a record with their paths, in order. */
export function flatten(value: unknown, path = ""): [string, string][] {
  if (typeof value !== "object" || value === null) return [[path, String(value)]];
  return Object.entries(value).flatMap(([name, member]) =>
    flatten(member, path === "" ? name : `${path}.${name}`),
  );
}
