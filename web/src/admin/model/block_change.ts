// A block that began, changed or ended.
// Never: a change without its time and network.
import { object, text, time } from "./read";
import { visible } from "./words";

const KINDS = ["blocked", "rescoped", "removed", "ended"] as const;
export type ChangeKind = (typeof KINDS)[number];

export interface BlockChange {
  atMs: number;
  change: ChangeKind;
  prefix: string;
  scope: string;
}

/** Changes that the page keeps, as the server does. */
const CHANGES_MAX = 64;

export function readBlockChange(value: unknown): BlockChange | undefined {
  const fields = object(value);
  const atMs = time(fields["at"]);
  const change = KINDS.find((name) => name === fields["change"]);
  const prefix = text(fields["prefix"]);
  if (atMs === undefined || change === undefined || prefix === undefined) return undefined;
  return { atMs, change, prefix, scope: text(fields["scope"]) ?? "" };
}

/** The changes with newer ones, oldest first; the same array where nothing is new. */
export function withChanges(
  known: readonly BlockChange[],
  news: readonly BlockChange[],
): readonly BlockChange[] {
  const key = ({ atMs, change, prefix }: BlockChange) => `${atMs} ${change} ${prefix}`;
  const keys = new Set(known.map(key));
  const added = news.filter((one) => !keys.has(key(one)));
  if (added.length === 0) return known;
  return [...known, ...added].sort((a, b) => a.atMs - b.atMs).slice(-CHANGES_MAX);
}

/** A change in words, without its time. */
export function changeWords({ change, prefix, scope }: BlockChange): string {
  const network = visible(prefix);
  const clients = scope === "all" ? "all clients" : "unauthenticated clients";
  switch (change) {
    case "blocked":
      return `${network} blocked (${clients})`;
    case "rescoped":
      return `the block of ${network} now concerns ${clients}`;
    case "removed":
      return `the block of ${network} removed`;
    case "ended":
      return `the block of ${network} ended`;
  }
}
