// One built server in a directory of its own: started, stopped, killed, started again.
// Never: a fixed port, or a file outside that directory.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BUILT = fileURLToPath(new URL("../../target/debug/portcullis", import.meta.url));
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const OUTPUT_LINES_MAX = 200;

/** Limits out of the way, for stories that are not about them. */
export const WIDE_LIMITS = `
[capacity]
connections_per_user = 100
pre_auth_per_prefix = 100000
connections_per_prefix = 100000
http_per_prefix = 100000

[rate]
connect_total = "100000/1s"
tls_per_prefix = "100000/60s"
tls_total = "100000/1s"
login_total = "100000/1s"
message_per_prefix = "1000000/60s"
bytes_per_connection = "100000000/1s"
bytes_per_user = "100000000/1s"
bytes_per_prefix = "100000000/1s"
penalty_per_prefix = "100000/60s"
penalty_per_user = "100000/60s"
connect_per_prefix = "100000/60s"
request_per_prefix = "100000/60s"
login_per_prefix = "100000/60s"
login_per_user = "100000/60s"
message_per_user = "1000000/60s"
namespace_per_user = "1000000/60s"
signature_per_user = "1000000/60s"
message_per_connection = "1000000/60s"

[rate.event_per_user]
"chat:send" = "1000000/60s"
"chat:history" = "1000000/60s"
"room:join" = "1000000/60s"
`;

export class Server {
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  /** @type {string[]} */
  #output = [];
  #directory = mkdtempSync(join(tmpdir(), "portcullis-story-"));
  #listen = "127.0.0.1:0";
  /** @type {Record<string, string>} */
  #environment;
  /** Where the page is, such as `https://127.0.0.1:4711`; also its origin. */
  url = "";
  /** The private listener, such as `http://127.0.0.1:4712`. */
  private = "";
  /** The file of the certificate authority. */
  authority = "";
  /** The certificate authority, PEM. */
  ca = "";
  /** The first administrator's one-time link, while there is one. */
  setUpLink = "";

  /**
   * @param {{ limits?: string, environment?: Record<string, string> }} [options] TOML sections
   * beyond where to listen, and variables of the process
   */
  static async start(options = {}) {
    const server = new Server(options.limits ?? "", options.environment ?? {});
    try {
      await server.start();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /**
   * @param {string} limits
   * @param {Record<string, string>} environment
   */
  constructor(limits, environment) {
    this.#environment = environment;
    const listen = `[listen]\npublic = "127.0.0.1:0"\nprivate = "127.0.0.1:0"\n`;
    writeFileSync(this.#inside("portcullis.toml"), `profile = "development"\n${listen}${limits}`);
  }

  /** Starts the server; after the first time, where it was before. */
  async start() {
    const { program, where } = this.command();
    const listen = this.url === "" ? [] : ["--listen", this.#listen];
    const child = spawn(program, ["serve", ...where, ...listen], {
      cwd: this.#directory,
      env: {
        ...process.env,
        // Stories share their machine: how busy it is says nothing about the server.
        PORTCULLIS__OVERLOAD__STATE: "normal",
        ...this.#environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    const together = () => child.kill("SIGKILL");
    // A story that crashes leaves no server behind.
    process.once("exit", together);
    child.once("exit", () => process.off("exit", together));
    this.#read(child.stderr);
    const timeout = AbortSignal.timeout(START_TIMEOUT_MS);
    const failed = once(child, "error", { signal: timeout }).then(([error]) => {
      throw error;
    });
    const ended = once(child, "exit", { signal: timeout }).then(([code]) => {
      throw new Error(`the server ended with ${code} at start:\n${this.output()}`);
    });
    await Promise.race([this.#listening(child.stdout), failed, ended]).catch((error) => {
      child.kill("SIGKILL");
      if (error.name !== "AbortError") throw error;
      throw new Error(`the server said nothing in time:\n${this.output()}`);
    });
    failed.catch(() => {});
    ended.catch(() => {});
  }

  /** Asks the server to drain; gives its exit code. */
  async stop() {
    return this.#end("SIGTERM");
  }

  /** Ends the server as a power cut would. */
  async kill() {
    return this.#end("SIGKILL");
  }

  async remove() {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The records of the security log so far. */
  records() {
    const text = readFileSync(join(this.#inside("data"), "security.log"), "utf8");
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }

  /** The program, and the arguments that name this server to its commands. */
  command() {
    const where = ["--config", this.#inside("portcullis.toml"), "--data", this.#inside("data")];
    return { program: process.env["PORTCULLIS_BIN"] ?? BUILT, where };
  }

  /** The newest lines of both outputs, for a failure's message. */
  output() {
    return this.#output.join("\n");
  }

  /** @param {NodeJS.Signals} signal */
  async #end(signal) {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended by itself:\n${this.output()}`);
    }
    const exit = once(child, "exit", { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) });
    child.kill(signal);
    try {
      const [code] = await exit;
      return code;
    } catch {
      child.kill("SIGKILL");
      throw new Error(`the server did not end in time:\n${this.output()}`);
    }
  }

  /**
   * Resolves at the line that says where the server listens, with what stood before or after it.
   * @param {import("node:stream").Readable} stdout
   */
  #listening(stdout) {
    return new Promise((resolve) => {
      let [url, ca] = ["", ""];
      this.#read(stdout, (line) => {
        url = /^listening public (https:\/\/\S+)$/.exec(line)?.[1] ?? url;
        this.private = /^listening private (http:\/\/\S+)$/.exec(line)?.[1] ?? this.private;
        ca = /^certificate authority (\S.*)$/.exec(line)?.[1] ?? ca;
        this.setUpLink = /^set-up link (https:\S+)$/.exec(line)?.[1] ?? this.setUpLink;
        if (url === "" || ca === "") return;
        this.url = url.replace(/\/$/, "");
        this.#listen = new URL(url).host;
        this.authority = ca;
        this.ca = readFileSync(ca, "utf8");
        resolve(undefined);
      });
    });
  }

  /**
   * @param {import("node:stream").Readable} stream
   * @param {(line: string) => void} [receive]
   */
  #read(stream, receive) {
    createInterface({ input: stream }).on("line", (line) => {
      this.#output.push(line);
      if (this.#output.length > OUTPUT_LINES_MAX) this.#output.shift();
      receive?.(line);
    });
  }

  /** @param {string} name */
  #inside(name) {
    return join(this.#directory, name);
  }
}
