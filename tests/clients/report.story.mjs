// A page that violates its policy in Chromium: the browser's reports are in the security log.
// Never: a report that the story sends itself.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { launch, visit } from "./browser.mjs";
import { Server } from "./server.mjs";

const WAIT_MS = 20_000;

describe("a page that violates its policy", () => {
  /** @type {Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    server = await Server.start();
    // The browser's reporter checks certificates apart from pages, and waits for a minute.
    browser = await launch(["--ignore-certificate-errors", "--short-reporting-delay"]);
  });
  after(async () => {
    await browser?.close();
    await server?.remove();
  });

  /** @param {string} reason */
  async function record(reason) {
    for (const end = Date.now() + WAIT_MS; Date.now() < end; await pause(100)) {
      const found = server.records().find((one) => {
        return one.event.code === "malicious_csp_violation" && one.event.reason === reason;
      });
      if (found !== undefined) return found;
    }
    assert.fail(`no record of ${reason}: ${JSON.stringify(server.records(), null, 1)}`);
  }

  test("is recorded with directive, source and path, and without its text", async () => {
    const url = `${server.url}/?secret-query#secret-fragment`;
    const { page, complaints, close } = await visit(browser, server, { url });
    await page.evaluate(() => {
      const image = document.createElement("img");
      image.src = "https://blocked.example/secret-path?secret-query";
      document.body.append(image);
      try {
        document.body.innerHTML = "<b>secret-sample</b>";
      } catch {
        // Trusted Types reject the text.
      }
    });
    const image = await record("img-src");
    assert.equal(image.labels.blocked, "https://blocked.example");
    assert.equal(image.url.path, "/");
    assert.equal(image.log.level, "warning");
    assert.match(image.user_agent.original, /Chrome/);
    const sink = await record("require-trusted-types-for");
    assert.equal(sink.labels.blocked, "trusted-types-sink");
    assert.doesNotMatch(JSON.stringify(server.records()), /secret-/);
    // The page reports to the test by itself, perhaps after the server has the record.
    const isReported = () => complaints.some((text) => text.startsWith("CSP: img-src"));
    for (const until = Date.now() + 10_000; !isReported() && Date.now() < until;) {
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
    assert.ok(isReported());
    await close();
  });
});
