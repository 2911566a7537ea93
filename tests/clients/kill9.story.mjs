// The server is killed again and again while twenty clients send: nothing acknowledged is lost,
// and a retry under the same mid never makes a second message (T-140).
// Never: a pause that hides a race; the moment of the kill is drawn at random.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, history, must, newPerson, sendEvent } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** @typedef {import("./people.mjs").Message} Message */
/** @typedef {{ id: string, seq: number }} Stored */

const CLIENTS = 20;
const ROUNDS = Number(process.env["KILL9_ROUNDS"] ?? 3);
/** How many messages a client may have on their way at a time. */
const WINDOW = 4;
const KILL_AFTER_MS = { least: 100, most: 1500 };

/** One client that keeps what it sent until it is acknowledged. */
class Sender {
  /** Sent and not acknowledged, oldest first. @type {Map<string, string>} */
  waiting = new Map();
  /** What the server acknowledged, by text. @type {Map<string, Stored>} */
  acknowledged = new Map();
  /** What arrived live, by number; one number never has two texts. @type {Map<number, string>} */
  delivered = new Map();
  #sent = 0;
  #lastDelivered = 0;

  /**
   * @param {Server} server
   * @param {{ id: string, username: string, token: string }} person
   */
  constructor(server, person) {
    this.server = server;
    this.person = person;
  }

  /** @param {string} roomId */
  async enter(roomId) {
    this.roomId = roomId;
    this.socket = await connect(this.server, this.person);
    this.#lastDelivered = 0;
    this.socket.on("chat:message", (message) => this.#receive(message));
    await must(this.socket, "room:join", { roomId });
  }

  /** Sends as fast as answers come, until the connection is lost. */
  async sendUntilLost() {
    const run = async () => {
      while (this.socket?.connected) {
        const number = (this.#sent += 1);
        const mid = `${this.person.username}-${number}`;
        const text = `${this.person.username} says number ${number}`;
        this.waiting.set(mid, text);
        await this.#deliver(mid, text);
      }
    };
    await Promise.all(Array.from({ length: WINDOW }, run));
  }

  /** Sends what was not acknowledged again, under the same mids. */
  async retry() {
    for (const [mid, text] of [...this.waiting]) await this.#deliver(mid, text);
    assert.equal(this.waiting.size, 0, `${this.person.username} got no answer to a retry`);
  }

  leave() {
    this.socket?.disconnect();
  }

  /**
   * @param {string} mid
   * @param {string} message
   */
  async #deliver(mid, message) {
    const { socket, roomId } = this;
    if (socket === undefined) return;
    /** @type {import("./people.mjs").Ack} */
    let ack;
    try {
      ack = await sendEvent(socket, "chat:send", { roomId, message }, { mid });
    } catch {
      // The connection went first. Whether the message was stored is what the retry finds out.
      return;
    }
    assert.equal(ack.ok, true, `${mid}: ${JSON.stringify(ack)}`);
    const stored = { id: ack["id"], seq: ack["seq"] };
    const before = this.acknowledged.get(message);
    if (before !== undefined) assert.deepEqual(stored, before, `${mid} was acknowledged twice`);
    this.acknowledged.set(message, stored);
    this.waiting.delete(mid);
  }

  /** @param {Message} message */
  #receive({ seq, message }) {
    const before = this.delivered.get(seq) ?? message;
    assert.equal(message, before, `number ${seq} arrived with two texts`);
    const inOrder = this.#lastDelivered === 0 || seq === this.#lastDelivered + 1;
    assert.ok(inOrder, `number ${seq} arrived after number ${this.#lastDelivered}`);
    this.#lastDelivered = seq;
    this.delivered.set(seq, message);
  }
}

describe(`kill -9, ${ROUNDS} times, under ${CLIENTS} clients`, () => {
  /** @type {Server} */
  let server;
  /** @type {Sender[]} */
  let senders;
  let roomId = "";

  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    senders = [];
    for (let number = 1; number <= CLIENTS; number += 1) {
      senders.push(new Sender(server, await newPerson(server, `client${number}`)));
    }
    const socket = await connect(server, senders[0].person);
    const created = await must(socket, "room:create", { name: "Anvil", visibility: "public" });
    roomId = created.room.id;
    socket.disconnect();
    await enterAll();
  });
  after(async () => {
    senders?.forEach((sender) => sender.leave());
    await server?.remove();
  });

  const enterAll = () => Promise.all(senders.map((sender) => sender.enter(roomId)));

  for (let round = 1; round <= ROUNDS; round += 1) {
    test(`round ${round}`, async (context) => {
      const { least, most } = KILL_AFTER_MS;
      const moment = least + Math.floor(Math.random() * (most - least));
      const sending = Promise.all(senders.map((sender) => sender.sendUntilLost()));
      await new Promise((resolve) => setTimeout(resolve, moment));
      await server.kill();
      await sending;
      const open = senders.reduce((sum, { waiting }) => sum + waiting.size, 0);
      await server.start();
      await enterAll();
      await Promise.all(senders.map((sender) => sender.retry()));
      const count = await checkHistory();
      context.diagnostic(`killed after ${moment} ms, ${open} unanswered, ${count} stored so far`);
    });
  }

  async function checkHistory() {
    const socket = senders[0].socket;
    assert.ok(socket);
    const stored = await history(socket, roomId);
    stored.forEach(({ seq }, index) => assert.equal(seq, index + 1, "a gap in the room's order"));
    const byText = new Map(stored.map((message) => [message.message, message]));
    assert.equal(byText.size, stored.length, "a message is there twice");
    let acknowledged = 0;
    for (const sender of senders) {
      acknowledged += sender.acknowledged.size;
      for (const [text, { id, seq }] of sender.acknowledged) {
        const found = byText.get(text);
        assert.ok(found, `acknowledged and lost: ${text}`);
        assert.deepEqual([found.id, found.seq], [id, seq], text);
        assert.equal(found.userId, sender.person.id);
      }
      for (const [seq, text] of sender.delivered) {
        assert.equal(stored[seq - 1]?.message, text, `delivered and not stored: number ${seq}`);
      }
    }
    assert.equal(stored.length, acknowledged, "a stored message was never sent");
    assert.ok(acknowledged > 0);
    return acknowledged;
  }
});
