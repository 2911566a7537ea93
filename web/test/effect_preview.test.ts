// The effect that a dialog shows is that of the newest choice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EffectPreview } from "../src/admin/live/effect_preview";

/** Answers that the test gives in an order of its own. */
function answers() {
  const given: { give: (words: string) => void; fail: (error: Error) => void }[] = [];
  const ask = () =>
    new Promise<string>((give, fail) => {
      given.push({ give, fail });
    });
  return { given, ask };
}

test("late effect of an earlier choice is not shown", async () => {
  const preview = new EffectPreview();
  const { given, ask } = answers();
  const [unauthenticated, all] = [preview.show(ask), preview.show(ask)];
  given[0]?.give("ends 3 connections");
  await unauthenticated;
  assert.equal(preview.effect.value, undefined, "that of the choice is computed");
  given[1]?.give("ends 300 connections");
  await all;
  assert.equal(preview.effect.value, "ends 300 connections");
  const [former, newer] = [preview.show(ask), preview.show(ask)];
  given[3]?.give("ends 3 connections");
  await newer;
  given[2]?.fail(new Error("late"));
  await former;
  assert.equal(preview.effect.value, "ends 3 connections");
  assert.equal(preview.refusal.value, undefined);
});

test("rejected preview is reported, and ends the wait for an effect", async () => {
  const preview = new EffectPreview();
  await preview.show(() => Promise.reject(new Error("no connection")));
  assert.equal(preview.effect.value, "");
  assert.notEqual(preview.refusal.value, undefined);
  await preview.show(() => Promise.resolve("ends 3 connections"));
  assert.equal(preview.effect.value, "ends 3 connections");
  assert.equal(preview.refusal.value, undefined);
});
