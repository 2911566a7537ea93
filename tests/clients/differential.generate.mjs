// Sequences of packets, valid and not, drawn from a seed: the same seed, the same sequences.
// Never: rng that is not the seed's.

/** @typedef {import("./rawsession.mjs").Packet} Packet */
/** @typedef {Packet[][]} Step the packets that are sent before answers are read: one body, or two */
/** @typedef {{ seed: number, transport: "websocket" | "polling", steps: Step[] }} Sequence */

const STEPS_MAX = 5;
const BATCH_MAX = 4;

/** Small, fast, and good enough: Mulberry32. */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0, and less than the limit. @param {number} limit */
  below(limit) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  /**
   * @template T
   * @param {readonly T[]} choices
   * @returns {T}
   */
  of(choices) {
    return /** @type {T} */ (choices[this.below(choices.length)]);
  }

  /** @param {number} percent */
  holds(percent) {
    return this.below(100) < percent;
  }
}

const TEXTS = ["", "hello", "zwölf Boxkämpfer", "\u{1f3f0}", 'a "quoted" \\ one', "line\nbreak"];
const NUMBERS = [0, 1, -1, 1.5, 1e21, 123_456_789_012];

/**
 * @param {Random} rng
 * @param {number} [depth]
 * @returns {any}
 */
function value(rng, depth = 0) {
  const kind = rng.below(depth < 2 ? 7 : 4);
  if (kind < 2) return rng.of(TEXTS);
  if (kind === 2) return rng.of(NUMBERS);
  if (kind === 3) return rng.of([true, false, null]);
  const inner = Array.from({ length: rng.below(3) }, () => value(rng, depth + 1));
  if (kind < 5) return inner;
  return Object.fromEntries(inner.map((each, index) => [`key${index}`, each]));
}

/** @param {Random} rng */
function bytes(rng) {
  return Uint8Array.from({ length: 1 + rng.below(6) }, () => rng.below(256));
}

/** @param {string} name */
const inNamespace = (name) => (name === "/" ? "" : `${name},`);

/** @typedef {(rng: Random, namespace: string) => Packet[]} Draw */

/** @type {Draw} */
const connect = (_random, namespace) => [`40${inNamespace(namespace)}`];
/** @type {Draw} */
const connectWithPayload = (rng, namespace) => [
  `40${inNamespace(namespace)}${JSON.stringify({ token: value(rng) })}`,
];
/** @type {Draw} */
const message = (rng, namespace) => {
  const parts = Array.from({ length: rng.below(4) }, () => value(rng));
  return [`42${inNamespace(namespace)}${JSON.stringify(["message", ...parts])}`];
};
/** @type {Draw} */
const messageWithAck = (rng, namespace) => {
  const parts = Array.from({ length: rng.below(4) }, () => value(rng));
  const id = rng.of([0, 1, 7, 456, 9_007_199_254_740_991]);
  return [`42${inNamespace(namespace)}${id}${JSON.stringify(["message-with-ack", ...parts])}`];
};
/** @type {Draw} */
const binaryMessage = (rng, namespace) => {
  const count = 1 + rng.below(3);
  const attachments = Array.from({ length: count }, () => bytes(rng));
  const holders = attachments.map((_, num) => ({ _placeholder: true, num }));
  const parts = rng.holds(50) ? holders : [{ deep: holders, beside: value(rng) }];
  const [name, id] = rng.of([
    ["message", ""],
    ["message-with-ack", String(rng.below(100))],
  ]);
  const head = `45${count}-${inNamespace(namespace)}${id}`;
  return [`${head}${JSON.stringify([name, ...parts])}`, ...attachments];
};
/** @type {Draw} */
const disconnect = (_random, namespace) => [`41${inNamespace(namespace)}`];
/** @type {Draw} */
const unsolicited = (rng, namespace) => [
  `43${inNamespace(namespace)}${rng.below(5)}${JSON.stringify([value(rng)])}`,
];
/** @type {Draw} */
const pong = () => ["3"];

/** Mostly what clients send. @type {Draw[]} */
const USUAL = [
  ...[message, message, message, messageWithAck, messageWithAck, binaryMessage, binaryMessage],
  ...[connect, connectWithPayload, disconnect, unsolicited, pong],
];

/** @type {Draw} */
const badConnect = (rng, namespace) => {
  const payload = rng.of(["[]", '"x"', "{", "null", "1", "{}}", '{"a":1', "true", "x"]);
  return [`40${inNamespace(namespace)}${payload}`];
};
/** @type {Draw} */
const badEvent = (rng, namespace) => {
  const rest = rng.of([
    ...["", "[", "{}", '"x"', "[]", "[null]", "[true]", "[{}]", '["message"', '["message",]'],
    ...['["message"]]', "x", "1", '[["message"]]', "[1.5]", '["message", 1,, 2]', "null"],
  ]);
  return [`42${inNamespace(namespace)}${rest}`];
};
/** @type {Draw} */
const oddName = (rng, namespace) => {
  const name = rng.of([
    ...["unknown", "", "connect", "connect_error", "disconnect", "disconnecting", "error"],
    ...["newListener", "removeListener", "connection", "message ", "__proto__", "a b", "ü", 7],
  ]);
  const id = rng.of(["", "3"]);
  return [`42${inNamespace(namespace)}${id}${JSON.stringify([name, value(rng)])}`];
};
/** @type {Draw} */
const oddJson = (rng, namespace) => {
  const part = rng.of([
    ...['{"a":1,"a":2}', '{"__proto__":{"x":1}}', "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]"],
    ...['"\\ud800"', "1e400", "01", "-0", "1.0", '"\\u0041"', "NaN", "'x'", "+1", '"\t"'],
    ...["9007199254740993", '{"constructor":1}', "[1 , 2 ]"],
  ]);
  return [`42${inNamespace(namespace)}["message",${part}]`];
};
/** @type {Draw} */
const oddAckId = (rng, namespace) => {
  const id = rng.of(["01", "-1", "1.5", "9007199254740992", "1e3", " 1", "99999999999999999999"]);
  return [`42${inNamespace(namespace)}${id}["message-with-ack",1]`];
};
/** @type {Draw} */
const escapedName = (_random, namespace) => [`42${inNamespace(namespace)}["m\\u0065ssage",1]`];
/** @type {Draw} */
const badAck = (rng, namespace) => {
  const rest = rng.of(["[]", "1", "1{}", '1"x"', "x[1]", "1[", "", "01[1]", "1.5[1]"]);
  return [`43${inNamespace(namespace)}${rest}`];
};
/** @type {Draw} */
const badHeader = (rng, namespace) => {
  const count = rng.of(["", "0-", "11-", "1", "-", "-1-", "1.5-", "01-", "x-", "1e0-", " 1-"]);
  return [
    `45${count}${inNamespace(namespace)}["message",{"_placeholder":true,"num":0}]`,
    bytes(rng),
  ];
};
/** @type {Draw} */
const badPlaceholder = (rng, namespace) => {
  const holder = rng.of([
    ...['{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":-1}', "{}"],
    ...['{"_placeholder":true}', '{"_placeholder":true,"num":"0"}', '{"_placeholder":1,"num":0}'],
    ...['{"_placeholder":true,"num":0.5}', '{"_placeholder":true,"num":0,"more":1}'],
    ...['{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}', '{"_placeholder":false}'],
  ]);
  return [`451-${inNamespace(namespace)}["message",${holder}]`, bytes(rng)];
};
/** @type {Draw} */
const placeholderInText = (_random, namespace) => [
  `42${inNamespace(namespace)}["message",{"_placeholder":true,"num":0}]`,
];
/** @type {Draw} */
const binaryForUnknown = (rng, namespace) => [
  `451-${inNamespace(namespace)}["unknown",{"_placeholder":true,"num":0}]`,
  bytes(rng),
];
/** Too few attachments, with something else in their place. @type {Draw} */
const interrupted = (rng, namespace) => [
  `452-${inNamespace(namespace)}["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
  bytes(rng),
  rng.of(['42["message","between"]', "40/custom,", "41", '451-["message"]']),
];
/** A pong between header and attachment belongs to another layer. @type {Draw} */
const pongBetween = (rng, namespace) => [
  `451-${inNamespace(namespace)}["message",{"_placeholder":true,"num":0}]`,
  "3",
  bytes(rng),
];
/** @type {Draw} */
const strayBinary = (rng) => [bytes(rng)];
/** @type {Draw} */
const binaryAck = (rng, namespace) => [
  `461-${inNamespace(namespace)}${rng.of(["0", "7", ""])}[{"_placeholder":true,"num":0}]`,
  bytes(rng),
];
/** @type {Draw} */
const badDisconnect = (rng, namespace) => [
  `41${inNamespace(namespace)}${rng.of(["[]", "{}", "x"])}`,
];
/** @type {Draw} */
const errorOfClient = (rng, namespace) => [
  `44${inNamespace(namespace)}${rng.of(['{"message":"no"}', "", '"no"', "[]"])}`,
];
/** @type {Draw} */
const unknownType = (rng) => [rng.of(["4", "47", "48[]", "4x", "4 2[]", "49", '4-2["message"]'])];
/** @type {Draw} */
const oddNamespace = (rng) => [
  rng.of([
    ...["40/random", "40/random,", '40/random,{"token":1}', "40/Custom,", "40/custom/,", "40//,"],
    ...[
      "40/custom?x=1,",
      "40/cus tom,",
      `40/${"x".repeat(200)},`,
      "40custom,",
      "40/custom",
      "40/,",
    ],
    ...["40/random,1", "40/__proto__,", "40/%63ustom,"],
  ]),
];
/** @type {Draw} */
const enginePacket = (rng) => [
  rng.of([
    "0",
    "1",
    "2",
    "2probe",
    "3probe",
    "5",
    "6",
    "7",
    "8",
    "",
    "x",
    "0{}",
    "1x",
    "bAQID",
    "b=",
  ]),
];

/** What no client sends, or should. @type {Draw[]} */
const UNUSUAL = [
  ...[badConnect, badEvent, badEvent, oddName, oddName, oddJson, oddJson, oddAckId, escapedName],
  ...[badAck, badHeader, badPlaceholder, badPlaceholder, placeholderInText, binaryForUnknown],
  ...[interrupted, pongBetween, strayBinary, binaryAck, badDisconnect, errorOfClient],
  ...[unknownType, oddNamespace, oddNamespace, enginePacket, enginePacket],
];

/**
 * @param {number} seed
 * @returns {Sequence}
 */
export function sequence(seed) {
  const rng = new Random(seed);
  const transport = rng.of(/** @type {const} */ (["websocket", "websocket", "polling"]));
  const joined = rng.of([["/"], ["/"], ["/custom"], ["/", "/custom"], []]);
  /** @type {Step[]} */
  const steps = joined.map((name) => [[`40${inNamespace(name)}`]]);
  const count = 1 + rng.below(STEPS_MAX);
  for (let index = 0; index < count; index += 1) steps.push(draw(rng, joined, transport));
  return { seed, transport, steps };
}

/**
 * @param {Random} rng
 * @param {string[]} joined
 * @param {"websocket" | "polling"} transport
 * @returns {Step}
 */
function draw(rng, joined, transport) {
  const unit = () => {
    const kind = rng.of(rng.holds(70) ? USUAL : UNUSUAL);
    const isConnect = kind === connect || kind === connectWithPayload;
    // A second CONNECT ends everything: it is drawn, and not too often.
    const known = isConnect && rng.holds(80) ? without(joined) : joined;
    const fallback = rng.of(["/", "/custom", "/random"]);
    const namespace = rng.holds(95) && known.length > 0 ? rng.of(known) : fallback;
    return kind(rng, namespace);
  };
  if (transport === "websocket" && rng.holds(70)) return [unit()];
  const packets = Array.from({ length: 1 + rng.below(BATCH_MAX) }, unit).flat();
  const at = rng.below(packets.length + 1);
  // Sometimes a batch is cut, perhaps between a header and its attachments.
  if (transport === "websocket" || rng.holds(80) || at === 0 || at === packets.length)
    return [packets];
  return [packets.slice(0, at), packets.slice(at)];
}

/** @param {string[]} joined */
function without(joined) {
  return ["/", "/custom", "/random"].filter((name) => !joined.includes(name));
}
