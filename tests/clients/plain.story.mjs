// The plain JSON form over a bare WebSocket, beside a Socket.IO client in the same room.
// Never: a Socket.IO packet.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { collect, connect, must, newPerson } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

const TIMEOUT_MS = 15_000;

/** A plain WebSocket that numbers its requests and keeps all received messages. */
class Plain {
  /** @type {Map<number | string, (answer: any) => void>} */
  #waiting = new Map();
  #number = 0;
  /** @type {{ event: string, data: any }[]} */
  events = [];

  /**
   * @param {Server} server
   * @param {Record<string, string>} [headers]
   * @param {string} [path]
   */
  constructor(server, headers = {}, path = "/ws") {
    this.socket = new WebSocket(new URL(path, server.url.replace("https", "wss")), {
      ca: server.ca,
      headers: { origin: server.url, ...headers },
      perMessageDeflate: false,
    });
    // Unheard, a refusal would end the process; who expects one listens besides.
    this.socket.on("error", () => {});
    this.socket.on("message", (data) => {
      const { id, ...message } = JSON.parse(String(data));
      const answered = this.#waiting.get(id);
      if (answered === undefined) this.events.push(message);
      else answered(message);
      this.#waiting.delete(id);
    });
  }

  async opened() {
    await once(this.socket, "open", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return this;
  }

  /** The close code. */
  async closed() {
    const [code] = await once(this.socket, "close", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return code;
  }

  /** The status of an answer that is not an upgrade. */
  async refused() {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const [request, response] = await once(this.socket, "unexpected-response", { signal });
    request.destroy();
    return response.statusCode;
  }

  /**
   * @param {string} event
   * @param {object} data
   * @param {object} [more]
   * @returns {Promise<any>}
   */
  async ask(event, data, more = {}) {
    const id = (this.#number += 1);
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${event}`)), TIMEOUT_MS);
      this.#waiting.set(id, (message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
    this.socket.send(JSON.stringify({ event, data, id, ...more }));
    return answer;
  }
}

describe("a bare WebSocket", () => {
  /** @type {Server} */
  let server;
  /** @type {{ id: string, username: string, token: string }} */
  let ann;
  /** @type {{ id: string, username: string, token: string }} */
  let bob;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    ann = await newPerson(server, "ann");
    bob = await newPerson(server, "bob");
  });
  after(async () => {
    await server?.remove();
  });

  test("talks with a Socket.IO client in one order", async () => {
    const plain = await new Plain(server).opened();
    const entered = await plain.ask("connect", { token: ann.token });
    assert.equal(entered.ok, true, JSON.stringify(entered));
    const stock = await connect(server, bob);
    const inbox = collect(stock, "chat:message");
    const { room } = await plain.ask("room:create", { name: "Both", visibility: "public" });
    const roomId = room.id;
    await must(stock, "room:join", { roomId });
    for (let number = 1; number <= 5; number += 1) {
      const text = await plain.ask("chat:send", { roomId, message: `plain ${number}` });
      assert.equal(text.ok, true, JSON.stringify(text));
      await must(stock, "chat:send", { roomId, message: `stock ${number}` });
    }
    const once = await plain.ask("chat:send", { roomId, message: "once" }, { mid: "p-1" });
    const again = await plain.ask("chat:send", { roomId, message: "once" }, { mid: "p-1" });
    assert.deepEqual(again, once);

    const received = await inbox.atLeast(11);
    assert.deepEqual(
      received.map(({ seq }) => seq),
      Array.from({ length: 11 }, (_, index) => index + 1),
    );
    const page = await plain.ask("chat:history", { roomId });
    assert.deepEqual(page.messages, received);
    const delivered = plain.events.filter(({ event }) => event === "chat:message");
    assert.deepEqual(
      delivered.map(({ data }) => data),
      received,
    );
    stock.disconnect();
    plain.socket.close();
    assert.ok([1000, 1005].includes(await plain.closed()));
  });

  test("a bearer token in the head needs no first message", async () => {
    const plain = await new Plain(server, { authorization: `Bearer ${ann.token}` }).opened();
    const listed = await plain.ask("room:list", {});
    assert.equal(listed.ok, true, JSON.stringify(listed));
    plain.socket.close();
  });

  test("is refused with a code of its own", async () => {
    const wrong = await new Plain(server).opened();
    const closing = wrong.closed();
    const answer = await wrong.ask("connect", { token: "nonsense" });
    assert.equal(answer.ok, false);
    assert.equal(answer.error.code, "unauthorized");
    assert.equal(await closing, 4401);

    const early = await new Plain(server).opened();
    const ended = early.closed();
    early.socket.send(JSON.stringify({ event: "room:list", data: {}, id: 1 }));
    assert.equal(await ended, 1002);

    const binary = await new Plain(server, { authorization: `Bearer ${ann.token}` }).opened();
    const refused = binary.closed();
    binary.socket.send(Buffer.from([1, 2, 3]));
    assert.equal(await refused, 1003);

    const large = await new Plain(server, { authorization: `Bearer ${ann.token}` }).opened();
    const tooLarge = large.closed();
    large.socket.send(JSON.stringify({ event: "chat:send", data: "x".repeat(20_000) }));
    assert.equal(await tooLarge, 1009);
  });

  test("is ended by ten violations in a minute", async () => {
    const plain = await new Plain(server, { authorization: `Bearer ${bob.token}` }).opened();
    const ended = plain.closed();
    for (let strike = 1; strike <= 10; strike += 1) {
      plain.socket.send(JSON.stringify({ event: "no:such", data: {}, id: strike }));
    }
    assert.equal(await ended, 4429);
  });

  test("is rejected without permission (T-001, T-022)", async () => {
    /** @type {[Record<string, string>, string, number][]} */
    const cases = [
      [{ origin: "https://evil.example" }, "/ws", 403],
      [{ origin: "null" }, "/ws", 403],
      [{ authorization: "Bearer nonsense" }, "/ws", 401],
      [{}, `/ws?token=${ann.token}`, 401],
      [{}, "/nowhere", 404],
    ];
    for (const [headers, path, status] of cases) {
      const seen = await new Plain(server, headers, path).refused();
      assert.equal(seen, status, `${path} ${JSON.stringify(headers)}`);
    }
  });
});

describe("connections from one address", () => {
  test("are ten a minute, then refused before they are any (T-070)", async () => {
    // The default in production: development does not limit clients of this machine.
    const server = await Server.start({ limits: '[rate]\nconnect_per_prefix = "10/60s"\n' });
    try {
      const statuses = [];
      for (let attempt = 0; attempt < 12; attempt += 1) {
        const plain = new Plain(server);
        const outcome = await Promise.race([
          plain.opened().then(() => 101),
          plain.refused(),
        ]).finally(() => plain.socket.terminate());
        statuses.push(outcome);
      }
      assert.deepEqual(statuses, [...Array(10).fill(101), 429, 429]);
    } finally {
      await server.remove();
    }
  });
});
