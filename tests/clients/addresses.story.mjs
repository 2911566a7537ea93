// Clients whose requests come from several addresses, as behind a provider's pool of addresses.
// Never: a session that a thief of its id can use.
import assert from "node:assert/strict";
import { Agent, request } from "node:https";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { nextEvent, newPerson } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** Opens each connection from the next of its addresses; TLS sessions are resumed as usual. */
class Pool extends Agent {
  #count = 0;
  #addresses;

  /**
   * @param {string} ca
   * @param {string[]} addresses
   */
  constructor(ca, addresses) {
    super({ ca, keepAlive: false });
    this.#addresses = addresses;
  }

  /** How many connections there were. */
  get count() {
    return this.#count;
  }

  /**
   * @param {any} options
   * @param {any} callback
   * @returns {any}
   */
  createConnection(options, callback) {
    const localAddress = this.#addresses[this.#count++ % this.#addresses.length];
    return /** @type {any} */ (Agent.prototype).createConnection.call(
      this,
      { ...options, localAddress },
      callback,
    );
  }
}

describe("a client with a pool of addresses", () => {
  /** @type {Server} */
  let server;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
  });
  after(async () => {
    await server?.remove();
  });

  for (const transports of [["polling"], ["polling", "websocket"], ["websocket"]]) {
    test(`connects and stays by ${transports.join(", then ")}`, async () => {
      const person = await newPerson(server, `ann_${transports.join("_")}`);
      const agent = new Pool(server.ca, ["127.0.0.21", "127.0.0.22", "127.1.2.3"]);
      const socket = io(server.url, {
        transports,
        forceNew: true,
        reconnection: false,
        agent: /** @type {any} */ (agent),
        extraHeaders: { Origin: server.url },
        auth: { token: person.token },
      });
      await nextEvent(socket, "connect");
      for (let round = 0; round < 5; round += 1) {
        const ack = await socket.timeout(15_000).emitWithAck("room:list", {});
        assert.equal(ack.ok, true);
      }
      assert.equal(socket.connected, true);
      if (transports.length === 1 && transports[0] === "polling") assert.ok(agent.count > 5);
      socket.disconnect();
    });
  }

  test("the id alone opens nothing from another address", async () => {
    const own = new Agent({ ca: server.ca, keepAlive: false });
    const thief = new Agent({ ca: server.ca, keepAlive: false });
    /**
     * @param {string} query
     * @param {object} options
     * @returns {Promise<{ status: number, body: string }>}
     */
    const poll = (query, options) =>
      new Promise((resolve, reject) => {
        const path = `/socket.io/?EIO=4&transport=polling${query}`;
        const headers = { origin: server.url };
        const sent = request(new URL(path, server.url), { headers, ...options }, (response) => {
          let body = "";
          response.on("data", (chunk) => (body += chunk));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        });
        sent.on("error", reject);
        sent.end();
      });
    const opened = await poll("", { agent: own });
    const { sid } = JSON.parse(opened.body.slice(1));
    const stolen = { agent: thief, localAddress: "127.0.0.22" };
    for (let attempt = 0; attempt < 3; attempt += 1) {
      assert.equal(
        (await poll(`&sid=${sid}`, stolen)).status,
        400,
        "also with a session of its own",
      );
    }
  });
});
