// A built example server on a free port: started with an environment, stopped, spoken of.
// Never: left running; what a story starts ends with it.
import { spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const REFERENCE = fileURLToPath(new URL("reference.mjs", import.meta.url));
const BUILT = fileURLToPath(new URL("../../target/debug/examples", import.meta.url));
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const OUTPUT_LINES_MAX = 200;
const TOKEN_LIFETIME_S = 600;

export class Example {
  /** @type {import("node:child_process").ChildProcess} */
  #process;
  /** @type {string[]} */
  #output = [];
  /** Where it listens, such as `http://127.0.0.1:4711`; also its origin. */
  url = "";

  /**
   * @param {string} name
   * @param {Record<string, string>} [environment]
   */
  static async start(name, environment = {}) {
    const program = join(process.env["PORTCULLIS_EXAMPLES"] ?? BUILT, name);
    const example = new Example(program, ["--port", "0"], environment);
    await example.#listening();
    return example;
  }

  /**
   * Node's own server, as another example.
   * @param {Record<string, string>} environment
   */
  static async reference(environment) {
    const example = new Example(process.execPath, [REFERENCE], environment);
    await example.#listening();
    return example;
  }

  /**
   * @param {string} program
   * @param {string[]} parts
   * @param {Record<string, string>} environment
   */
  constructor(program, parts, environment) {
    const child = spawn(program, parts, {
      // Stories share their machine: how busy it is says nothing about the example.
      env: { ...process.env, LOAD_STATE: "normal", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const together = () => child.kill("SIGKILL");
    // A story that crashes leaves no server behind.
    process.once("exit", together);
    child.once("exit", () => process.off("exit", together));
  }

  /** Asks it to drain; it must end well. */
  async stop() {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the example ended by itself:\n${this.output()}`);
    }
    const exit = once(child, "exit", { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
    child.kill("SIGTERM");
    const [code] = await exit.catch(() => {
      child.kill("SIGKILL");
      throw new Error(`the example did not end in time:\n${this.output()}`);
    });
    if (code !== 0) throw new Error(`the example ended with ${code}:\n${this.output()}`);
  }

  /** The newest lines of both outputs, for a failure's message. */
  output() {
    return this.#output.join("\n");
  }

  async #listening() {
    const child = this.#process;
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error("its outputs are not read");
    const timeout = AbortSignal.timeout(START_TIMEOUT_MS);
    /** @type {Promise<void>} */
    const listening = new Promise((resolve, reject) => {
      timeout.addEventListener("abort", () => reject(new Error(`silent:\n${this.output()}`)));
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`ended with ${code}:\n${this.output()}`)));
      for (const stream of [stdout, stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          this.#output.push(line);
          if (this.#output.length > OUTPUT_LINES_MAX) this.#output.shift();
          const url = /^listening public (http:\S+)$/.exec(line)?.[1];
          if (url === undefined) return;
          this.url = url.replace(/\/$/, "");
          resolve();
        });
      }
    });
    await listening.catch((error) => {
      child.kill("SIGKILL");
      throw error;
    });
  }
}

/** The board, with a secret of its own and the tokens it believes. */
export class Board {
  #secret = randomBytes(32).toString("hex");
  /** @type {Example | undefined} */
  #example;

  static async start() {
    const board = new Board();
    board.#example = await Example.start("board", { BOARD_SECRET: board.#secret });
    return board;
  }

  get url() {
    return this.#example?.url ?? "";
  }

  get secret() {
    return this.#secret;
  }

  async stop() {
    await this.#example?.stop();
  }

  output() {
    return this.#example?.output() ?? "";
  }

  /**
   * Users of two settings are two users, even of one name: limits are the user's.
   * @param {string} name
   * @param {string} setting
   */
  token(name, setting) {
    return this.#sign({ sub: `${name} ${setting}` }, name, this.#secret);
  }

  /** Tokens of the three of a setting. @param {string} setting */
  tokens(setting) {
    const [ann, bob, carl] = ["ann", "bob", "carl"].map((name) => this.token(name, setting));
    return /** @type {Record<"ann" | "bob" | "carl", string>} */ ({ ann, bob, carl });
  }

  /** Tokens that must not be believed, each for a reason of its own. */
  badTokens() {
    const now = Math.floor(Date.now() / 1000);
    return {
      expired: this.#sign({ iat: now - 120, exp: now - 60 }, "late", this.#secret),
      "for others": this.#sign({ aud: "elsewhere" }, "lost", this.#secret),
      "of others": this.#sign({}, "forger", randomBytes(32).toString("hex")),
      nonsense: "nonsense",
    };
  }

  /**
   * @param {object} claims
   * @param {string} name
   * @param {string} secret
   */
  #sign(claims, name, secret) {
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: "https://board.example", aud: "portcullis", sub: name, name };
    const times = { iat: now, exp: now + TOKEN_LIFETIME_S };
    const signed = [
      { alg: "HS256", typ: "JWT" },
      { ...usual, ...times, ...claims },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  }
}
