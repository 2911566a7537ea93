// Node's Socket.IO server and this one, told the same: every difference is on a list, with reasons.
// Never: a difference that is explained away by more than the list says.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ADDITIONS, PARTINGS } from "./differential.allowed.mjs";
import { sequence } from "./differential.generate.mjs";
import { Example } from "./examples.mjs";
import { PollingSession, WebSocketSession } from "./rawsession.mjs";

/** @typedef {import("./differential.allowed.mjs").Difference} Difference */
/** @typedef {import("./differential.generate.mjs").Sequence} Sequence */
/** @typedef {import("./rawsession.mjs").Seen} Seen */

/** What once differed, and must not again. */
const FOUND = [
  [["40/custom,", "40"]],
  [["40"], ['42["message",1]', '421["message-with-ack",2]', '42["message",3]', '422["unknown"]']],
  [["40"], ['42["message",1]', "41", "40/custom,"]],
  [["40"], ['451-1["message-with-ack",{"_placeholder":true,"num":0}]', Uint8Array.of(1), "41"]],
];
const SEQUENCES = Number(process.env["SEQUENCES"] ?? 1000);
const FIRST_SEED = Number(process.env["FIRST_SEED"] ?? 1);
/** No ping comes while a sequence lasts. */
const TIMES = { PING_INTERVAL_MS: "25000", PING_TIMEOUT_MS: "20000" };
const AT_ONCE = 4;
/** Both servers end who has not joined a namespace for a second: slower is void. */
const VOID_AFTER_MS = 700;
const TRIES_MAX = 10;

describe("beside Node's server", () => {
  /** @type {Example} */
  let reference;
  /** @type {Example} */
  let ours;
  before(async () => {
    reference = await Example.reference(TIMES);
    ours = await Example.start("conformance", TIMES);
  });
  after(async () => {
    await reference?.stop();
    await ours?.stop();
  });

  test("the same packets have the same outcome", async () => {
    console.log(`seeds ${FIRST_SEED} to ${FIRST_SEED + SEQUENCES - 1}`);
    const shown = new Set();
    /** @type {string[]} */
    const unexplained = [];
    const found = FOUND.flatMap((packets, index) =>
      /** @type {const} */ (["websocket", "polling"]).map((transport) => {
        return { seed: -1 - index, transport, steps: packets.map((body) => [body]) };
      }),
    );
    let next = FIRST_SEED;
    const work = async () => {
      while (found.length > 0 || next < FIRST_SEED + SEQUENCES) {
        const drawn = found.pop() ?? sequence((next += 1) - 1);
        const [theirs, own] = await both(reference.url, ours.url, drawn);
        const difference = compare(drawn, theirs, own, shown);
        if (difference !== undefined) unexplained.push(words(drawn, difference));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    assert.equal(unexplained.length, 0, `not on the list:\n${unexplained.join("\n\n")}`);
    const unseen = [...ADDITIONS, ...PARTINGS].filter((entry) => !shown.has(entry.name));
    assert.deepEqual(
      unseen.map(({ name }) => name),
      [],
      "on the list, and never seen",
    );
  });
});

/**
 * One sequence at both servers, until it went fast enough to mean something.
 * @param {string} theirs
 * @param {string} own
 * @param {Sequence} drawn
 */
async function both(theirs, own, drawn) {
  for (let tries = 1; ; tries += 1) {
    const began = Date.now();
    const outcomes = await Promise.all([theirs, own].map((url) => outcome(url, drawn)));
    if (Date.now() - began < VOID_AFTER_MS) return outcomes;
    if (tries === TRIES_MAX) throw new Error(`seed ${drawn.seed}: this machine is too slow`);
  }
}

/**
 * What each step was answered with.
 * @param {string} url
 * @param {Sequence} drawn
 */
async function outcome(url, drawn) {
  const session =
    drawn.transport === "polling" ? new PollingSession(url) : new WebSocketSession(url);
  try {
    const seen = [await session.begin()];
    for (const step of drawn.steps) {
      seen.push(await session.say(step));
      if (seen.at(-1)?.open === false) break;
    }
    return seen;
  } finally {
    await session.end();
  }
}

/**
 * The first difference that the list does not explain.
 * @param {Sequence} drawn
 * @param {Seen[]} theirs
 * @param {Seen[]} own
 * @param {Set<string>} shown the entries that were needed
 * @returns {Difference | undefined}
 */
function compare(drawn, theirs, own, shown) {
  for (const [index, reference] of theirs.entries()) {
    const seen = own[index];
    if (seen === undefined) throw new Error(`seed ${drawn.seed}: ended a step early`);
    const sent = index === 0 ? [] : (drawn.steps[index - 1] ?? []).flat();
    /** @type {Difference} */
    let difference = { sent, reference, ours: seen };
    if (isSame(difference)) continue;
    /** @type {string[]} */
    const used = [];
    for (const { name, without } of ADDITIONS) {
      const less = without(difference);
      if (JSON.stringify(less) !== JSON.stringify(difference)) used.push(name);
      difference = less;
    }
    const parting = isSame(difference)
      ? undefined
      : PARTINGS.find(({ matches }) => matches(difference));
    if (!isSame(difference) && parting === undefined) return { sent, reference, ours: seen };
    for (const name of parting === undefined ? used : [parting.name]) shown.add(name);
    if (parting !== undefined) return undefined;
  }
  return undefined;
}

/** @param {Difference} difference */
function isSame({ reference, ours }) {
  return JSON.stringify(reference) === JSON.stringify(ours);
}

/**
 * @param {Sequence} drawn
 * @param {Difference} difference
 */
function words(drawn, { sent, reference, ours }) {
  const packets = sent.map((packet) =>
    typeof packet === "string" ? packet : `<${Buffer.from(packet).toString("hex")}>`,
  );
  return [
    `seed ${drawn.seed}, ${drawn.transport}, at ${packets.join(" | ")}`,
    `  there ${JSON.stringify(reference)}`,
    `  here  ${JSON.stringify(ours)}`,
  ].join("\n");
}
