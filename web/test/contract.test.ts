// What is read from the network, and what is not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readList, readMemberChange, readMessage, readRoom, readUser } from "../src/contract";

const MESSAGE = {
  id: "m",
  seq: 1,
  roomId: "r",
  userId: "u",
  username: "ann",
  message: "hello",
  timestamp: "2026-01-02T03:04:05.006Z",
};

test("a message is read whole or not at all", () => {
  const { timestamp, ...rest } = MESSAGE;
  const expect = { ...rest, external: false, timestampMs: Date.parse(timestamp) };
  assert.deepEqual(readMessage(MESSAGE), expect);
  assert.deepEqual(readMessage({ ...MESSAGE, timestamp: expect.timestampMs }), expect);
  assert.deepEqual(readMessage({ ...MESSAGE, html: "<b>x</b>" }), { ...expect, html: "<b>x</b>" });
  const broken = [
    undefined,
    null,
    "text",
    [],
    {},
    { ...MESSAGE, seq: -1 },
    { ...MESSAGE, seq: 1.5 },
    { ...MESSAGE, seq: "1" },
    { ...MESSAGE, message: { toString: () => "x" } },
    { ...MESSAGE, timestamp: "yesterday" },
  ];
  assert.equal(readMessage({ ...MESSAGE, external: true })?.external, true);
  for (const value of broken) assert.equal(readMessage(value), undefined);
});

test("rooms, members and users are read by their fields", () => {
  const room = { id: "r", name: "Room", owner_id: "u", visibility: "public" };
  assert.deepEqual(readRoom(room), { id: "r", name: "Room", ownerId: "u", visibility: "public" });
  assert.equal(readRoom({ ...room, visibility: "secret" }), undefined);
  assert.deepEqual(readList([room, 7, {}], readRoom).length, 1);
  assert.deepEqual(readList("rooms", readRoom), []);
  const change = { roomId: "r", userId: "u", username: "ann", change: "joined" };
  assert.deepEqual(readMemberChange(change), { ...change, external: false, byRole: false });
  assert.equal(readMemberChange({ ...change, byRole: true })?.byRole, true);
  assert.equal(readMemberChange({ ...change, change: "promoted" }), undefined);
  assert.deepEqual(readUser({ id: "u", username: "ann", roles: ["user", 7] })?.roles, ["user"]);
});
