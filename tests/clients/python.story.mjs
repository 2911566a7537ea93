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
const SCRIPT = fileURLToPath(new URL("python/story.py", import.meta.url));
const TIMEOUT_MS = 60_000;

describe("three people with python-socketio on a board", () => {
  /** @type {Board} */
  let server;
  before(async () => {
    server = await Board.start();
  });
  after(async () => {
    await server?.stop();
  });

  for (const [setting, transport] of [
    ["default", "websocket"],
    ["websocket", "websocket"],
    ["polling", "polling"],
  ]) {
    test(setting, async () => {
      const python = process.env["STORY_PYTHON"] ?? fileURLToPath(INSTALLED);
      const child = spawn(python, [SCRIPT, server.url, setting], {
        env: { ...process.env, BOARD_SECRET: server.secret },
        stdio: ["ignore", "pipe", "pipe"],
        timeout: TIMEOUT_MS,
        killSignal: "SIGKILL",
      });
      const [said, complained, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, "exit"),
      ]);
      assert.equal(code, 0, `${said}${complained}${server.output()}`);
      assert.equal(said, `told by ${transport}\n`);
      assert.equal(complained, "");
    });
  }
});
