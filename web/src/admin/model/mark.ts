// Changes of blocks as marks in charts.
// Never: a mark outside of the period of its chart.
import { changeWords, type BlockChange, type ChangeKind } from "./block_change";
import { lengthOf, type Timeline } from "./timeline";
import { clock, plural } from "./words";

/** Changes that the text of a chart names. */
const NAMED_MAX = 3;

/** A mark of a chart: a moment of its time line. */
export interface Mark {
  index: number;
  change: BlockChange;
}

/** The changes in the period of a time line. The newest value can be older than a change. */
export function marksOf(timeline: Timeline, changes: readonly BlockChange[]): Mark[] {
  const length = lengthOf(timeline);
  return changes.flatMap((change) => {
    const index = Math.round((change.atMs - timeline.fromMs) / (timeline.stepS * 1000));
    return index < 0 || length === 0 ? [] : [{ index: Math.min(index, length - 1), change }];
  });
}

const LABELS: Readonly<Record<ChangeKind, string>> = {
  blocked: "Block",
  rescoped: "Block changed",
  removed: "Block removed",
  ended: "Block ended",
};

/** The short label of marks that are drawn at one place. */
export function markLabel(marks: readonly Mark[]): string {
  const [first] = marks;
  if (first === undefined) return "";
  if (marks.length === 1) return LABELS[first.change.change];
  const isNew = marks.every(({ change }) => change.change === "blocked");
  return plural(
    marks.length,
    isNew ? "block" : "change of blocks",
    isNew ? "blocks" : "changes of blocks",
  );
}

/** Groups of marks whose labels would overlap, each at the position of its first mark. */
export function groupMarks(
  marks: readonly Mark[],
  x: (index: number) => number,
  apart: number,
): { x: number; marks: Mark[] }[] {
  const groups: { x: number; marks: Mark[] }[] = [];
  for (const mark of marks) {
    const last = groups.at(-1);
    const here = x(mark.index);
    if (last !== undefined && here - last.x < apart) last.marks.push(mark);
    else groups.push({ x: here, marks: [mark] });
  }
  return groups;
}

/** The marks of a chart in a sentence; empty without marks. */
export function marksSentence(marks: readonly Mark[]): string {
  if (marks.length === 0) return "";
  const newest = marks.slice(-NAMED_MAX).reverse();
  const words = newest.map(({ change }) => `${changeWords(change)} at ${clock(change.atMs)}`);
  const more = marks.length - newest.length;
  const earlier = more === 0 ? "" : `; ${plural(more, "earlier change")}`;
  return `Marks: ${words.join("; ")}${earlier}.`;
}

/** The changes between two moments of a time line, in words. */
export function changesBetween(marks: readonly Mark[], from: number, to: number): string {
  const found = marks.filter(({ index }) => index >= from && index < to);
  return found.map(({ change }) => changeWords(change)).join("; ");
}
