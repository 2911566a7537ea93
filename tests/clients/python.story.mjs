// The stock Python client on the board by each of its transports.
// Never: a Python of the machine; the story has an environment of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Board } from "./examples.mjs";

const INSTALLED = new URL("../../target/python-stories/bin/python", import.meta.url);
const SCRIPTS = { asynchronous: "python/story.py", synchronous: "python/sync_story.py" };
const TIMEOUT_MS = 120_000;

describe("three people with python-socketio on a board", () => {
  /** @type {Board} */
  let server;
  before(async () => {
    server = await Board.start();
  });
  after(async () => {
    await server?.stop();
  });

  const settings = [
    ["default", "websocket"],
    ["websocket", "websocket"],
    ["polling", "polling"],
  ];
  for (const [kind, script] of Object.entries(SCRIPTS)) {
    for (const [setting, transport] of settings) {
      test(`${kind}, ${setting}`, async () => {
        const python = process.env["STORY_PYTHON"] ?? fileURLToPath(INSTALLED);
        const path = fileURLToPath(new URL(script, import.meta.url));
        const child = spawn(python, [path, server.url, setting ?? ""], {
          env: { ...process.env, BOARD_SECRET: server.secret },
          stdio: ["ignore", "pipe", "pipe"],
          timeout: TIMEOUT_MS,
          killSignal: "SIGKILL",
        });
        const [response, complained, [code]] = await Promise.all([
          text(child.stdout),
          text(child.stderr),
          once(child, "exit"),
        ]);
        assert.equal(code, 0, `${response}${complained}${server.output()}`);
        assert.equal(response, `told by ${transport}\n`);
        // The server ends the transport of a rejected CONNECT. The synchronous client can then end it
        // in two threads at once, and one of them waits 30 s for its queue. The client does so with
        // every server that ends transports; the story checks that it works afterwards.
        assert.equal(complained.replaceAll("packet queue is empty, aborting\n", ""), "");
      });
    }
  }
});
