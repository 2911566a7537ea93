// The marks of blocks in charts: what is read, where a mark is, and its words.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changeWords,
  readBlockChange,
  withChanges,
  type BlockChange,
} from "../src/admin/model/block_change";
import {
  changesBetween,
  groupMarks,
  markLabel,
  marksOf,
  marksSentence,
} from "../src/admin/model/mark";
import type { Timeline } from "../src/admin/model/timeline";

const T0 = Date.parse("2026-10-01T03:00:00Z");

const change = (s: number, kind: BlockChange["change"] = "blocked", prefix = "203.0.113.0/24") =>
  ({ atMs: T0 + s * 1000, change: kind, prefix, scope: "unauthenticated" }) satisfies BlockChange;

const timeline: Timeline = {
  fromMs: T0,
  stepS: 1,
  series: new Map([["rejected", Array.from({ length: 100 }, () => 0)]]),
};

test("a change needs a time, a kind and a network", () => {
  const whole = {
    at: "2026-10-01T03:00:05Z",
    change: "ended",
    prefix: "192.0.2.0/24",
    scope: "all",
  };
  assert.deepEqual(readBlockChange(whole), {
    atMs: T0 + 5000,
    change: "ended",
    prefix: "192.0.2.0/24",
    scope: "all",
  });
  for (const broken of [{ at: "soon" }, { change: "exploded" }, { prefix: 7 }]) {
    assert.equal(readBlockChange({ ...whole, ...broken }), undefined);
  }
});

test("newer changes are added once, in the order of time, and at most 64", () => {
  const known = [change(1), change(5)];
  assert.equal(withChanges(known, [change(5)]), known, "nothing is new");
  const times = (all: readonly BlockChange[]) => all.map(({ atMs }) => (atMs - T0) / 1000);
  assert.deepEqual(times(withChanges(known, [change(3), change(5)])), [1, 3, 5]);
  const many = Array.from({ length: 80 }, (_, index) => change(index));
  const kept = times(withChanges([], many));
  assert.deepEqual([kept.length, kept[0]], [64, 16]);
});

test("a mark is in the period of its chart, and the newest one at its end", () => {
  const changes = [change(-10), change(0), change(42), change(101)];
  const places = marksOf(timeline, changes).map(({ index }) => index);
  assert.deepEqual(places, [0, 42, 99]);
  assert.deepEqual(marksOf({ ...timeline, series: new Map() }, changes), []);
});

test("marks that are near share a label", () => {
  const label = (changes: readonly BlockChange[]) => {
    const groups = groupMarks(marksOf(timeline, changes), (index) => index * 10, 90);
    return groups.map(({ x, marks }) => `${x} ${markLabel(marks)}`);
  };
  const cases: [readonly BlockChange[], string[]][] = [
    [[change(1)], ["10 Block"]],
    [[change(1, "removed")], ["10 Block removed"]],
    [[change(1, "ended")], ["10 Block ended"]],
    [[change(1, "rescoped")], ["10 Block changed"]],
    [[change(1), change(9)], ["10 2 blocks"]],
    [[change(1), change(9, "removed")], ["10 2 changes of blocks"]],
    [
      [change(1), change(20), change(60, "ended")],
      ["10 Block", "200 Block", "600 Block ended"],
    ],
  ];
  for (const [changes, expect] of cases) assert.deepEqual(label(changes), expect);
});

test("the text of a chart names the newest changes", () => {
  const marks = marksOf(timeline, [
    change(1),
    change(2, "rescoped"),
    change(3, "removed"),
    change(4, "ended"),
  ]);
  assert.match(
    marksSentence(marks),
    /^Marks: the block of 203\.0\.113\.0\/24 ended at .*; the block of .* removed at .*; the block of .* now concerns unauthenticated clients at .*; 1 earlier change\.$/,
  );
  assert.equal(marksSentence([]), "");
  assert.equal(changesBetween(marks, 1, 2), "203.0.113.0/24 blocked (unauthenticated clients)");
  assert.equal(changesBetween(marks, 50, 60), "");
  assert.equal(
    changeWords(change(1, "blocked", "\u202Ex")),
    "[U+202E]x blocked (unauthenticated clients)",
  );
});
