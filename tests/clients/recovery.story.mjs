// Connections that are lost and come back: what was missed is made up for, once and in order.
// Never: a place for anyone but its user.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  client,
  collect,
  connect,
  nextEvent,
  history,
  must,
  newPerson,
  sendEvent,
} from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** @typedef {import("./people.mjs").Message} Message */
/** @typedef {import("./people.mjs").Reach} Reach */
/** @typedef {import("socket.io-client").Socket} Socket */
/** @typedef {{ id: string, username: string, token: string }} Person */

const LIMITS = `${WIDE_LIMITS}"room:create" = "1000000/60s"\n`;
/** @param {Message} message */
const text = ({ message }) => message;
/** @param {Message} message */
const seq = ({ seq }) => seq;
/** @param {number} count */
const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

/**
 * The engine goes away under a socket. While it changes its transport it would not go at once, and
 * the stock client would deliver an event of that moment twice.
 * @param {Socket} socket
 */
async function lose(socket) {
  const { engine } = socket.io;
  const { upgrading } = /** @type {any} */ (engine);
  if (upgrading) await new Promise((resolve) => engine.once("upgrade", () => resolve(undefined)));
  const ended = nextEvent(socket, "disconnect");
  engine.close();
  await ended;
}

/** @param {Socket} socket */
async function comeBack(socket) {
  const inside = nextEvent(socket, "connect");
  socket.connect();
  await inside;
}

/**
 * The recovery data that the stock client received.
 * @param {Socket} socket
 * @returns {{ pid: string, offset: string }}
 */
function claim(socket) {
  const { _pid: pid, _lastOffset: offset } = /** @type {any} */ (socket);
  assert.match(pid, /^[A-Za-z0-9_-]{20,64}$/);
  return { pid, offset };
}

describe("a stock client that loses its connection", () => {
  /** @type {Server} */
  let server;
  /** @type {Record<"ann" | "bob" | "eve", Person>} */
  let people;
  /** @type {Socket[]} */
  const open = [];
  /**
   * @param {Person} person
   * @param {Reach} [reach]
   */
  const enter = async (person, reach) => {
    const socket = await connect(server, person, reach);
    open.push(socket);
    return socket;
  };
  /** Ann and Bob in a room of their own. @param {Reach} [reach] how Bob comes */
  const together = async (reach) => {
    const [ann, bob] = [await enter(people.ann), await enter(people.bob, reach)];
    const { room } = await must(ann, "room:create", { name: "Moat", visibility: "public" });
    const roomId = String(room.id);
    await must(bob, "room:join", { roomId });
    const inbox = collect(bob, "chat:message");
    /** @param {string} message */
    const say = (message) => must(ann, "chat:send", { roomId, message });
    return { ann, bob, roomId, inbox, say };
  };

  before(async () => {
    server = await Server.start({ limits: LIMITS });
    const [ann, bob, eve] = [
      await newPerson(server, "ann"),
      await newPerson(server, "bob"),
      await newPerson(server, "eve"),
    ];
    people = { ann, bob, eve };
  });
  after(async () => {
    open.forEach((socket) => socket.disconnect());
    await server?.remove();
  });

  /** @type {Reach["transports"][]} */
  const settings = [["websocket"], ["polling"], ["polling", "websocket"]];
  for (const transports of settings) {
    test(`by ${transports?.join(", then ")}, gets what it missed`, async () => {
      const { bob, inbox, say } = await together({ transports });
      const { id } = bob;
      assert.equal(bob.recovered, false);
      await say("before");
      await inbox.atLeast(1);
      await lose(bob);
      for (const number of upTo(5)) await say(`missed ${number}`);
      await comeBack(bob);
      assert.deepEqual([bob.recovered, bob.id], [true, id]);
      await say("live");
      const received = await inbox.atLeast(7);
      assert.deepEqual(received.map(seq), upTo(7));
      assert.deepEqual(received.map(text).slice(-2), ["missed 5", "live"]);
      bob.disconnect();
    });

    test(`by ${transports?.join(", then ")}, again and again while others talk`, async () => {
      const { bob, roomId, inbox, say } = await together({ transports, reconnection: true });
      await say("to have an offset");
      await inbox.atLeast(1);
      const { id } = bob;
      for (let round = 1; round <= 6; round += 1) {
        const back = nextEvent(bob, "connect");
        const response = upTo(8).map((number) => say(`round ${round}, ${number}`));
        // Somewhere among them.
        await response[round];
        await lose(bob);
        await Promise.all([back, ...response]);
        assert.deepEqual([bob.recovered, bob.id], [true, id], `round ${round}`);
      }
      await say("the last");
      const received = await inbox.atLeast(50);
      assert.deepEqual(received.map(seq), upTo(50));
      assert.deepEqual(received, await history(bob, roomId));
      bob.disconnect();
    });
  }

  test("and has heard nothing yet, loses nothing either", async () => {
    const { bob, roomId, inbox, say } = await together();
    await lose(bob);
    await say("the first");
    await comeBack(bob);
    const missed = bob.recovered ? await inbox.atLeast(1) : await history(bob, roomId);
    assert.deepEqual(missed.map(text), ["the first"]);
    bob.disconnect();
  });

  test("and missed much, gets all of it; or starts afresh and reads the history", async () => {
    for (const missed of [100, 400, 501]) {
      const { bob, roomId, inbox, say } = await together();
      const { id } = bob;
      await say("heard");
      await inbox.atLeast(1);
      await lose(bob);
      await Promise.all(upTo(missed).map((number) => say(`missed ${number}`)));
      const lostAgain = nextEvent(bob, "disconnect").then(([why]) =>
        assert.fail(`lost again: ${why}`),
      );
      await comeBack(bob);
      // A few have to be made up for, very many cannot be; whichever it is, it is all or nothing.
      assert.ok(missed > 100 || bob.recovered);
      assert.ok(missed < 500 || !bob.recovered);
      assert.equal(bob.id === id, bob.recovered);
      const all = upTo(missed + 1);
      if (bob.recovered) await Promise.race([inbox.atLeast(all.length), lostAgain]);
      assert.deepEqual(inbox.all.map(seq), bob.recovered ? all : [1]);
      assert.deepEqual((await history(bob, roomId)).map(seq), all);
      lostAgain.catch(() => {});
      bob.disconnect();
    }
  });

  test("and was removed from the room, receives nothing of it (T-147)", async () => {
    const { bob, roomId, inbox, say } = await together();
    const second = await enter(people.bob);
    await say("heard");
    await inbox.atLeast(1);
    await lose(bob);
    await say("missed while a member");
    await must(second, "room:leave", { roomId });
    await say("not for bob");
    await comeBack(bob);
    await say("nor this");
    const late = await sendEvent(bob, "chat:history", { roomId });
    assert.equal(late.error?.code, "forbidden");
    const { room } = await must(bob, "room:create", { name: "Own", visibility: "public" });
    await must(bob, "chat:send", { roomId: room.id, message: "own" });
    const receivedOfOwn = await inbox.atLeast(2);
    const texts = receivedOfOwn.map(text);
    // Messages while he was a member may be delivered; later messages must not.
    assert.deepEqual(
      texts.filter((each) => each !== "missed while a member"),
      ["heard", "own"],
    );
    bob.disconnect();
    second.disconnect();
  });

  test("rejects another client with its id (T-147)", async () => {
    const { bob, inbox, say } = await together();
    await say("heard");
    await inbox.atLeast(1);
    const { id } = bob;
    const shown = claim(bob);
    await lose(bob);
    await say("missed");

    const thief = client(server, { token: people.eve.token, ...shown });
    open.push(thief);
    const stolen = collect(thief, "chat:message");
    await comeBack(thief);
    assert.notEqual(thief.id, id);
    assert.notEqual(claim(thief).pid, shown.pid);
    // A refused CONNECT must not use the place up either.
    for (const token of [undefined, "nonsense", `${people.bob.token.slice(0, -4)}AAAA`]) {
      const forger = client(server, { token, ...shown });
      const refused = nextEvent(forger, "connect_error");
      forger.connect();
      const [error] = await refused;
      assert.equal(error.data?.code, "unauthorized");
      forger.disconnect();
    }
    await comeBack(bob);
    assert.deepEqual([bob.recovered, bob.id], [true, id]);
    assert.deepEqual((await inbox.atLeast(2)).map(text), ["heard", "missed"]);
    await sendEvent(thief, "room:list", {});
    assert.deepEqual(stolen.all, []);
    bob.disconnect();
    thief.disconnect();
  });

  test("has its place once: the same id again, or one made up, is a fresh one (T-147)", async () => {
    const { bob, inbox, say } = await together();
    await say("heard");
    await inbox.atLeast(1);
    const { id } = bob;
    const shown = claim(bob);
    const claims = [
      shown,
      { ...shown, pid: "A".repeat(shown.pid.length) },
      { ...shown, pid: "" },
      { ...shown, pid: 7 },
      { ...shown, pid: "x".repeat(300) },
      { ...shown, offset: "-1" },
      { ...shown, offset: "9".repeat(30) },
      { ...shown, offset: ["1"] },
      { ...shown, offset: "1; DROP TABLE message" },
    ];
    // Bob is connected: his state cannot be recovered a second time.
    for (const made of claims) {
      const again = client(server, { token: people.bob.token, ...made });
      open.push(again);
      const extra = collect(again, "chat:message");
      await comeBack(again);
      assert.notEqual(again.id, id, JSON.stringify(made));
      assert.notEqual(claim(again).pid, shown.pid);
      await sendEvent(again, "room:list", {});
      assert.deepEqual(extra.all, []);
      again.disconnect();
    }
    await say("bob is still here");
    assert.deepEqual((await inbox.atLeast(2)).map(text), ["heard", "bob is still here"]);
    bob.disconnect();
  });

  test("has no place left once it said goodbye", async () => {
    const { bob, inbox, say } = await together();
    await say("heard");
    await inbox.atLeast(1);
    const { id } = bob;
    bob.disconnect();
    await say("after goodbye");
    await comeBack(bob);
    assert.equal(bob.recovered, false);
    assert.notEqual(bob.id, id);
    await sendEvent(bob, "room:list", {});
    assert.deepEqual(inbox.all.map(text), ["heard"]);
    bob.disconnect();
  });
});
