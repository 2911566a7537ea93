// Order, duplicates, gaps and the bound of a timeline.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChatMessage } from "../src/contract";
import { EMPTY, firstGap, merge, MESSAGES_MAX, newestSeq } from "../src/timeline";

function message(seq: number, words = ""): ChatMessage {
  return {
    id: `m${seq}`,
    seq,
    roomId: "r",
    userId: "u",
    username: "ann",
    external: false,
    message: words,
    timestampMs: 0,
  };
}

test("messages are merged in order, each once", () => {
  const cases: [number[], number[], number | undefined][] = [
    [[], [], undefined],
    [[1, 2, 3], [1, 2, 3], undefined],
    [[3, 1, 2], [1, 2, 3], undefined],
    [[1, 1, 2, 1], [1, 2], undefined],
    [[7, 8, 11], [7, 8, 11], 8],
    [[1, 3, 5], [1, 3, 5], 1],
  ];
  for (const [seqs, expect, gap] of cases) {
    const timeline = merge(
      EMPTY,
      seqs.map((seq) => message(seq)),
    );
    assert.deepEqual(
      timeline.messages.map(({ seq }) => seq),
      expect,
    );
    assert.equal(firstGap(timeline), gap);
    assert.equal(newestSeq(timeline), expect.at(-1) ?? 0);
  }
});

test("a number already there stays as it is", () => {
  const timeline = merge(EMPTY, [message(1, "first")]);
  assert.equal(merge(timeline, [message(1, "second")]), timeline);
});

test("the oldest give way, and are known to be on the server", () => {
  const many = Array.from({ length: MESSAGES_MAX + 5 }, (_, index) => message(index + 1));
  const timeline = merge({ messages: [], moreBefore: false }, many);
  assert.equal(timeline.messages.length, MESSAGES_MAX);
  assert.equal(timeline.messages[0]?.seq, 6);
  assert.equal(timeline.moreBefore, true);
});
