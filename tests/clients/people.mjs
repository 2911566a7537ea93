// People with stock clients: they register, log in, connect, ask and listen.
// Never: a client with its checks switched off; the server's own authority is trusted, no other.
import { once } from "node:events";
import { request } from "node:https";
import { io } from "socket.io-client";

/** @typedef {import("./server.mjs").Server} Server */
/** @typedef {import("socket.io-client").Socket} Socket */
/** @typedef {import("node:http").IncomingHttpHeaders} Headers */
/** @typedef {{ reconnection?: boolean, transports?: ("polling" | "websocket")[] }} Reach */
/** @typedef {{ status: number, headers: Headers, body: any }} Answer */
/** @typedef {{ ok: boolean, error?: Fault } & Record<string, any>} Ack */
/** @typedef {{ code: string, message: string, ref: string } & Record<string, any>} Fault */
/** @typedef {{ id: string, seq: number, roomId: string, timestamp: number } & Said} Message */
/** @typedef {{ userId: string, username: string, message: string, html?: string }} Said */

export const PASSWORD = "a portcullis of plain oak";
const ANSWER_TIMEOUT_MS = 15_000;

/**
 * One HTTPS request with a JSON body, as a page of the server would send it.
 * @param {Server} server
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {Record<string, string>} [headers] beside what such a page always sends
 * @returns {Promise<Answer>}
 */
export async function ask(server, method, path, body, headers = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const sent = request(new URL(path, server.url), {
    method,
    ca: server.ca,
    agent: false,
    headers: {
      origin: server.url,
      ...headers,
      ...(text === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
    },
  });
  sent.end(text);
  const [response] = await once(sent, "response", {
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  response.setEncoding("utf8");
  let received = "";
  for await (const chunk of response) received += chunk;
  const isJson = /^application\/json/.test(response.headers["content-type"] ?? "");
  const answer = isJson ? JSON.parse(received) : received;
  return { status: response.statusCode, headers: response.headers, body: answer };
}

/**
 * Registers and logs in.
 * @param {Server} server
 * @param {string} username
 */
export async function newPerson(server, username) {
  const registered = await ask(server, "POST", "/auth/register", { username, password: PASSWORD });
  if (registered.status !== 201) {
    throw new Error(`${username} was not registered: ${show(registered)}`);
  }
  return login(server, username);
}

/**
 * @param {Server} server
 * @param {string} username
 * @param {string} [password]
 * @returns {Promise<{ id: string, username: string, token: string }>}
 */
export async function login(server, username, password = PASSWORD) {
  const answer = await ask(server, "POST", "/auth/login", { username, password });
  if (answer.status !== 200) throw new Error(`${username} was not logged in: ${show(answer)}`);
  const { access_token: token, user } = answer.body;
  return { id: user.id, username: user.username, token };
}

/**
 * A stock Socket.IO client that does not connect yet.
 * @param {Server} server
 * @param {Record<string, unknown>} auth
 * @param {{ origin?: string } & Reach} [options]
 * @returns {Socket}
 */
export function client(server, auth, options = {}) {
  return io(server.url, {
    autoConnect: false,
    forceNew: true,
    transports: options.transports ?? ["websocket"],
    ca: server.ca,
    extraHeaders: { Origin: options.origin ?? server.url },
    auth,
    reconnection: options.reconnection ?? false,
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
  });
}

/**
 * A connected Socket.IO client.
 * @param {Server} server
 * @param {{ token: string }} person
 * @param {Reach} [options]
 */
export async function connect(server, person, options) {
  const socket = client(server, { token: person.token }, options);
  const connected = nextEvent(socket, "connect");
  const refused = nextEvent(socket, "connect_error").then(([error]) => {
    throw new Error(`refused: ${error.message} ${JSON.stringify(error.data)}`);
  });
  refused.catch(() => {});
  socket.connect();
  await Promise.race([connected, refused]);
  return socket;
}

/**
 * One event and its acknowledgement.
 * @param {Socket} socket
 * @param {string} event
 * @param {object} payload
 * @param {object} [envelope]
 * @returns {Promise<Ack>}
 */
export async function sendEvent(socket, event, payload, envelope) {
  const parts = envelope === undefined ? [payload] : [payload, envelope];
  return socket.timeout(ANSWER_TIMEOUT_MS).emitWithAck(event, ...parts);
}

/**
 * As `sendEvent`, and it must be taken.
 * @param {Socket} socket
 * @param {string} event
 * @param {object} payload
 * @param {object} [envelope]
 */
export async function must(socket, event, payload, envelope) {
  const ack = await sendEvent(socket, event, payload, envelope);
  if (ack.ok !== true) throw new Error(`${event} was refused: ${JSON.stringify(ack)}`);
  return ack;
}

/**
 * The arguments of the next event of a name.
 * @param {Socket} socket
 * @param {string} event
 * @returns {Promise<any[]>}
 */
export function nextEvent(socket, event) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no ${event} in time`));
    const timer = setTimeout(late, ANSWER_TIMEOUT_MS);
    // A wait that lost a race must not keep the story from ending.
    timer.unref();
    socket.once(event, (...parts) => {
      clearTimeout(timer);
      resolve(parts);
    });
  });
}

/**
 * Everything of one event that arrives, in the order of arrival, and a way to wait for so many.
 * @param {Socket} socket
 * @param {string} event
 */
export function collect(socket, event) {
  /** @type {any[]} */
  const all = [];
  /** @type {(() => void)[]} */
  let waiting = [];
  socket.on(event, (payload) => {
    all.push(payload);
    waiting.forEach((wake) => wake());
  });
  return {
    all,
    /** @param {number} count */
    async atLeast(count) {
      const end = Date.now() + ANSWER_TIMEOUT_MS;
      while (all.length < count) {
        const left = end - Date.now();
        if (left <= 0) throw new Error(`${all.length} of ${count} ${event} arrived in time`);
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, left);
          waiting.push(() => {
            clearTimeout(timer);
            resolve(undefined);
          });
        });
        waiting = [];
      }
      return all;
    },
  };
}

/**
 * A room's whole history, oldest first.
 * @param {Socket} socket
 * @param {string} roomId
 * @returns {Promise<Message[]>}
 */
export async function history(socket, roomId) {
  /** @type {Message[]} */
  const all = [];
  for (;;) {
    const after = all.at(-1)?.seq ?? 0;
    const page = await must(socket, "chat:history", { roomId, after, limit: 100 });
    all.push(...page.messages);
    if (!page.more) return all;
    if (page.messages.length === 0) throw new Error("more is promised, nothing is given");
  }
}

/** @param {Answer} answer */
export function show({ status, body }) {
  return `${status} ${JSON.stringify(body)}`;
}
