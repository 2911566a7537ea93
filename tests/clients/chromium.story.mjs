// The stock Socket.IO client on the board by each of its transports, and a bare WebSocket at the
// chat server, in Chromium.
// Never: a page of another origin; what the servers do not serve is laid over their own.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { launch, visit } from "./browser.mjs";
import { Board } from "./examples.mjs";
import { connect, nextEvent, must, newPerson } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";
import { SETTINGS } from "./settings.mjs";

/** @param {string} path */
const file = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const SCRIPTS = {
  "client.js": file("node_modules/socket.io-client/dist/socket.io.esm.min.js"),
  "story.js": file("boardstory.mjs"),
};
const PAGE = `<!doctype html><html lang="en"><title>Board</title><link rel="icon" href="data:,">`;

/** @typedef {import("playwright-core").Browser} Browser */

/**
 * A page of the server's own origin, without what the server would say about it.
 * @param {Browser} browser
 * @param {{ url: string }} server
 */
async function overlay(browser, server) {
  const url = `${server.url}/overlay/`;
  return visit(browser, server, {
    url,
    // A page that no socket brought counts as one from the internet.
    window: { permissions: ["local-network-access"] },
    async before(page) {
      await page.route(url, (route) => route.fulfill({ body: PAGE, contentType: "text/html" }));
      for (const [name, body] of Object.entries(SCRIPTS)) {
        const contentType = "text/javascript";
        await page.route(url + name, (route) => route.fulfill({ body, contentType }));
      }
    },
  });
}

/**
 * What the browser says where client and server end a session at the same moment: of a WebSocket the
 * client was probing, and of a request that comes after the end. A client that must not lose a session
 * does not, or the story says so.
 * @param {string} text
 */
function isOfAnEnd(text) {
  const probing = /closed before the connection is est|Unexpected response code: 400/;
  return probing.test(text) || (/\b400\b/.test(text) && /[?&]sid=/.test(text));
}

describe("three people on a board, in a browser", () => {
  /** @type {Board} */
  let server;
  /** @type {Browser} */
  let browser;
  before(async () => {
    server = await Board.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  for (const [index, [setting, transports]] of SETTINGS.entries()) {
    test(setting, async () => {
      const { page, complaints, close } = await overlay(browser, server);
      const given = {
        url: server.url,
        board: `browser_${index}`,
        tokens: server.tokens(setting),
        badTokens: server.badTokens(),
        transports,
      };
      const reply = await page.evaluate(async (given) => {
        const [{ io }, { runStory }] = await Promise.all(
          ["client.js", "story.js"].map((name) => import(new URL(name, location.href).href)),
        );
        return runStory({ ...given, io });
      }, given);
      assert.equal(reply.length, 10, reply.join("\n"));
      const others = complaints.filter((text) => !isOfAnEnd(text));
      assert.deepEqual(others, []);
      await close();
    });
  }
});

describe("a bare WebSocket of a browser", () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.remove();
  });

  test("talks with a stock client in one room", async () => {
    const [ann, bob] = [await newPerson(server, "ann"), await newPerson(server, "bob")];
    const stock = await connect(server, bob);
    const { room } = await must(stock, "room:create", { name: "Yard", visibility: "public" });
    const { page, complaints, close } = await overlay(browser, server);
    const given = { token: ann.token, roomId: room.id };
    const output = nextEvent(stock, "chat:message");
    const first = await page.evaluate(plainStory, given);
    assert.deepEqual(first.answers, [true, true, true]);
    const [message] = await output;
    assert.deepEqual([message.username, message.message], ["ann", "from a bare WebSocket"]);
    assert.deepEqual(first.received, message);
    assert.equal(first.code, 1000);
    assert.deepEqual(complaints, []);
    await close();
    stock.disconnect();
  });

  test("is not opened for a page of another origin (T-001)", async () => {
    const { page, close } = await visit(browser, server, { url: "about:blank" });
    const code = await page.evaluate(
      (url) =>
        new Promise((resolve) => {
          const socket = new WebSocket(url);
          socket.onopen = () => resolve("it was opened");
          socket.onclose = ({ code }) => resolve(code);
        }),
      `${server.url.replace("https", "wss")}/ws`,
    );
    assert.equal(code, 1006);
    await close();
  });
});

/**
 * In the page: connects, joins, sends, receives its own message, and closes.
 * @param {{ token: string, roomId: string }} given
 */
async function plainStory({ token, roomId }) {
  const socket = new WebSocket(`wss://${location.host}/ws`);
  /** @type {Map<number, (answer: any) => void>} */
  const waiting = new Map();
  /** @type {Promise<any>} */
  const received = new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      const { id, event, ...message } = JSON.parse(data);
      if (id !== undefined) waiting.get(id)?.(message);
      else if (event === "chat:message") resolve(message.data);
    };
    socket.onerror = () => reject(new Error("the socket has an error"));
  });
  const closed = new Promise((resolve) => {
    socket.onclose = ({ code }) => resolve(code);
  });
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  const answers = [];
  for (const [event, data] of [
    ["connect", { token }],
    ["room:join", { roomId }],
    ["chat:send", { roomId, message: "from a bare WebSocket" }],
  ]) {
    const id = answers.length + 1;
    const answer = new Promise((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ event, data, id }));
    answers.push((await answer).ok);
  }
  const message = await received;
  socket.close(1000);
  return { answers, received: message, code: await closed };
}
