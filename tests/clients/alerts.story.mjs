// Alerts at a webhook, verified by the library of Standard Webhooks.
// Never: a receiver outside this machine.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Webhook } from "standardwebhooks";
import { Server, WIDE_LIMITS } from "./server.mjs";

const secret = (/** @type {number} */ byte) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`;
const [NEW, FORMER, OTHER] = [secret(1), secret(2), secret(3)];
const WAIT_MS = 20_000;

describe("a webhook of alerts", () => {
  const directory = mkdtempSync(join(tmpdir(), "portcullis-alerts-"));
  /** @type {{ body: string, headers: Record<string, string> }[]} */
  const received = [];
  // The first attempt fails, so the alert is sent twice.
  const receiver = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const headers = /** @type {Record<string, string>} */ (request.headers);
    received.push({ body, headers });
    response.writeHead(received.length === 1 ? 503 : 204).end();
    receiver.emit("received");
  });
  /** @type {Server} */
  let server;

  before(async () => {
    receiver.listen(0, "127.0.0.1");
    await once(receiver, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (receiver.address());
    const [url, secrets] = [join(directory, "url"), join(directory, "secrets")];
    writeFileSync(url, `http://127.0.0.1:${port}/hook\n`, { mode: 0o600 });
    writeFileSync(secrets, `${NEW}\n${FORMER}\n`, { mode: 0o600 });
    const channel = `
[[alert.channel]]
name = "page"
kind = "webhook"
url_file = ${JSON.stringify(url)}
secret_file = ${JSON.stringify(secrets)}
private_address = true
[[alert.custom]]
name = "lost"
code = ["malicious_excess_404"]
key = "prefix"
count = 1
window_s = 60
severity = "medium"
`;
    server = await Server.start({ limits: WIDE_LIMITS + channel });
  });
  after(async () => {
    await server?.remove();
    receiver.closeAllConnections();
    receiver.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("T-397: both secrets verify, another does not, a retry keeps its id", async () => {
    const timeout = AbortSignal.timeout(WAIT_MS);
    const twice = (async () => {
      while (received.length < 2) await once(receiver, "received", { signal: timeout });
    })();
    get(`${server.url}/missing`, { ca: server.ca }, (response) => response.resume());
    await twice;
    const [first, again] = received;
    assert.ok(first !== undefined && again !== undefined);
    assert.equal(first.headers["webhook-id"], again.headers["webhook-id"]);
    for (const { body, headers } of [first, again]) {
      for (const known of [NEW, FORMER]) {
        const message = /** @type {any} */ (new Webhook(known).verify(body, headers));
        assert.equal(message.type, "alert.firing");
        assert.equal(message.data.rule, "lost");
      }
      assert.throws(() => new Webhook(OTHER).verify(body, headers));
      assert.throws(() => new Webhook(NEW).verify(`${body} `, headers));
    }
  });
});
