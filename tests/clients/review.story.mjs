// What a security review asks of the doors with tools of its own.
// Never: a judgement of ours where a tool of the field gives one.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import tls from "node:tls";
import { CspEvaluator } from "csp_evaluator/dist/evaluator.js";
import { Severity } from "csp_evaluator/dist/finding.js";
import { CspParser } from "csp_evaluator/dist/parser.js";
import { ask } from "./people.mjs";
import { Server } from "./server.mjs";

describe("a security review", () => {
  /** @type {Server} */
  let server;
  before(async () => {
    server = await Server.start({ limits: "[transport]\nhandshake_timeout_ms = 1000\n" });
  });
  after(async () => {
    await server?.remove();
  });

  test("finds nothing grave in the page's policy (T-261)", async () => {
    const { headers } = await ask(server, "GET", "/");
    const policy = String(headers["content-security-policy"]);
    const judge = (/** @type {string} */ text) =>
      new CspEvaluator(new CspParser(text).csp).evaluate();
    const grave = judge(policy).filter(({ severity }) => severity <= Severity.HIGH_MAYBE);
    assert.deepEqual(grave, []);
    // The tool does find what is wrong.
    const bad = judge(policy.replace(/script-src [^;]*/, "script-src 'unsafe-inline' *"));
    assert.ok(bad.some(({ severity }) => severity === Severity.HIGH));
    // Without inline scripts nothing needs a nonce that could be the same twice.
    assert.doesNotMatch(policy, /nonce-/);
  });

  test("cannot negotiate TLS 1.2 a second time (T-103)", async () => {
    const { hostname, port } = new URL(server.url);
    const socket = tls.connect({
      host: hostname,
      port: Number(port),
      ca: server.ca,
      maxVersion: "TLSv1.2",
    });
    await once(socket, "secureConnect");
    assert.equal(socket.getProtocol(), "TLSv1.2");
    const refused = new Promise((resolve) => {
      socket.on("error", resolve);
      socket.on("close", () => resolve(new Error("closed")));
      socket.renegotiate({ rejectUnauthorized: true }, resolve);
    });
    assert.ok((await refused) instanceof Error, "a second handshake");
    socket.destroy();
    assert.equal((await ask(server, "GET", "/")).status, 200);
  });
});
