// Sequences of packets, valid and not, drawn from a seed: the same seed, the same sequences.
// Never: chance that is not the seed's.

/** @typedef {import("./rawsession.mjs").Packet} Packet */
/** @typedef {Packet[][]} Step what is sent before anything is looked at: one body, or two */
/** @typedef {{ seed: number, transport: "websocket" | "polling", steps: Step[] }} Sequence */

const STEPS_MAX = 5;
const BATCH_MAX = 4;

/** Small, fast, and good enough: Mulberry32. */
export class Chance {
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
 * @param {Chance} chance
 * @param {number} [depth]
 * @returns {any}
 */
function value(chance, depth = 0) {
  const kind = chance.below(depth < 2 ? 7 : 4);
  if (kind < 2) return chance.of(TEXTS);
  if (kind === 2) return chance.of(NUMBERS);
  if (kind === 3) return chance.of([true, false, null]);
  const inner = Array.from({ length: chance.below(3) }, () => value(chance, depth + 1));
  if (kind < 5) return inner;
  return Object.fromEntries(inner.map((each, index) => [`key${index}`, each]));
}

/** @param {Chance} chance */
function bytes(chance) {
  return Uint8Array.from({ length: 1 + chance.below(6) }, () => chance.below(256));
}

/** @param {string} name */
const inNamespace = (name) => (name === "/" ? "" : `${name},`);

/** @typedef {(chance: Chance, namespace: string) => Packet[]} Draw */

/** @type {Draw} */
const connect = (_chance, namespace) => [`40${inNamespace(namespace)}`];
/** @type {Draw} */
const connectWithPayload = (chance, namespace) => [
  `40${inNamespace(namespace)}${JSON.stringify({ token: value(chance) })}`,
];
/** @type {Draw} */
const message = (chance, namespace) => {
  const parts = Array.from({ length: chance.below(4) }, () => value(chance));
  return [`42${inNamespace(namespace)}${JSON.stringify(["message", ...parts])}`];
};
/** @type {Draw} */
const messageWithAck = (chance, namespace) => {
  const parts = Array.from({ length: chance.below(4) }, () => value(chance));
  const id = chance.of([0, 1, 7, 456, 9_007_199_254_740_991]);
  return [`42${inNamespace(namespace)}${id}${JSON.stringify(["message-with-ack", ...parts])}`];
};
/** @type {Draw} */
const binaryMessage = (chance, namespace) => {
  const count = 1 + chance.below(3);
  const attachments = Array.from({ length: count }, () => bytes(chance));
  const holders = attachments.map((_, num) => ({ _placeholder: true, num }));
  const parts = chance.holds(50) ? holders : [{ deep: holders, beside: value(chance) }];
  const [name, id] = chance.of([
    ["message", ""],
    ["message-with-ack", String(chance.below(100))],
  ]);
  const head = `45${count}-${inNamespace(namespace)}${id}`;
  return [`${head}${JSON.stringify([name, ...parts])}`, ...attachments];
};
/** @type {Draw} */
const disconnect = (_chance, namespace) => [`41${inNamespace(namespace)}`];
/** @type {Draw} */
const unsolicited = (chance, namespace) => [
  `43${inNamespace(namespace)}${chance.below(5)}${JSON.stringify([value(chance)])}`,
];
/** @type {Draw} */
const pong = () => ["3"];

/** Mostly what clients send. @type {Draw[]} */
const USUAL = [
  ...[message, message, message, messageWithAck, messageWithAck, binaryMessage, binaryMessage],
  ...[connect, connectWithPayload, disconnect, unsolicited, pong],
];

/** @type {Draw} */
const badConnect = (chance, namespace) => {
  const payload = chance.of(["[]", '"x"', "{", "null", "1", "{}}", '{"a":1', "true", "x"]);
  return [`40${inNamespace(namespace)}${payload}`];
};
/** @type {Draw} */
const badEvent = (chance, namespace) => {
  const rest = chance.of([
    ...["", "[", "{}", '"x"', "[]", "[null]", "[true]", "[{}]", '["message"', '["message",]'],
    ...['["message"]]', "x", "1", '[["message"]]', "[1.5]", '["message", 1,, 2]', "null"],
  ]);
  return [`42${inNamespace(namespace)}${rest}`];
};
/** @type {Draw} */
const oddName = (chance, namespace) => {
  const name = chance.of([
    ...["unknown", "", "connect", "connect_error", "disconnect", "disconnecting", "error"],
    ...["newListener", "removeListener", "connection", "message ", "__proto__", "a b", "ü", 7],
  ]);
  const id = chance.of(["", "3"]);
  return [`42${inNamespace(namespace)}${id}${JSON.stringify([name, value(chance)])}`];
};
/** @type {Draw} */
const oddJson = (chance, namespace) => {
  const part = chance.of([
    ...['{"a":1,"a":2}', '{"__proto__":{"x":1}}', "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]"],
    ...['"\\ud800"', "1e400", "01", "-0", "1.0", '"\\u0041"', "NaN", "'x'", "+1", '"\t"'],
    ...["9007199254740993", '{"constructor":1}', "[1 , 2 ]"],
  ]);
  return [`42${inNamespace(namespace)}["message",${part}]`];
};
/** @type {Draw} */
const oddAckId = (chance, namespace) => {
  const id = chance.of([
    "01",
    "-1",
    "1.5",
    "9007199254740992",
    "1e3",
    " 1",
    "99999999999999999999",
  ]);
  return [`42${inNamespace(namespace)}${id}["message-with-ack",1]`];
};
/** @type {Draw} */
const escapedName = (_chance, namespace) => [`42${inNamespace(namespace)}["m\\u0065ssage",1]`];
/** @type {Draw} */
const badAck = (chance, namespace) => {
  const rest = chance.of(["[]", "1", "1{}", '1"x"', "x[1]", "1[", "", "01[1]", "1.5[1]"]);
  return [`43${inNamespace(namespace)}${rest}`];
};
/** @type {Draw} */
const badHeader = (chance, namespace) => {
  const count = chance.of(["", "0-", "11-", "1", "-", "-1-", "1.5-", "01-", "x-", "1e0-", " 1-"]);
  return [
    `45${count}${inNamespace(namespace)}["message",{"_placeholder":true,"num":0}]`,
    bytes(chance),
  ];
};
/** @type {Draw} */
const badPlaceholder = (chance, namespace) => {
  const holder = chance.of([
    ...['{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":-1}', "{}"],
    ...['{"_placeholder":true}', '{"_placeholder":true,"num":"0"}', '{"_placeholder":1,"num":0}'],
    ...['{"_placeholder":true,"num":0.5}', '{"_placeholder":true,"num":0,"more":1}'],
    ...['{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}', '{"_placeholder":false}'],
  ]);
  return [`451-${inNamespace(namespace)}["message",${holder}]`, bytes(chance)];
};
/** @type {Draw} */
const placeholderInText = (_chance, namespace) => [
  `42${inNamespace(namespace)}["message",{"_placeholder":true,"num":0}]`,
];
/** @type {Draw} */
const binaryForUnknown = (chance, namespace) => [
  `451-${inNamespace(namespace)}["unknown",{"_placeholder":true,"num":0}]`,
  bytes(chance),
];
/** Too few attachments, with something else in their place. @type {Draw} */
const interrupted = (chance, namespace) => [
  `452-${inNamespace(namespace)}["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
  bytes(chance),
  chance.of(['42["message","between"]', "40/custom,", "41", '451-["message"]']),
];
/** A pong between header and attachment belongs to another layer. @type {Draw} */
const pongBetween = (chance, namespace) => [
  `451-${inNamespace(namespace)}["message",{"_placeholder":true,"num":0}]`,
  "3",
  bytes(chance),
];
/** @type {Draw} */
const strayBinary = (chance) => [bytes(chance)];
/** @type {Draw} */
const binaryAck = (chance, namespace) => [
  `461-${inNamespace(namespace)}${chance.of(["0", "7", ""])}[{"_placeholder":true,"num":0}]`,
  bytes(chance),
];
/** @type {Draw} */
const badDisconnect = (chance, namespace) => [
  `41${inNamespace(namespace)}${chance.of(["[]", "{}", "x"])}`,
];
/** @type {Draw} */
const errorOfClient = (chance, namespace) => [
  `44${inNamespace(namespace)}${chance.of(['{"message":"no"}', "", '"no"', "[]"])}`,
];
/** @type {Draw} */
const unknownType = (chance) => [
  chance.of(["4", "47", "48[]", "4x", "4 2[]", "49", '4-2["message"]']),
];
/** @type {Draw} */
const oddNamespace = (chance) => [
  chance.of([
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
const enginePacket = (chance) => [
  chance.of([
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
  const chance = new Chance(seed);
  const transport = chance.of(/** @type {const} */ (["websocket", "websocket", "polling"]));
  const joined = chance.of([["/"], ["/"], ["/custom"], ["/", "/custom"], []]);
  /** @type {Step[]} */
  const steps = joined.map((name) => [[`40${inNamespace(name)}`]]);
  const count = 1 + chance.below(STEPS_MAX);
  for (let index = 0; index < count; index += 1) steps.push(draw(chance, joined, transport));
  return { seed, transport, steps };
}

/**
 * @param {Chance} chance
 * @param {string[]} joined
 * @param {"websocket" | "polling"} transport
 * @returns {Step}
 */
function draw(chance, joined, transport) {
  const unit = () => {
    const kind = chance.of(chance.holds(70) ? USUAL : UNUSUAL);
    const isConnect = kind === connect || kind === connectWithPayload;
    // A second CONNECT ends everything: it is drawn, and not too often.
    const known = isConnect && chance.holds(80) ? without(joined) : joined;
    const fallback = chance.of(["/", "/custom", "/random"]);
    const namespace = chance.holds(95) && known.length > 0 ? chance.of(known) : fallback;
    return kind(chance, namespace);
  };
  if (transport === "websocket" && chance.holds(70)) return [unit()];
  const packets = Array.from({ length: 1 + chance.below(BATCH_MAX) }, unit).flat();
  const at = chance.below(packets.length + 1);
  // Sometimes a batch is cut, perhaps between a header and its attachments.
  if (transport === "websocket" || chance.holds(80) || at === 0 || at === packets.length)
    return [packets];
  return [packets.slice(0, at), packets.slice(at)];
}

/** @param {string[]} joined */
function without(joined) {
  return ["/", "/custom", "/random"].filter((name) => !joined.includes(name));
}
