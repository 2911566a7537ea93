// The Rust client on the board by each of its transports; `cargo xtask acceptance` builds it.
// Never: a part of the short tests; its crates are many, and not the server's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Board, Example } from "./examples.mjs";

const BUILT = new URL("../../target/clients/debug/rust-socketio-story", import.meta.url);
const TIMEOUT_MS = 120_000;

describe("two people with rust_socketio on a board", () => {
  /** @type {Board} */
  let board;
  /** @type {Example} */
  let open;
  before(async () => {
    board = await Board.start();
    open = await Example.start("conformance");
  });
  after(async () => {
    await board?.stop();
    await open?.stop();
  });

  for (const setting of ["default", "websocket", "upgrade", "polling"]) {
    test(setting, async () => {
      const program = process.env["STORY_RUST"] ?? fileURLToPath(BUILT);
      const { ann, bob } = board.tokens(`rust ${setting}`);
      const { stdout } = await promisify(execFile)(program, [board.url, open.url, setting], {
        env: { ...process.env, ANN: ann, BOB: bob },
        timeout: TIMEOUT_MS,
        killSignal: "SIGKILL",
      });
      assert.equal(stdout, `told by ${setting}\n`);
    });
  }
});
