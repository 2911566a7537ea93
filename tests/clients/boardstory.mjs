// What three people on one board live through; the same words in Node and in a browser.
// Never: an import, or anything only one of the two has; what it needs is given to it.

/** @typedef {import("socket.io-client").Socket} Socket */
/** @typedef {"polling" | "websocket"} Transport */

/**
 * @typedef {object} Given
 * @property {typeof import("socket.io-client").io} io the stock client
 * @property {string} url
 * @property {string} board of this run; no other clients use it
 * @property {Record<"ann" | "bob" | "carl", string>} tokens
 * @property {Record<string, string>} badTokens tokens that are not believed
 * @property {Transport[]} [transports] the client's own choice when it is missing
 * @property {object} [options] more for the client
 */

const TIMEOUT_MS = 15_000;
const IMAGE_MAX_BYTES = 8 * 1024;

/**
 * Everything in order; gives the names of the steps.
 * @param {Given} given
 */
export async function runStory(given) {
  const world = new World(given);
  /** @type {string[]} */
  const reply = [];
  try {
    for (const [name, step] of STEPS) {
      await step(world).catch((error) => {
        throw new Error(`${name}: ${error instanceof Error ? error.stack : error}`);
      });
      reply.push(name);
    }
  } finally {
    world.close();
  }
  return reply;
}

class World {
  /** @type {Socket[]} */
  #open = [];
  /** @type {Record<string, Socket>} */
  people = {};

  /** @param {Given} given */
  constructor(given) {
    this.given = given;
    this.board = given.board;
  }

  /**
   * A client that does not connect yet.
   * @param {object} auth
   * @param {string} [namespace]
   */
  client(auth, namespace = "/board") {
    const { io, url, transports, options } = this.given;
    const socket = io(`${url}${namespace}`, {
      ...options,
      ...(transports === undefined ? {} : { transports }),
      auth,
      autoConnect: false,
      forceNew: true,
      reconnection: false,
      reconnectionDelay: 20,
      reconnectionDelayMax: 200,
    });
    this.#open.push(socket);
    return socket;
  }

  /** @param {"ann" | "bob" | "carl"} name */
  person(name) {
    const socket = this.people[name];
    if (socket === undefined) throw new Error(`${name} is not there`);
    return socket;
  }

  /**
   * One event with what belongs to it; it must be taken.
   * @param {"ann" | "bob" | "carl"} name
   * @param {string} event
   * @param {object} payload
   */
  async must(name, event, payload) {
    const request = { board: this.board, ...payload };
    const ack = await this.person(name).timeout(TIMEOUT_MS).emitWithAck(event, request);
    if (ack.ok !== true) throw new Error(`${event} of ${name}: ${JSON.stringify(ack)}`);
    return ack;
  }

  close() {
    for (const socket of this.#open) socket.disconnect();
  }
}

/** @type {[string, (world: World) => Promise<void>][]} */
const STEPS = [
  ["a client without a valid token is rejected", refusals],
  ["every client connects by the requested transport", arrivals],
  ["members receive joins and cursor moves", rooms],
  ["the server asks, and everyone answers or is missing", questions],
  ["binary data goes both ways, in events and acknowledgements", drawings],
  ["many events at once keep their order", orders],
  ["a recovered client gets missed events once and in order", recovery],
  ["a client that loses the connection reconnects by itself", reconnection],
  ["the server can end a socket's place, for good", quitting],
  ["a client can leave by itself", leaving],
];

/** @param {World} world */
async function refusals(world) {
  const missing = { "without one": {}, "of a number": { token: 7 } };
  const bad = Object.entries(world.given.badTokens).map(([why, token]) => [why, { token }]);
  for (const [why, auth] of [...Object.entries(missing), ...bad]) {
    const error = await refusal(world.client(/** @type {object} */ (auth)));
    same(error.data?.code, "unauthorized", `${why}: ${error.message} ${shown(error.data)}`);
    holds(/^[A-Za-z0-9_-]{1,16}$/.test(error.data.ref), `${why}: no reference`);
  }
  const nowhere = await refusal(world.client({ token: world.given.tokens.ann }, "/nowhere"));
  holds(/\S/.test(nowhere.message), "a namespace that is not there has no words");
  holds(typeof nowhere.data?.code === "string", shown(nowhere.data));
}

/** @param {World} world */
async function arrivals(world) {
  const { tokens, transports } = world.given;
  for (const name of /** @type {const} */ (["ann", "bob", "carl"])) {
    const socket = world.client({ token: tokens[name] });
    world.people[name] = socket;
    const opened = receivedOf(socket.io, "open").then(() => socket.io.engine.transport.name);
    await connected(socket);
    same(await opened, transports?.[0] ?? "polling", "the first transport");
    same(socket.recovered, false);
  }
}

/** @param {World} world */
async function rooms(world) {
  same((await world.must("ann", "board:join", {})).cursors, [{ user: "ann", x: 0, y: 0 }]);
  for (const name of /** @type {const} */ (["bob", "carl"])) {
    const delivered = receivedOf(world.person("ann"), "board:joined");
    await world.must(name, "board:join", {});
    same((await delivered)[0], { user: name });
  }
  /** @type {any[]} */
  const own = [];
  world.person("ann").on("cursor:moved", (moved) => own.push(moved));
  const moved = ["bob", "carl"].map((name) =>
    receivedOf(world.person(/** @type {"bob" | "carl"} */ (name)), "cursor:moved"),
  );
  await world.must("ann", "cursor:move", { x: 3, y: 10_000 });
  for (const delivered of moved) {
    same((await delivered)[0], { board: world.board, user: "ann", x: 3, y: 10_000 });
  }
  // Ann receives Bob's event after the event of her own that she must not receive.
  const after = receivedOf(world.person("ann"), "cursor:moved");
  await world.must("bob", "cursor:move", { x: 1, y: 2 });
  await after;
  same(own, [{ board: world.board, user: "bob", x: 1, y: 2 }]);
  const wrong = await world
    .person("bob")
    .timeout(TIMEOUT_MS)
    .emitWithAck("cursor:move", { board: world.board, x: -1, y: 70_000 });
  same(wrong.ok, false);

  await world.must("carl", "board:leave", {});
  const notes = collected(world.person("carl"), "board:note");
  await world.must("ann", "board:note", { text: "not for carl" });
  const { cursors } = await world.must("carl", "board:join", {});
  same(cursors.map((/** @type {{ user: string }} */ { user }) => user).sort(), [
    "ann",
    "bob",
    "carl",
  ]);
  await world.must("ann", "board:note", { text: "for carl too" });
  same((await notes.first(1)).map(texts), ["for carl too"]);
}

/** @param {World} world */
async function questions(world) {
  const payload = { question: "tea?" };
  const [bob, carl] = [world.person("bob"), world.person("carl")];
  bob.on("board:question", ({ user, question }, answer) =>
    answer({ answer: `bob to ${user}: ${question}` }),
  );
  carl.once("board:question", (_request, answer) => answer({ answer: "carl: yes" }));
  const both = await world.must("ann", "board:ask", payload);
  const answers = both.answers.map((/** @type {any} */ { answer }) => answer).sort();
  same(answers, ["bob to ann: tea?", "carl: yes"]);
  same(both.missing, 0);
  // Carl does not listen any more, so the server has to stop waiting.
  const one = await world.must("ann", "board:ask", payload);
  same([one.answers.length, one.missing], [1, 1]);
}

/** @param {World} world */
async function drawings(world) {
  for (const size of [1, 256, IMAGE_MAX_BYTES]) {
    const image = Uint8Array.from({ length: size }, (_, index) => (index * 7 + size) % 256);
    const delivered = receivedOf(world.person("bob"), "board:drawn");
    const ack = await world.must("ann", "board:draw", { image });
    same([ack.bytes, bytes(ack.image)], [size, Array.from(image)]);
    const [drawn] = await delivered;
    same([drawn.board, drawn.user], [world.board, "ann"]);
    same(bytes(drawn.image), Array.from(image), `${size} bytes for bob`);
  }
}

/** @param {World} world */
async function orders(world) {
  const expect = Array.from({ length: 20 }, (_, index) => `number ${index}`);
  const people = /** @type {const} */ (["ann", "bob", "carl"]);
  const delivered = people.map((name) => collected(world.person(name), "board:note"));
  const acks = expect.map((text) => world.must("ann", "board:note", { text }));
  const numbers = (await Promise.all(acks)).map(({ number }) => number);
  for (const notes of delivered) {
    const received = await notes.first(expect.length);
    same(received.map(texts), expect);
    same(
      received.map(({ number }) => number),
      numbers,
    );
  }
}

/** @param {World} world */
async function recovery(world) {
  const bob = world.person("bob");
  const notes = collected(bob, "board:note");
  const { id } = bob;
  await world.must("ann", "board:note", { text: "before" });
  await notes.first(1);
  await lost(bob);
  for (const text of ["first", "second", "third"]) await world.must("ann", "board:note", { text });
  await connected(bob);
  same([bob.recovered, bob.id], [true, id]);
  await world.must("ann", "board:note", { text: "live" });
  same((await notes.first(5)).map(texts), ["before", "first", "second", "third", "live"]);
  // The place is the same one: its rooms are heard, and it may still act.
  const moved = receivedOf(world.person("ann"), "cursor:moved");
  await world.must("bob", "cursor:move", { x: 5, y: 6 });
  same((await moved)[0].user, "bob");
}

/** @param {World} world */
async function reconnection(world) {
  const bob = world.person("bob");
  const notes = collected(bob, "board:note");
  const { id } = bob;
  bob.io.reconnection(true);
  for (const text of ["again", "and again"]) {
    const back = receivedOf(bob, "connect");
    await lost(bob);
    await world.must("ann", "board:note", { text });
    await back;
    same([bob.recovered, bob.id], [true, id]);
  }
  bob.io.reconnection(false);
  same((await notes.first(2)).map(texts), ["again", "and again"]);
  await settled(world, bob);
}

/** @param {World} world */
async function quitting(world) {
  const bob = world.person("bob");
  const { id } = bob;
  await settled(world, bob);
  const ended = receivedOf(bob, "disconnect");
  bob.emit("board:quit", {});
  same((await ended)[0], "io server disconnect");
  const notes = collected(bob, "board:note");
  await world.must("ann", "board:note", { text: "while bob is out" });
  await connected(bob);
  same([bob.recovered, bob.id === id], [false, false]);
  await world.must("bob", "board:join", {});
  await world.must("ann", "board:note", { text: "bob is in" });
  same((await notes.first(1)).map(texts), ["bob is in"]);
}

/** @param {World} world */
async function leaving(world) {
  const [bob, carl] = [world.person("bob"), world.person("carl")];
  carl.on("board:question", (_request, answer) => answer({ answer: "carl alone" }));
  await settled(world, bob);
  const ended = receivedOf(bob, "disconnect");
  bob.disconnect();
  same((await ended)[0], "io client disconnect");
  // Bob's going and ann's question travel apart: ask until only carl is asked.
  const end = Date.now() + TIMEOUT_MS;
  for (;;) {
    const { answers, missing } = await world.must("ann", "board:ask", { question: "which?" });
    same(answers, [{ answer: "carl alone" }]);
    if (missing === 0) break;
    holds(Date.now() < end, "bob does not go");
  }
}

/**
 * The transport in the end is the one that was asked for; the default ends as a WebSocket.
 * @param {World} world
 * @param {Socket} socket
 */
async function settled(world, socket) {
  const { engine } = socket.io;
  const wanted = world.given.transports?.at(-1) ?? "websocket";
  if (engine.transport.name !== wanted) await receivedOf(engine, "upgrade");
  same(engine.transport.name, wanted, "the transport in the end");
}

/** @param {Socket} socket */
async function connected(socket) {
  const refused = receivedOf(socket, "connect_error").then(([error]) => {
    throw new Error(`refused: ${error.message} ${shown(error.data)}`);
  });
  refused.catch(() => {});
  const inside = receivedOf(socket, "connect");
  socket.connect();
  await Promise.race([inside, refused]);
}

/** @param {Socket} socket */
async function refusal(socket) {
  const outcome = Promise.race([
    receivedOf(socket, "connect_error"),
    receivedOf(socket, "connect").then(() => [undefined]),
  ]);
  socket.connect();
  const [error] = await outcome;
  holds(error !== undefined, "it was admitted");
  same(socket.connected, false);
  // The server ends it. A client that ends it at the same moment would notify no peer.
  const { engine } = socket.io;
  if (engine.readyState !== "closed") await receivedOf(engine, "close");
  socket.disconnect();
  return error;
}

/**
 * The engine goes away under a socket, which keeps what it knows. While the engine changes its
 * transport it would not go at once.
 * @param {Socket} socket
 */
async function lost(socket) {
  const { engine } = socket.io;
  if (/** @type {any} */ (engine).upgrading) await receivedOf(engine, "upgrade");
  const ended = receivedOf(socket, "disconnect");
  engine.close();
  holds(["forced close", "transport close"].includes((await ended)[0]), "why it ended");
}

/**
 * The arguments of the next event of a name.
 * @param {any} emitter
 * @param {string} event
 * @returns {Promise<any[]>}
 */
function receivedOf(emitter, event) {
  const called = new Error(`no ${event} in time`);
  const delivered = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(called), TIMEOUT_MS);
    // In Node, an unused wait must not keep the story from ending.
    /** @type {any} */ (timer).unref?.();
    emitter.once(event, (/** @type {any[]} */ ...parts) => {
      clearTimeout(timer);
      resolve(parts);
    });
  });
  // Another step may have failed by the time this one is late.
  delivered.catch(() => {});
  return delivered;
}

/**
 * Everything of one event, in the order of arrival.
 * @param {Socket} socket
 * @param {string} event
 */
function collected(socket, event) {
  /** @type {any[]} */
  const all = [];
  socket.on(event, (payload) => all.push(payload));
  return {
    /** So many and no more, as far as is known by then. @param {number} count */
    async first(count) {
      while (all.length < count) await receivedOf(socket, event);
      same(all.length, count, `${event}s: ${shown(all)}`);
      return all;
    },
  };
}

/** @param {{ text: string }} note */
function texts({ text }) {
  return text;
}

/** What is binary in this place, as numbers. @param {any} data */
function bytes(data) {
  const isBinary = data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  holds(isBinary, `no binary data: ${shown(data)}`);
  return Array.from(new Uint8Array(/** @type {any} */ (data)));
}

/**
 * @param {any} seen
 * @param {any} expect
 * @param {string} [what]
 */
function same(seen, expect, what = "") {
  holds(shown(seen) === shown(expect), `${what} ${shown(seen)} is not ${shown(expect)}`);
}

/**
 * @param {boolean} condition
 * @param {string} words
 */
function holds(condition, words) {
  if (!condition) throw new Error(words.slice(0, 2_000));
}

/** @param {any} value */
function shown(value) {
  return JSON.stringify(value) ?? "undefined";
}
