// The colours of series: they stay with their series, differ while they can, and can be read.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COLOURS, Palette } from "../src/admin/model/palette";
import { readTimeline, strongest } from "../src/admin/model/timeline";

const colours = (palette: Palette, keys: readonly string[]) => {
  const assigned = palette.assign(keys);
  return keys.map((key) => assigned.get(key));
};

test("a series keeps its colour when ranks change, and when others come and go", () => {
  const palette = new Palette();
  const steps: [string[], number[]][] = [
    [
      ["a", "b", "c"],
      [0, 1, 2],
    ],
    [
      ["c", "a", "b"],
      [2, 0, 1],
    ],
    [
      ["c", "d"],
      [2, 3],
    ],
    [
      ["e", "d", "c"],
      [4, 3, 2],
    ],
    // `a` and `b` come back with their colours.
    [
      ["b", "e", "a", "c"],
      [1, 4, 0, 2],
    ],
    [["d"], [3]],
  ];
  for (const [keys, expect] of steps) assert.deepEqual(colours(palette, keys), expect, keys.join());
});

test("two refreshes with other ranks show each series in the same colour", () => {
  const line = (values: Readonly<Record<string, number[]>>) => {
    const read = readTimeline({ from: "2026-10-01T03:00:00Z", step_s: 1, series: values });
    assert.ok(read !== undefined);
    return strongest(read, "rejected.", 4).map(([name]) => name);
  };
  const palette = new Palette();
  const first = line({ "rejected.token": [9, 9], "rejected.block": [1, 1] });
  const second = line({ "rejected.token": [9, 9], "rejected.block": [90, 90] });
  assert.deepEqual([first[0], second[0]], ["rejected.token", "rejected.block"]);
  const before = new Map(palette.assign(first));
  const after = palette.assign(second);
  for (const name of first) assert.equal(after.get(name), before.get(name), name);
});

test("no two visible series have one colour while another one is free", () => {
  const palette = new Palette();
  // Each step shows other series, more than the palette has colours.
  for (let step = 0; step < 500; step += 1) {
    const shown = 1 + (step % COLOURS);
    const keys = Array.from({ length: shown }, (_, index) => `s${(step * 7 + index * 3) % 90}`);
    const known = [...new Set(keys)];
    const assigned = colours(palette, known);
    assert.equal(new Set(assigned).size, known.length, `step ${step}`);
    for (const colour of assigned) assert.ok(colour !== undefined && colour < COLOURS);
    assert.deepEqual(colours(palette, known), assigned, "the same series, the same colours");
  }
  const many = Array.from({ length: COLOURS + 2 }, (_, index) => `many${index}`);
  const all = colours(palette, many);
  assert.equal(new Set(all).size, COLOURS, "all colours are used before one is repeated");
});

test("a new series takes the colour that was not visible for the longest time", () => {
  const palette = new Palette();
  for (let index = 0; index < COLOURS; index += 1) palette.assign([`old${index}`]);
  palette.assign(["old0"]);
  assert.deepEqual(colours(palette, ["old0", "new"]), [0, 1]);
});

/** The custom properties of a style sheet: those of light, then those of dark. */
function properties(file: string): Map<string, string>[] {
  const css = readFileSync(join("src", file), "utf8");
  const blocks = css.match(/:root \{[^}]*\}/g)?.slice(0, 2) ?? [];
  return blocks.map((block) => {
    const pairs = block.matchAll(/(--[a-z0-9-]+): (#[0-9a-f]{6})/g);
    return new Map([...pairs].map(([, name = "", value = ""]) => [name, value]));
  });
}

/** Relative luminance by WCAG 2.2. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const part = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test("each colour has a contrast of 4.5 to 1 on the ground of a chart, light and dark", () => {
  const grounds = properties("app.css");
  for (const [index, lines] of properties("admin/admin.css").entries()) {
    const ground = luminance(grounds[index]?.get("--surface") ?? "");
    const seen = new Set<string>();
    for (let colour = 0; colour < COLOURS; colour += 1) {
      const value = lines.get(`--line-${colour}`) ?? "";
      assert.match(value, /^#/, `--line-${colour}`);
      seen.add(value);
      const [low = 0, high = 0] = [ground, luminance(value)].sort((a, b) => a - b);
      const contrast = (high + 0.05) / (low + 0.05);
      assert.ok(contrast >= 4.5, `--line-${colour} ${value}: ${contrast.toFixed(2)}`);
    }
    assert.equal(seen.size, COLOURS);
  }
});
