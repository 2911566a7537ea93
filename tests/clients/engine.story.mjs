// Engine.IO with nothing above it, beside Node's: handshakes, bodies, and the change of transport.
// Never: a difference without a reason beside it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Random } from "./differential.generate.mjs";
import { Example } from "./examples.mjs";
import { fetchRaw, PollingSession, WebSocketSession } from "./rawsession.mjs";

/** @typedef {{ method?: string, body?: string | Uint8Array, type?: string, encoding?: string }} Ask */
/** @typedef {[name: string, ask: Ask & { query?: string, path?: string }, there: string,
 *   differs?: [here: string, why: string]]} Case */

const PATH = "/engine.io/";
const TIMES = { PING_INTERVAL_MS: "25000", PING_TIMEOUT_MS: "20000" };
const POLLING = "EIO=4&transport=polling";
const SEQUENCES = Number(process.env["SEQUENCES"] ?? 200);
const FIRST_SEED = Number(process.env["FIRST_SEED"] ?? 1);
const AT_ONCE = 4;

const ONE_SPELLING = "each parameter occurs once, and all are known";
const LOOKED_OVER = "a body is looked over before any of it counts";
const TEXT_ONLY = "a page cannot post as a form or as JSON what is read as packets";

/** @type {Case[]} */
const HANDSHAKES = [
  ["usual", {}, "200 open"],
  ["with a cache-buster", { query: `${POLLING}&t=abc` }, "200 open"],
  ["of no transport", { query: "EIO=4" }, "400 0"],
  ["of another transport", { query: "EIO=4&transport=carrier" }, "400 0"],
  ["of an object's own member", { query: "EIO=4&transport=__proto__" }, "400 0"],
  ["of revision 3", { query: "EIO=3&transport=polling" }, "400 5"],
  ["of revision 5", { query: "EIO=5&transport=polling" }, "400 5"],
  ["of no revision", { query: "transport=polling" }, "400 5"],
  ["with an unknown sid", { query: `${POLLING}&sid=nowhere` }, "400 1"],
  ["with a member for a sid", { query: `${POLLING}&sid=__proto__` }, "400 1"],
  ["posted to an unknown sid", { query: `${POLLING}&sid=nowhere`, ...posted("4x") }, "400 1"],
  ["posted", { ...posted("4x") }, "400 2"],
  ["put", { method: "PUT" }, "400 2"],
  ["deleted", { method: "DELETE" }, "400 2"],
  ["asked for its head", { method: "HEAD" }, "400"],
  ["for a WebSocket that is none", { query: "EIO=4&transport=websocket" }, "400 3"],
  ["without the slash", { path: "/engine.io" }, "404"],
  ["of nothing", { query: "" }, "400 0", ["400 5", "the revision is checked first"]],
  ["below", { path: "/engine.io/x" }, "200 open", ["404", "a path is one path"]],
  ["with an empty sid", { query: `${POLLING}&sid=` }, "200 open", ["400 3", ONE_SPELLING]],
  ["twice", { query: `${POLLING}&transport=polling` }, "200 open", ["400 3", ONE_SPELLING]],
  ["with more", { query: `${POLLING}&more=1` }, "200 open"],
  ["in base64", { query: `${POLLING}&b64=1` }, "200 open"],
  ["as a script", { query: `${POLLING}&j=0` }, "200 script", ["400 3", "any page could read it"]],
  ["with a token", { query: `${POLLING}&token=1` }, "200 open", ["401 4", "URLs are logged"]],
  ["asked about", { method: "OPTIONS" }, "400 2", ["204", "pages of other origins ask first"]],
];

/** What a session is asked, and whether it is still there; echoes stand behind the status. */
/** @type {Case[]} */
const BODIES = [
  ["one packet", posted("4x"), "200, goes on 4x"],
  ["without a type", { ...posted("4x"), type: undefined }, "200, goes on 4x"],
  ["two packets", posted("4x\x1e4y"), "200, goes on 4x 4y"],
  ["binary", posted("bAQID"), "200, goes on bAQID"],
  ["beyond ASCII", posted("4é\u{1f3f0}"), "200, goes on 4é\u{1f3f0}"],
  ["a pong", posted("3"), "200, goes on"],
  ["goodbye", posted("1"), "200, over"],
  ["nothing", posted(""), "200, over", ["400, over", LOOKED_OVER]],
  ["an empty packet", posted("4x\x1e"), "200, over", ["400, over", LOOKED_OVER]],
  ["an unknown packet", posted("4x\x1ex"), "200, over", ["400, over", LOOKED_OVER]],
  ["a ping", posted("2"), "200, over", ["400, over", LOOKED_OVER]],
  ["base64 that is none", posted("bA"), "200, goes on b", ["400, over", LOOKED_OVER]],
  [
    "text that is none",
    posted(Uint8Array.of(0x34, 0xff)),
    "200, goes on 4\ufffd",
    ["400, over", "what was sent is heard as it was sent, or not at all"],
  ],
  [
    "140 packets",
    posted(Array(140).fill("4x").join("\x1e")),
    `200, goes on ${Array(140).fill("4x").join(" ")}`,
  ],
  [
    "8193 packets",
    posted(Array(8193).fill("4x").join("\x1e")),
    `200, goes on ${Array(8193).fill("4x").join(" ")}`,
    ["400, over", "what one request can cost is bounded"],
  ],
  [
    "JSON",
    { ...posted("4x"), type: "application/json" },
    "200, goes on 4x",
    ["415, goes on", TEXT_ONLY],
  ],
  [
    "a form",
    { ...posted("4x"), type: "application/x-www-form-urlencoded" },
    "200, goes on 4x",
    ["415, goes on", TEXT_ONLY],
  ],
  [
    "bytes",
    { ...posted("4x"), type: "application/octet-stream" },
    "400, over",
    ["415, goes on", "a request that is refused does not touch the session"],
  ],
  [
    "something packed",
    { ...posted("4x"), encoding: "gzip" },
    "200, goes on 4x",
    ["415, goes on", "nothing is unpacked, so nothing is taken for what it is not"],
  ],
  ["too much", posted("4".padEnd(1_000_002, "x")), "413, goes on"],
  ["put", { method: "PUT" }, "500, goes on", ["400, goes on", "it is the client's mistake"]],
  ["deleted", { method: "DELETE" }, "500, goes on", ["400, goes on", "it is the client's mistake"]],
];

/**
 * Where the two part while a transport changes: we close the WebSocket there, and Node does not.
 * @type {{ name: string, act: RegExp, isSwitched: boolean, why: string }[]}
 */
const PARTINGS = [
  {
    name: "a second probe",
    act: /^say 2probe$/,
    isSwitched: false,
    why: "one answer is enough; a WebSocket that goes on asking is not changing its transport",
  },
  {
    name: "a switch without a probe",
    act: /^say 5$/,
    isSwitched: false,
    why: "a poll may still be waiting, and what it was given would come behind what comes here",
  },
  {
    name: "engine packets that no client sends",
    act: /^say ([0156]|3probe)$/,
    isSwitched: true,
    why: "as on a WebSocket that was one from the start",
  },
];

/** @param {string | Uint8Array} body @returns {Ask} */
function posted(body) {
  return { method: "POST", body, type: "text/plain;charset=UTF-8" };
}

describe("Engine.IO beside Node's", () => {
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

  /**
   * @param {Case[]} cases
   * @param {(url: string, ask: Case[1]) => Promise<string>} seen
   */
  async function checkEach(cases, seen) {
    for (const [name, ask, there, differs] of cases) {
      assert.equal(await seen(reference.url, ask), there, `${name}, there`);
      assert.equal(await seen(ours.url, ask), differs?.[0] ?? there, `${name}, here`);
      assert.notEqual(differs?.[0], there, `${name} does not differ`);
    }
  }

  test("handshakes are taken and refused alike", async () => {
    await checkEach(HANDSHAKES, async (url, { path = PATH, query = POLLING, ...ask }) => {
      const { status, body } = await fetchRaw(`${url}${path}?${query}`, asRequest(url, ask));
      if (status === 200) return `200 ${body.startsWith("0{") ? "open" : "script"}`;
      const code = /^\{"code":(\d+)/.exec(body)?.[1];
      return code === undefined ? `${status}` : `${status} ${code}`;
    });
  });

  test("bodies are taken and refused alike", async () => {
    await checkEach(BODIES, async (url, ask) => {
      const session = new PollingSession(url, PATH);
      await session.begin();
      const { status } = await fetchRaw(session.address, asRequest(url, ask));
      const after = await echoes(session);
      await session.end();
      return `${status}, ${after === undefined ? "over" : ["goes on", ...after].join(" ")}`;
    });
  });

  test("a second poll and a second post end the session", async () => {
    for (const url of [reference.url, ours.url]) {
      const session = new PollingSession(url, PATH);
      await session.begin();
      const polls = [fetchRaw(session.address), fetchRaw(session.address)];
      const outcomes = await Promise.all(polls);
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), [200, 400], url);
      assert.equal(outcomes.find(({ status }) => status === 200)?.body, "1");
      assert.equal(await echoes(session), undefined);
    }
  });

  test("transports are changed alike, and harmed by nothing", async () => {
    console.log(`seeds ${FIRST_SEED} to ${FIRST_SEED + SEQUENCES - 1}`);
    /** @type {string[]} */
    const differences = [];
    const shown = new Set();
    let next = FIRST_SEED;
    const work = async () => {
      while (next < FIRST_SEED + SEQUENCES) {
        const seed = (next += 1) - 1;
        const acts = drawActs(seed);
        const [there, here] = await Promise.all(
          [reference.url, ours.url].map((url) => perform(url, acts)),
        );
        const parting = compare(acts, there, here);
        if (parting === undefined) continue;
        if (typeof parting === "object") {
          shown.add(parting);
          continue;
        }
        const [one, two] = [there, here].map((seen) => JSON.stringify(seen));
        differences.push(`seed ${seed}: ${acts.join(", ")}\n  there ${one}\n  here  ${two}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    assert.equal(differences.length, 0, `not on the list:\n${differences.join("\n\n")}`);
    const unseen = PARTINGS.filter((parting) => !shown.has(parting));
    assert.deepEqual(unseen, [], "on the list, and never seen");
  });
});

/**
 * Nothing when all is the same, the entry of the list where they part, or that there is none.
 * @param {string[]} acts
 * @param {Performed} there
 * @param {Performed} here
 */
function compare(acts, there, here) {
  const isSame = (/** @type {unknown} */ one, /** @type {unknown} */ two) =>
    JSON.stringify(one) === JSON.stringify(two);
  const at = acts.findIndex((_, index) => !isSame(there.steps[index], here.steps[index]));
  if (at === -1) return isSame(there.end, here.end) ? undefined : "unlisted";
  const act = acts[at] ?? "";
  const isSwitched = /say 2probe(,post)*,say 5/.test(acts.slice(0, at).join());
  const open = [there, here].map(({ steps }) => steps[at]?.answer?.open);
  const parting = PARTINGS.find((each) => each.act.test(act) && each.isSwitched === isSwitched);
  if (parting === undefined || !isSame(open, [true, false])) return "unlisted";
  // Before the switch the session goes on as it was.
  return isSwitched || here.end.status === 200 ? parting : "unlisted";
}

/**
 * @param {string} url
 * @param {Ask} ask
 */
function asRequest(url, { method, body, type, encoding }) {
  const headers = {
    origin: url,
    ...(type === undefined ? {} : { "content-type": type }),
    ...(encoding === undefined ? {} : { "content-encoding": encoding }),
  };
  return { method, body, headers };
}

/**
 * What waits for the next poll of a session that goes on.
 * @param {PollingSession} session
 */
async function echoes(session) {
  const { status } = await session.post(["4last"]);
  if (status !== 200) return undefined;
  /** @type {string[]} */
  const all = [];
  while (all.at(-1) !== "4last") {
    const polled = await session.poll();
    if (polled.status !== 200) return undefined;
    all.push(...polled.body.split("\x1e"));
    if (all.at(-1) === "1") return undefined;
  }
  return all.slice(0, -1);
}

const PACKETS = [
  "2probe",
  "2probe",
  "5",
  "5",
  "4hello",
  "2",
  "3probe",
  "3",
  "6",
  "0",
  "1",
  "x",
  "",
];
const ACTS = ["open", "open", "post", "post", "close", ...PACKETS.map((packet) => `say ${packet}`)];

/** What a client might do that changes its transport, mostly in the right order. @param {number} seed */
function drawActs(seed) {
  const random = new Random(seed);
  const start = random.of([[], ["open"], ["open", "say 2probe"], ["open", "say 2probe", "say 5"]]);
  // Only first: a client that probes a WebSocket does not poll until the probe is decided.
  const poll = random.holds(50) ? ["poll"] : [];
  const more = Array.from({ length: 1 + random.below(5) }, () => random.of(ACTS));
  return [...poll, ...start, ...more];
}

/** @typedef {import("./rawsession.mjs").Seen} Seen */
/** @typedef {{ answer?: Seen, posted?: number, polled?: string, sockets: Seen[] }} Step */
/** @typedef {{ status: number, reply: (string | number)[], sockets: Seen[] }} End */
/** @typedef {{ steps: Step[], end: End }} Performed */

/**
 * @param {string} url
 * @param {string[]} acts
 * @returns {Promise<Performed>}
 */
async function perform(url, acts) {
  const session = new PollingSession(url, PATH);
  await session.begin();
  /** @type {WebSocketSession[]} */
  const sockets = [];
  /** @type {ReturnType<PollingSession["poll"]> | undefined} */
  let polled;
  /** @type {Step[]} */
  const steps = [];
  for (const act of acts) {
    /** @type {Partial<Step>} */
    const step = {};
    const packet = /^say (.*)$/.exec(act)?.[1];
    if (act === "open") {
      const socket = new WebSocketSession(url, PATH, `&sid=${session.sid}`);
      await socket.opened();
      sockets.push(socket);
    } else if (act === "close") {
      sockets.at(-1)?.socket.close();
      await sockets.at(-1)?.closed();
    } else if (act === "poll") {
      polled ??= session.poll();
    } else if (act === "post") {
      step.posted = (await session.post(["4posted"])).status;
    } else if (packet !== undefined && sockets.length > 0) {
      step.answer = await sockets.at(-1)?.say([[packet]]);
      // The reference answers a poll for a probe within a tenth of a second.
      if (polled !== undefined && step.answer?.received.includes("3probe")) {
        step.polled = (await polled).body;
        polled = undefined;
      }
    }
    const settled = await Promise.all(sockets.map((socket) => socket.say([])));
    steps.push({ ...step, sockets: settled });
  }
  return { steps, end: await ending(session, sockets, polled) };
}

/**
 * How everything stands at the end: what polls are reply, and whether each way still echoes.
 * @param {PollingSession} session
 * @param {WebSocketSession[]} sockets
 * @param {ReturnType<PollingSession["poll"]> | undefined} polled
 * @returns {Promise<End>}
 */
async function ending(session, sockets, polled) {
  const { status } = await session.post(["4last"]);
  /** @type {(string | number)[]} */
  const reply = [];
  for (let poll = polled; poll !== undefined || status === 200; poll = undefined) {
    const { status, body } = await (poll ?? session.poll());
    // How packets are put together is nobody's business, and a noop is none.
    /** @type {(string | number)[]} */
    const packets = status === 200 ? body.split("\x1e").filter((each) => each !== "6") : [status];
    reply.push(...packets);
    if (status !== 200 || packets.includes("4last")) break;
  }
  const bySocket = await Promise.all(sockets.map((socket) => socket.say([["4last"]])));
  await Promise.all([session.end(), ...sockets.map((socket) => socket.end())]);
  return { status, reply, sockets: bySocket };
}
