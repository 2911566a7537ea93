// Every version of the stock client in Node, by each of its settings, on the board.
// Never: a version that is believed to be another one's equal.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { Board, Example } from "./examples.mjs";
import { SETTINGS, VERSIONS } from "./matrix.mjs";
import { runCell } from "./matrixcell.mjs";
import { fetchRaw } from "./rawsession.mjs";

const require = createRequire(import.meta.url);
/** `io` of one version. @param {string} name */
const load = (name) => {
  const client = require(name);
  return client.io ?? client;
};
const TIMEOUT_MS = 20_000;

describe("stock clients on a board", { concurrency: 4 }, () => {
  /** @type {Board} */
  let server;
  before(async () => {
    server = await Board.start();
  });
  after(async () => {
    await server?.stop();
  });

  for (const version of VERSIONS) {
    for (const [index, setting] of SETTINGS.entries()) {
      const name = `socket.io-client ${version.name}, ${setting.name}`;
      test(name, async () => {
        const io = load(version.package);
        const { ann, bob } = server.tokens(name);
        const reply = await runCell({
          io,
          url: server.url,
          board: `node_${version.package.replaceAll(/\W/g, "_")}_${index}`,
          tokens: { ann, bob },
          ...(setting.transports === undefined ? {} : { transports: setting.transports }),
          recovers: version.recovers,
          options: { extraHeaders: { Origin: server.url }, ...setting.options },
        });
        assert.equal(reply.length, version.recovers ? 8 : 7, reply.join("\n"));
      });
    }
    test(`socket.io-client ${version.name} without Origin gets the missing header`, async () => {
      const io = load(version.package);
      for (const transport of ["polling", "websocket"]) {
        const options = { transports: [transport], forceNew: true, reconnection: false };
        const socket = io(`${server.url}/board`, options);
        // From 4.5 on the client shows the answer to a poll, until its handler returns.
        /** @type {[string, string | undefined]} */
        const [type, answer] = await new Promise((resolve) => {
          socket.once("connect_error", (/** @type {any} */ error) =>
            resolve([error.type, error.context?.responseText]),
          );
        });
        assert.equal(type, "TransportError");
        if (transport === "polling" && answer !== undefined) {
          assert.match(JSON.parse(answer).message, /^header Origin is missing/);
        }
        socket.disconnect();
      }
    });
  }

  test("ws: CONNECT, an event, its acknowledgement and binary data", async () => {
    const url = `${server.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`;
    const socket = new WebSocket(`${url}&deviceId=d-1`, { origin: server.url });
    const packets = packetsOf(socket);
    assert.match(String(await packets.next()), /^0\{"sid":/);
    const token = server.token("ann", "ws");
    socket.send(`40/board,${JSON.stringify({ token, device: { id: "d-1" } })}`);
    assert.match(String(await packets.next()), /^40\/board,\{"sid":/);
    socket.send('42/board,1["board:join",{"board":"ws"}]');
    assert.match(String(await packets.next()), /^43\/board,1\[\{"ok":true/);
    const image = '{"_placeholder":true,"num":0}';
    socket.send(`451-/board,2["board:draw",{"board":"ws","image":${image}}]`);
    socket.send(Uint8Array.of(0, 1, 254, 255));
    assert.match(String(await packets.next()), /^461-\/board,2\[.*"ok":true/);
    assert.deepEqual(await packets.next(), Buffer.of(0, 1, 254, 255));
    socket.close();
    await once(socket, "close");
  });
});

describe("clients that are not served", () => {
  /** @type {Board} */
  let server;
  /** @type {Example} */
  let reference;
  before(async () => {
    server = await Board.start();
    reference = await Example.reference({ PING_INTERVAL_MS: "25000", PING_TIMEOUT_MS: "20000" });
  });
  after(async () => {
    await server?.stop();
    await reference?.stop();
  });

  /**
   * What a handshake is answered with, by status and body.
   * @param {{ url: string }} of
   * @param {string} query
   * @param {Record<string, string>} [headers]
   */
  async function handshake(of, query, headers = { origin: of.url }) {
    const { status, body } = await fetchRaw(`${of.url}/socket.io/?${query}`, { headers });
    const { code, message, cause } = JSON.parse(body);
    return { status, code, message, cause };
  }

  test("a version 2 client gets the answer of the reference server", async () => {
    for (const query of ["EIO=3&transport=polling&t=a", "EIO=3&transport=polling&b64=1&t=a"]) {
      const { cause, ...ours } = await handshake(server, query);
      const { cause: _, ...theirs } = await handshake(reference, query);
      assert.deepEqual(ours, theirs, query);
      assert.match(cause, /EIO/);
      // Its Node build sends no Origin, and still learns the first thing to change.
      const { cause: __, ...bare } = await handshake(server, query, {});
      assert.deepEqual(bare, theirs, query);
    }
    const io = load("sio25");
    for (const transport of ["polling", "websocket"]) {
      const socket = io(`${server.url}/board`, {
        transports: [transport],
        forceNew: true,
        reconnection: false,
        extraHeaders: { Origin: server.url },
      });
      const [error] = await once(socket, "connect_error", {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      assert.equal(error.type, "TransportError", transport);
      socket.disconnect();
    }
  });

  test("a rejected handshake names what to change", async () => {
    /** @type {[string, Record<string, string> | undefined, number, RegExp][]} */
    const cases = [
      ["EIO=4&transport=polling", {}, 403, /^header Origin is missing: .*Authorization.*origin/],
      ["EIO=4&transport=polling", { origin: "https://evil.example" }, 403, /Origin is not listed/],
      ["EIO=4&transport=webtransport", undefined, 400, /"polling" or "websocket"/],
      ["EIO=4&transport=polling&j=0", undefined, 400, /JSONP/],
      ["EIO=4&transport=polling&token=x", undefined, 401, /do not belong in a URL/],
      ["EIO=4&transport=polling&sid=a%20b", undefined, 400, /sid is not/],
    ];
    for (const [query, headers, status, words] of cases) {
      const reply = await handshake(server, query, headers);
      assert.equal(reply.status, status, query);
      assert.match(reply.cause ?? reply.message, words, query);
    }
  });
});

/** The messages of a WebSocket, one after the other. @param {WebSocket} socket */
function packetsOf(socket) {
  /** @type {(Buffer | string)[]} */
  const waiting = [];
  /** @type {(() => void)[]} */
  const wake = [];
  socket.on("message", (data, isBinary) => {
    const packet = isBinary ? /** @type {Buffer} */ (data) : String(data);
    if (packet === "2") return socket.send("3");
    waiting.push(packet);
    wake.shift()?.();
  });
  return {
    async next() {
      const end = AbortSignal.timeout(TIMEOUT_MS);
      while (waiting.length === 0) {
        await new Promise((resolve, reject) => {
          wake.push(() => resolve(undefined));
          end.addEventListener("abort", () => reject(new Error("no packet in time")));
        });
      }
      return waiting.shift();
    },
  };
}
