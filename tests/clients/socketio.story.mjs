// What two people with the stock Socket.IO client live through.
// Never: a look inside the server; only what it prints, answers and sends.
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
/** @typedef {import("socket.io-client").Socket} Socket */

/** @param {number} count */
const upTo = (count) => Array.from({ length: count }, (_, index) => index + 1);

/**
 * A refusal has a stable code, words and a reference.
 * @param {any} error
 * @param {string} code
 */
function assertRefused(error, code) {
  assert.equal(error?.code, code, JSON.stringify(error));
  assert.match(error.message, /\S/);
  assert.match(error.ref, /^[A-Za-z0-9_-]{1,16}$/);
}

describe("two people talk", () => {
  const EACH = 40;
  /** @type {Server} */
  let server;
  /** @type {{ id: string, username: string, token: string }} */
  let ann;
  /** @type {{ id: string, username: string, token: string }} */
  let bob;
  /** @type {Socket[]} */
  const open = [];
  /** @param {{ token: string }} person */
  const enter = async (person) => {
    const socket = await connect(server, person);
    open.push(socket);
    return socket;
  };
  /** @param {Socket} socket */
  const newRoom = async (socket, visibility = "public") => {
    const { room } = await must(socket, "room:create", { name: "Gatehouse", visibility });
    return room;
  };

  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    ann = await newPerson(server, "ann");
    bob = await newPerson(server, "bob");
  });
  after(async () => {
    open.forEach((socket) => socket.disconnect());
    await server?.remove();
  });

  test("both receive everything in one order, and it is there after a restart", async () => {
    const sockets = [await enter(ann), await enter(bob)];
    const room = await newRoom(sockets[0]);
    assert.equal(room.name, "Gatehouse");
    assert.equal(room.owner_id, ann.id);
    assert.match(room.id, /^[A-Za-z0-9_-]{1,64}$/);
    const joined = await must(sockets[1], "room:join", { roomId: room.id });
    assert.deepEqual([joined.seq, joined.room.id], [0, room.id]);

    const inboxes = sockets.map((socket) => collect(socket, "chat:message"));
    const acks = await Promise.all(
      sockets.flatMap((socket, person) =>
        upTo(EACH).map(async (number) => {
          const message = `person ${person} says number ${number}`;
          const ack = await must(socket, "chat:send", { roomId: room.id, message });
          return { id: ack["id"], seq: ack["seq"], timestamp: ack["timestamp"], message };
        }),
      ),
    );
    const [first, second] = await Promise.all(inboxes.map((inbox) => inbox.atLeast(2 * EACH)));
    assert.deepEqual(
      first.map((/** @type {Message} */ { seq }) => seq),
      upTo(2 * EACH),
    );
    assert.deepEqual(first, second);
    for (const ack of acks) {
      const { id, seq, message, timestamp } = first[ack.seq - 1];
      assert.deepEqual({ id, seq, timestamp, message }, ack);
    }
    for (const [person, { id, username }] of [ann, bob].entries()) {
      const response = first.filter((/** @type {Message} */ { userId }) => userId === id);
      const inOrder = upTo(EACH).map((number) => `person ${person} says number ${number}`);
      assert.deepEqual(
        response.map((/** @type {Message} */ { message }) => message),
        inOrder,
      );
      assert.ok(response.every((/** @type {Message} */ message) => message.username === username));
    }
    assert.deepEqual(await history(sockets[1], room.id), first);

    assert.equal(await server.stop(), 0, server.output());
    await server.start();
    for (const person of [ann, bob]) {
      const socket = await enter(person);
      const again = await must(socket, "room:join", { roomId: room.id });
      assert.equal(again.seq, 2 * EACH);
      assert.deepEqual(await history(socket, room.id), first);
    }
  });

  test("history is paged both ways", async () => {
    const socket = await enter(ann);
    const { id: roomId } = await newRoom(socket);
    for (const number of upTo(7)) {
      await must(socket, "chat:send", { roomId, message: `number ${number}` });
    }
    const cases = [
      [{ limit: 3 }, [5, 6, 7], true],
      [{ before: 5, limit: 3 }, [2, 3, 4], true],
      [{ before: 2, limit: 3 }, [1], false],
      [{ after: 0, limit: 3 }, [1, 2, 3], true],
      [{ after: 4, limit: 3 }, [5, 6, 7], false],
      [{ after: 7, limit: 3 }, [], false],
      [{}, upTo(7), false],
    ];
    for (const [where, expect, more] of cases) {
      const page = await must(socket, "chat:history", { roomId, .../** @type {object} */ (where) });
      const seqs = page.messages.map((/** @type {Message} */ { seq }) => seq);
      assert.deepEqual([seqs, page.more], [expect, more], JSON.stringify(where));
    }
  });

  test("a retry under the same mid has one effect (T-140)", async () => {
    const socket = await enter(ann);
    const { id: roomId } = await newRoom(socket);
    const inbox = collect(socket, "chat:message");
    const payload = { roomId, message: "once" };
    const first = await must(socket, "chat:send", payload, { mid: "m-1" });
    const again = await must(socket, "chat:send", payload, { mid: "m-1" });
    assert.deepEqual(again, first);
    const other = await sendEvent(
      socket,
      "chat:send",
      { roomId, message: "twice" },
      { mid: "m-1" },
    );
    assertRefused(other.error, "IDEMPOTENCY_CONFLICT");
    await must(socket, "chat:send", { roomId, message: "last" });
    const texts = (await inbox.atLeast(2)).map(({ message }) => message);
    assert.deepEqual(texts, ["once", "last"]);
  });

  test("a user who is not a member cannot read, write or learn anything (T-064, T-065)", async () => {
    const inside = await enter(ann);
    const { id: hidden } = await newRoom(inside, "private");
    const events = ["room:join", "room:leave", "room:delete", "room:members", "chat:history"];
    for (const event of [...events, "chat:send"]) {
      // Each refusal is a strike, and ten of them end a connection.
      const outside = await enter(bob);
      const answers = [];
      for (const roomId of [hidden, "no_such_room"]) {
        const payload = event === "chat:send" ? { roomId, message: "hello" } : { roomId };
        const { error } = await sendEvent(outside, event, payload);
        assertRefused(error, "forbidden");
        const { ref: _, ...rest } = /** @type {any} */ (error);
        answers.push(rest);
      }
      assert.deepEqual(answers[0], answers[1], event);
    }
    const { rooms } = await must(await enter(bob), "room:list", {});
    assert.ok(!rooms.some((/** @type {{ id: string }} */ room) => room.id === hidden));
  });

  test("members are seen to come and go, and a room can be deleted", async () => {
    const [owner, guest] = [await enter(ann), await enter(bob)];
    const { id: roomId } = await newRoom(owner);
    const changes = collect(owner, "room:member");
    await must(guest, "room:join", { roomId });
    await changes.atLeast(1);
    const { members } = await must(owner, "room:members", { roomId });
    const facts = members.map((/** @type {any} */ { username, online }) => [username, online]);
    assert.deepEqual(facts.sort(), [
      ["ann", true],
      ["bob", true],
    ]);
    const refused = await sendEvent(guest, "room:delete", { roomId });
    assertRefused(refused.error, "forbidden");
    await must(guest, "room:leave", { roomId });
    const late = await sendEvent(guest, "chat:send", { roomId, message: "still here" });
    assertRefused(late.error, "forbidden");
    await must(guest, "room:join", { roomId });
    const words = (await changes.atLeast(3)).map(({ change }) => change);
    for (const word of ["joined", "left"]) assert.ok(words.includes(word), `${words}`);

    const gone = nextEvent(guest, "room:deleted");
    await must(owner, "room:delete", { roomId });
    assert.deepEqual(await gone, [{ roomId }]);
    const after = await sendEvent(guest, "chat:send", { roomId, message: "hello?" });
    assertRefused(after.error, "forbidden");
  });

  test("what is not declared is refused by name (T-110, T-194)", async () => {
    const socket = await enter(ann);
    const { id: roomId } = await newRoom(socket);
    /** @type {[string, object, string, string | undefined][]} */
    const cases = [
      ["room:rename", { roomId }, "UNKNOWN_EVENT", undefined],
      ["chat:send", { roomId }, "INVALID_MESSAGE", undefined],
      ["chat:send", { roomId: "../etc", message: "x" }, "INVALID_MESSAGE", "roomId"],
      ["chat:send", { roomId, message: 7 }, "INVALID_MESSAGE", "message"],
      ["chat:send", { roomId, message: "x".repeat(1001) }, "INVALID_MESSAGE", "message"],
      ["chat:send", { roomId, message: "x", admin: true }, "INVALID_MESSAGE", undefined],
    ];
    for (const [event, payload, code, field] of cases) {
      const { ok, error } = await sendEvent(socket, event, payload);
      assert.equal(ok, false);
      assertRefused(error, code);
      if (field !== undefined) assert.equal(error?.["field"], field, JSON.stringify(error));
    }
    const reply = nextEvent(socket, "error");
    socket.emit("chat:send", { roomId });
    const [error] = await reply;
    assertRefused(error, "INVALID_MESSAGE");
    assert.equal(error.event, "chat:send");
  });

  test("markup stays readable text, safe formatting stays formatting (T-120)", async () => {
    const socket = await enter(ann);
    const { id: roomId } = await newRoom(socket);
    const inbox = collect(socket, "chat:message");
    const message = `<b>bold</b><script>alert(1)</script><img src=x onerror=alert(1)> & <i>so</i>`;
    await must(socket, "chat:send", { roomId, message });
    const [received] = await inbox.atLeast(1);
    assert.match(received.html, /^<b>bold<\/b>.*<i>so<\/i>$/);
    assert.doesNotMatch(received.html, /<(script|img)/);
    assert.match(received.html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
    const markup = "<script>alert(1)</script><img src=x onerror=alert(1)>";
    assert.equal(received.message, `bold${markup} & so`);
  });
});

describe("rejected clients", () => {
  /** @type {Server} */
  let server;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
  });
  after(async () => {
    await server?.remove();
  });

  /** @param {Socket} socket */
  async function refusal(socket) {
    const refused = nextEvent(socket, "connect_error");
    const connected = nextEvent(socket, "connect");
    connected.catch(() => {});
    socket.connect();
    const outcome = await Promise.race([refused, connected]);
    socket.disconnect();
    assert.ok(outcome[0] instanceof Error, "it was admitted");
    return /** @type {Error & { data?: any }} */ (outcome[0]);
  }

  test("without a token that is believed there is no connection (T-021, T-030)", async () => {
    const person = await newPerson(server, "ann");
    const [head, payload, signature] = person.token.split(".");
    const unsigned = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    const flipped = `${signature[0] === "A" ? "B" : "A"}${signature.slice(1)}`;
    const cases = [
      {},
      { token: "" },
      { token: "nonsense" },
      { token: 7 },
      { token: `${head}.${payload}.${flipped}` },
      { token: `${head}.${payload}.` },
      { token: `${unsigned}.${payload}.` },
      { token: "x".repeat(5000) },
    ];
    const words = new Set();
    for (const auth of cases) {
      const error = await refusal(client(server, auth));
      assertRefused({ ...error.data, message: error.message }, "unauthorized");
      words.add(error.message);
    }
    assert.equal(words.size, 1, "the reason must not show");
  });

  test("another page's origin is refused before the connection is one (T-001)", async () => {
    const { token } = await newPerson(server, "bob");
    for (const origin of ["https://evil.example", "null", server.url.replace("https", "http")]) {
      const error = await refusal(client(server, { token }, { origin }));
      assert.equal(error.data, undefined, "no CONNECT was to be answered");
    }
  });
});

describe("limits", () => {
  /** @type {Server} */
  let server;
  /** @type {Socket[]} */
  const open = [];
  before(async () => {
    server = await Server.start();
  });
  after(async () => {
    open.forEach((socket) => socket.disconnect());
    await server?.remove();
  });

  test("ten messages a minute, however often the person comes (T-080, T-081)", async () => {
    const person = await newPerson(server, "ann");
    const socket = await connect(server, person);
    open.push(socket);
    const { room } = await must(socket, "room:create", { name: "Hall", visibility: "public" });
    const payload = { roomId: room.id, message: "hello" };
    for (const number of upTo(10)) {
      await must(socket, "chat:send", { roomId: room.id, message: `number ${number}` });
    }
    const { error } = await sendEvent(socket, "chat:send", payload);
    assertRefused(error, "RATE_LIMIT_EXCEEDED");
    assert.ok(Number.isInteger(error?.["retry_after_s"]) && error?.["retry_after_s"] > 0);
    const reply = nextEvent(socket, "error");
    socket.emit("chat:send", payload);
    const [unasked] = await reply;
    assertRefused(unasked, "RATE_LIMIT_EXCEEDED");
    assert.equal(unasked.event, "chat:send");

    // Coming again does not help: the limit is the person's, not the connection's.
    const second = await connect(server, person);
    open.push(second);
    await must(second, "room:join", { roomId: room.id });
    assertRefused((await sendEvent(second, "chat:send", payload)).error, "RATE_LIMIT_EXCEEDED");
    assert.equal((await history(second, room.id)).length, 10);
  });
});
