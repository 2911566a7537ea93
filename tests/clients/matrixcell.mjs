// What two people live through with one stock client by one transport; the same words for every
// version from 3.1 on, in Node and in a browser.
// Never: an import, or a method that not every version has; what it needs is given to it.

/**
 * @typedef {object} Cell
 * @property {any} io the stock client
 * @property {string} url
 * @property {string} board of this run; no other clients use it
 * @property {Record<"ann" | "bob", string>} tokens
 * @property {("polling" | "websocket")[]} [transports] the client's own choice when it is missing
 * @property {boolean} recovers whether this version asks for its place again (4.6 and later)
 * @property {object} [options] more for the client
 */

const TIMEOUT_MS = 20_000;
const IMAGE_BYTES = 4 * 1024;
/** What applications send beside the token. */
const EXTRA = { deviceId: "d-1", app: { version: "2.3.1", name: "Ада" }, tags: ["a", "b"] };

/**
 * Everything in order; gives the names of the steps.
 * @param {Cell} cell
 */
export async function runCell(cell) {
  /** @type {any[]} */
  const open = [];
  const client = (/** @type {object} */ auth) => {
    const socket = cell.io(`${cell.url}/board`, {
      ...cell.options,
      ...(cell.transports === undefined ? {} : { transports: cell.transports }),
      query: { deviceId: "d-1", appVersion: "2.3.1" },
      auth,
      autoConnect: false,
      forceNew: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 200,
      timeout: TIMEOUT_MS,
    });
    open.push(socket);
    return socket;
  };
  const reply = [];
  try {
    const [ann, bob] = /** @type {const} */ (["ann", "bob"]).map((name) =>
      client({ token: cell.tokens[name], ...EXTRA }),
    );
    for (const [name, step] of STEPS) {
      const world = { cell, client, ann, bob };
      const done = await step(world).catch((/** @type {any} */ error) => {
        throw new Error(`${name}: ${error instanceof Error ? error.stack : error}`);
      });
      if (done !== "not in this version") reply.push(name);
    }
  } finally {
    for (const socket of open) socket.disconnect();
  }
  return reply;
}

/** @typedef {{ cell: Cell, client: (auth: object) => any, ann: any, bob: any }} World */

/** @type {[string, (world: World) => Promise<string | void>][]} */
const STEPS = [
  ["a rejected CONNECT names its cause", rejection],
  ["a token with additional fields in auth connects", arrival],
  ["the transport in the end is the one that was asked for", transport],
  ["an event is acknowledged, and the room receives it", rooms],
  ["the server asks, and the client acknowledges", question],
  ["binary data goes both ways", drawing],
  ["a lost connection is recovered", recovery],
  ["after the server closes the transport the client comes back", reconnection],
];

/** @param {World} world */
async function rejection({ client }) {
  for (const auth of [{ ...EXTRA }, { token: "nonsense", ...EXTRA }]) {
    const socket = client(auth);
    const outcome = receivedOf(socket, "connect_error");
    socket.connect();
    const [error] = await outcome;
    same([error.message, error.data?.code], ["unauthorized", "unauthorized"]);
    holds(/^[A-Za-z0-9_-]{1,16}$/.test(error.data.ref), "no reference");
    socket.disconnect();
  }
}

/** @param {World} world */
async function arrival({ ann, bob }) {
  await connected(ann);
  await connected(bob);
}

/** @param {World} world */
async function transport({ cell, ann, bob }) {
  const wanted = cell.transports?.at(-1) ?? "websocket";
  for (const socket of [ann, bob]) {
    const { engine } = socket.io;
    if (engine.transport.name !== wanted) await receivedOf(engine, "upgrade");
    same(engine.transport.name, wanted);
  }
}

/** @param {World} world */
async function rooms({ cell, ann, bob }) {
  await must(ann, "board:join", { board: cell.board });
  const joined = receivedOf(ann, "board:joined");
  await must(bob, "board:join", { board: cell.board });
  same((await joined)[0], { user: "bob" });
  await noted(cell, ann, bob, "for all on the board");
}

/** @param {World} world */
async function question({ cell, ann, bob }) {
  bob.once("board:question", (/** @type {any} */ request, /** @type {any} */ answer) =>
    answer({ answer: `bob to ${request.user}: ${request.question}` }),
  );
  const ack = await must(ann, "board:ask", { board: cell.board, question: "tea?" });
  same([ack.answers, ack.missing], [[{ answer: "bob to ann: tea?" }], 0]);
}

/** @param {World} world */
async function drawing({ cell, ann, bob }) {
  for (const [from, to] of [
    [ann, bob],
    [bob, ann],
  ]) {
    for (const size of [1, IMAGE_BYTES]) {
      const image = Uint8Array.from({ length: size }, (_, index) => (index * 7 + size) % 256);
      const received = receivedOf(to, "board:drawn");
      const ack = await must(from, "board:draw", { board: cell.board, image });
      same([ack.bytes, bytes(ack.image)], [size, Array.from(image)]);
      same(bytes((await received)[0].image), Array.from(image));
    }
  }
}

/** @param {World} world */
async function recovery({ cell, ann, bob }) {
  if (!cell.recovers) return "not in this version";
  const { id } = bob;
  await noted(cell, ann, bob, "before");
  const back = receivedOf(bob, "connect");
  const missed = receivedOf(bob, "board:note");
  const ended = receivedOf(bob, "disconnect");
  bob.io.engine.close();
  await ended;
  await must(ann, "board:note", { board: cell.board, text: "missed" });
  await back;
  same([bob.recovered, bob.id], [true, id]);
  same((await missed)[0].text, "missed");
  await noted(cell, ann, bob, "live");
}

/** @param {World} world */
async function reconnection({ cell, ann, bob }) {
  const { engine } = bob.io;
  const wanted = cell.transports?.at(-1) ?? "websocket";
  if (engine.transport.name !== wanted) await receivedOf(engine, "upgrade");
  const [ended, back] = [receivedOf(bob, "disconnect"), receivedOf(bob, "connect")];
  // No packet begins like this, so the server closes the transport.
  engine.write("9");
  const [reason] = await ended;
  holds(["transport close", "transport error"].includes(reason), reason);
  await back;
  await must(bob, "board:join", { board: cell.board });
  await noted(cell, ann, bob, "welcome back");
}

/**
 * A note reaches both, and is acknowledged.
 * @param {Cell} cell
 * @param {any} from
 * @param {any} to
 * @param {string} text
 */
async function noted(cell, from, to, text) {
  const received = [from, to].map((socket) => receivedOf(socket, "board:note"));
  const { number } = await must(from, "board:note", { board: cell.board, text });
  for (const [note] of await Promise.all(received)) same([note.number, note.text], [number, text]);
}

/** @param {any} socket */
async function connected(socket) {
  const refused = receivedOf(socket, "connect_error").then(([error]) => {
    const words = [error.message, shown(error.data), error.description, shown(error.context)];
    throw new Error(`rejected: ${words}`);
  });
  refused.catch(() => {});
  const inside = receivedOf(socket, "connect");
  socket.connect();
  await Promise.race([inside, refused]);
}

/**
 * One event; it must be taken.
 * @param {any} socket
 * @param {string} event
 * @param {object} payload
 * @returns {Promise<any>}
 */
function must(socket, event, payload) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${event} was not acknowledged in time`));
    const timer = setTimeout(late, TIMEOUT_MS);
    socket.emit(event, payload, (/** @type {any} */ ack) => {
      clearTimeout(timer);
      if (ack?.ok === true) resolve(ack);
      else reject(new Error(`${event} was rejected: ${shown(ack)}`));
    });
  });
}

/**
 * The arguments of the next event of a name.
 * @param {any} emitter
 * @param {string} event
 * @returns {Promise<any[]>}
 */
function receivedOf(emitter, event) {
  const called = new Error(`no ${event} in time`);
  const received = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(called), TIMEOUT_MS);
    // In Node, an unused wait must not keep the story from ending.
    /** @type {any} */ (timer).unref?.();
    emitter.once(event, (/** @type {any[]} */ ...parts) => {
      clearTimeout(timer);
      resolve(parts);
    });
  });
  // Another step may have failed by the time this one is late.
  received.catch(() => {});
  return /** @type {Promise<any[]>} */ (received);
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
 */
function same(seen, expect) {
  holds(shown(seen) === shown(expect), `${shown(seen)} is not ${shown(expect)}`);
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
  try {
    return JSON.stringify(value) ?? "undefined";
  } catch {
    return String(value);
  }
}
