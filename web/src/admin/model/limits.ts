// The limits of an address or a user, and the used part of each.
// Never: a limit without its name.
import { number, object, readList, text } from "./read";

export interface LimitRow {
  limit: string;
  /** What it counts, in words. */
  words: string;
  /** The key of the configuration. */
  key: string;
  used: number;
  of: number;
  periodMs: number;
  waitMs: number;
  /** Whether the limit only counts, and rejects nothing. */
  observed: boolean;
}

/** The limits of a user, or of one of the prefixes of an address. */
export interface LimitGroup {
  title: string;
  limits: readonly LimitRow[];
}

/** The connections that a network holds, by the members of the answer. */
const HELD = [
  ["http", "open for HTTP requests"],
  ["pre_auth", "without a login"],
  ["authenticated", "of signed-in users"],
] as const;

/** The answer for a user has one group; the one for an address has one for each prefix. */
export function readLimits(answer: unknown): LimitGroup[] {
  const fields = object(answer);
  const prefixes = readList(fields["prefixes"], object);
  if (prefixes.length === 0) {
    const open = number(fields["connections"]) ?? 0;
    return [{ title: `Open connections: ${open}`, limits: readList(fields["limits"], readLimit) }];
  }
  return prefixes.map((prefix, index) => {
    const held = object(prefix["held"]);
    const counts = HELD.map(([member, words]) => `${number(held[member]) ?? 0} ${words}`);
    const name = index === 0 ? "The network of the address" : "The wider network";
    return {
      title: `${name}; connections: ${counts.join(", ")}`,
      limits: readList(prefix["limits"], readLimit),
    };
  });
}

function readLimit(value: unknown): LimitRow | undefined {
  const fields = object(value);
  const limit = text(fields["limit"]);
  if (limit === undefined) return undefined;
  const event = text(fields["event"]);
  const words = text(fields["text"]) ?? limit;
  return {
    limit,
    words: event === undefined ? words : `${words}: ${event}`,
    key: text(fields["key"]) ?? limit,
    used: number(fields["used"]) ?? 0,
    of: number(fields["of"]) ?? 0,
    periodMs: number(fields["period_ms"]) ?? 0,
    waitMs: number(fields["wait_ms"]) ?? 0,
    observed: fields["observed"] === true,
  };
}
