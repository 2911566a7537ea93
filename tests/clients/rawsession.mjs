// Raw Engine.IO sessions, one packet at a time, with everything that can be seen from outside.
// Never: a packet that a client library would have made better, or left out.
import { Agent, request } from "node:http";
import { WebSocket } from "ws";

/** @typedef {string | Uint8Array} Packet */
/** @typedef {{ status?: number, received: string[], open: boolean }} Seen */

const TIMEOUT_MS = 10_000;
const SEPARATOR = "\x1e";

/**
 * One HTTP request, exactly so.
 * @param {string} url
 * @param {{ method?: string, body?: string | Uint8Array, headers?: Record<string, string>,
 *   agent?: Agent }} [options]
 * @returns {Promise<{ status: number, body: string }>}
 */
export async function fetchRaw(url, { method = "GET", body, headers = {}, agent } = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const sent = request(
      url,
      { method, agent: agent ?? false, headers: { ...length, ...headers } },
      (response) => {
        response.setEncoding("utf8");
        let received = "";
        response.on("data", (chunk) => (received += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: received }));
        response.on("error", reject);
      },
    );
    sent.setTimeout(TIMEOUT_MS, () => sent.destroy(new Error(`no answer to ${method} ${url}`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

/**
 * What differs from run to run is masked; JSON has one spelling.
 * @param {Packet} packet
 */
export function normal(packet) {
  if (typeof packet !== "string") return `binary ${Buffer.from(packet).toString("hex")}`;
  const masked = packet.replace(/"sid":"[^"]+"/, '"sid":"*"');
  const [, head, json] = /^(\d+(?:-)?(?:\/[^,]*,)?\d*)([[{].*)$/s.exec(masked) ?? [];
  if (json === undefined) return masked;
  try {
    return head + JSON.stringify(JSON.parse(json));
  } catch {
    return masked;
  }
}

/** A session whose packets are frames of a WebSocket. */
export class WebSocketSession {
  /** @type {string[]} */
  #received = [];
  #open = true;
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {string} url
   * @param {string} [path]
   * @param {string} [query]
   */
  constructor(url, path = "/socket.io/", query = "") {
    const address = `${url.replace("http", "ws")}${path}?EIO=4&transport=websocket${query}`;
    this.socket = new WebSocket(address, { origin: url, perMessageDeflate: false });
    this.socket.on("message", (data, isBinary) => {
      this.#received.push(normal(isBinary ? /** @type {Buffer} */ (data) : String(data)));
      this.#wake();
    });
    this.socket.on("open", () => this.#wake());
    this.socket.on("pong", () => this.#wake());
    this.socket.on("close", () => {
      this.#open = false;
      this.#wake();
    });
    // How it was refused is seen by that it closes.
    this.socket.on("error", () => {});
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /**
   * @param {() => boolean} holds
   * @param {string} what
   */
  async until(holds, what) {
    const end = Date.now() + TIMEOUT_MS;
    while (!holds()) {
      if (Date.now() >= end) throw new Error(`no ${what} in time: ${this.#received}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, end - Date.now());
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve(undefined);
        });
      });
    }
  }

  /** What the server says first. @returns {Promise<Seen>} */
  async begin() {
    await this.until(() => this.#received.length > 0 || !this.#open, "first packet");
    return this.#seen();
  }

  /** Accepted, or refused. */
  async opened() {
    const { socket } = this;
    await this.until(() => socket.readyState === WebSocket.OPEN || !this.#open, "upgrade");
  }

  async closed() {
    await this.until(() => !this.#open, "end");
  }

  /**
   * Packets, and what has come of them once the server has answered two pings of the WebSocket,
   * one after the other: by then both servers have done everything that packets ask for.
   * @param {Packet[][]} bodies
   * @returns {Promise<Seen>}
   */
  async say(bodies) {
    for (const packet of bodies.flat()) this.socket.send(packet, () => {});
    await this.#settle();
    await this.#settle();
    return this.#seen();
  }

  async #settle() {
    let ponged = false;
    const pong = () => (ponged = true);
    this.socket.once("pong", pong);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.ping();
    await this.until(() => ponged || !this.#open, "pong");
    this.socket.off("pong", pong);
  }

  #seen() {
    return { received: this.#received.splice(0), open: this.#open };
  }

  async end() {
    this.socket.terminate();
  }
}

/** A session whose packets are posted, and polled. */
export class PollingSession {
  #agent = new Agent({ keepAlive: true });
  #fences = 0;
  #open = true;
  sid = "";

  /**
   * @param {string} url
   * @param {string} [path]
   */
  constructor(url, path = "/socket.io/") {
    this.address = `${url}${path}?EIO=4&transport=polling`;
    this.headers = { origin: url };
  }

  /** @returns {Promise<Seen>} */
  async begin() {
    const { status, body } = await fetchRaw(this.address, { headers: this.headers });
    if (status !== 200) throw new Error(`no session: ${status} ${body}`);
    this.sid = JSON.parse(body.slice(1)).sid;
    this.address += `&sid=${this.sid}`;
    return { received: [normal(body)], open: true };
  }

  /** @param {Packet[]} packets */
  async post(packets) {
    const body = packets
      .map((packet) =>
        typeof packet === "string" ? packet : `b${Buffer.from(packet).toString("base64")}`,
      )
      .join(SEPARATOR);
    return fetchRaw(this.address, {
      method: "POST",
      body,
      agent: this.#agent,
      headers: { ...this.headers, "content-type": "text/plain;charset=UTF-8" },
    });
  }

  async poll() {
    return fetchRaw(this.address, { headers: this.headers, agent: this.#agent });
  }

  /**
   * Bodies of packets, and what has come of them: a CONNECT to a namespace that does not exist is
   * refused behind everything else.
   * @param {Packet[][]} bodies
   * @returns {Promise<Seen>}
   */
  async say(bodies) {
    let status = 200;
    for (const body of bodies) if (status === 200) ({ status } = await this.post(body));
    const fence = `/fence${(this.#fences += 1)}`;
    if (status === 200) await this.post([`40${fence},`]);
    /** @type {string[]} */
    const received = [];
    for (;;) {
      const polled = await this.poll();
      const parts = polled.status === 200 ? polled.body.split(SEPARATOR) : ["1"];
      for (const part of parts) {
        if (part.startsWith(`44${fence},`)) return { status, received, open: this.#open };
        if (part === "1") this.#open = false;
        else if (part.startsWith("b")) received.push(normal(Buffer.from(part.slice(1), "base64")));
        else if (part !== "6") received.push(normal(part));
      }
      if (!this.#open) return { status, received, open: false };
    }
  }

  /** The client's own goodbye, so that no server waits for another poll. */
  async end() {
    if (this.#open) await this.post(["1"]);
    this.#agent.destroy();
  }
}
