// The stock Socket.IO client on the board by each of its transports, in Node.
// Never: assumes a transport without checking it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { runStory } from "./boardstory.mjs";
import { Board } from "./examples.mjs";
import { PollingSession, WebSocketSession } from "./rawsession.mjs";
import { SETTINGS } from "./settings.mjs";

describe("three people on a board", () => {
  /** @type {Board} */
  let server;
  before(async () => {
    server = await Board.start();
  });
  after(async () => {
    await server?.stop();
  });

  for (const [index, [setting, transports]] of SETTINGS.entries()) {
    test(setting, async () => {
      const reply = await runStory({
        io,
        url: server.url,
        board: `node_${index}`,
        tokens: server.tokens(setting),
        badTokens: server.badTokens(),
        transports,
        options: { extraHeaders: { Origin: server.url } },
      });
      assert.equal(reply.length, 10, reply.join("\n"));
    });
  }

  test("a rejection is delivered while the transport changes", async () => {
    // The poll was answered for the probe, so only the WebSocket can deliver it.
    const polling = new PollingSession(server.url);
    await polling.begin();
    const socket = new WebSocketSession(server.url, "/socket.io/", `&sid=${polling.sid}`);
    await socket.opened();
    assert.deepEqual((await socket.say([["2probe"]])).received, ["3probe"]);
    assert.equal((await polling.post(['40/board,{"token":"nonsense"}'])).status, 200);
    const { received } = await socket.say([["5"]]);
    assert.equal(received.length, 1, `${received}`);
    assert.match(received[0] ?? "", /^44\/board,\{.*"code":"unauthorized"/);
    await socket.closed();
    await Promise.all([polling.end(), socket.end()]);
  });
});
