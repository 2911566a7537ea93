// The examples of docs/operators-api.md against the real server, as an operator copies them.
// Never: an example that is changed beyond the addresses and the token.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask, connect, newPerson, PASSWORD, login } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

const DOCUMENT = readFileSync(new URL("../../docs/operators-api.md", import.meta.url), "utf8");
const HERE = fileURLToPath(new URL(".", import.meta.url));
const TIMEOUT_MS = 30_000;

/** @param {string} language */
function example(language) {
  const found = DOCUMENT.match(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "ms"));
  assert.ok(found?.[1] !== undefined, `an example in ${language}`);
  return found[1];
}

/**
 * A running program.
 * @param {string} program
 * @param {readonly string[]} words
 * @param {string} input
 * @param {Record<string, string>} [environment]
 */
function run(program, words, input, environment = {}) {
  const child = spawn(program, words, {
    cwd: HERE,
    env: { ...process.env, ...environment },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  child.stdin.end(input);
  return { child, lines: createInterface({ input: child.stdout }), errors: () => errors };
}

describe("the examples of the operators' interface", () => {
  /** @type {Server} */
  let server;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    const token = new URL(server.setUpLink).hash.replace("#setup=", "");
    await ask(server, "POST", "/auth/setup", { token, username: "chief", password: PASSWORD });
  });
  after(() => server?.remove());

  test("curl performs operations with the key of the data directory", async () => {
    const { program, where } = server.command();
    const [file, ...rest] = [program, ...where].map((word) => `'${word}'`);
    const command = `portcullis() { ${file} "$@" ${rest.join(" ")}; }`;
    const script = example("sh").replace("http://127.0.0.1:9443", server.private);
    assert.ok(script.includes(server.private), "the address is the default one");
    const input = `set -e\n${command}\n${script}`;
    const { child, lines, errors } = run("sh", [], input);
    const answers = [];
    for await (const line of lines) answers.push(JSON.parse(line));
    if (child.exitCode === null) await once(child, "exit");
    assert.equal(child.exitCode, 0, errors());
    const [overview, connections, preview, block] = answers;
    assert.equal(overview.overview.state, "normal");
    assert.deepEqual(connections, { ok: true, connections: [], more: false, cursor: null });
    assert.equal(preview.effect.connections, 0);
    assert.equal(block.block.prefix, "203.0.113.0/24");
    assert.equal(answers.length, 4);
  });

  test("a program lists connections and gets the overview", async () => {
    const linus = await newPerson(server, "linus");
    const socket = await connect(server, linus);
    const { token } = await login(server, "chief");
    const words = ["--input-type=module", "-", server.url, token];
    // Trusts the authority of the test, as a system trusts that of a public certificate.
    const { child, lines, errors } = run(process.execPath, words, example("js"), {
      NODE_EXTRA_CA_CERTS: server.authority,
    });
    let [listed, state] = ["", ""];
    for await (const line of lines) {
      if (/ linus 127\.0\.0\.1 /.test(line)) listed = line;
      if (/^normal /.test(line)) state = line;
      if (state !== "") break;
    }
    child.kill("SIGKILL");
    assert.match(listed, /^\d+-\d+ linus 127\.0\.0\.1 \d{4}-/, errors());
    assert.notEqual(state, "", errors());
    socket.close();
  });
});
