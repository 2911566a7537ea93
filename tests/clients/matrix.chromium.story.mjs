// The browser builds of the stock client, by each of their settings, on the board in Chromium.
// Never: a build that was made anew; the package's own file is served.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { launch, visit } from "./browser.mjs";
import { Board } from "./examples.mjs";
import { SETTINGS, VERSIONS } from "./matrix.mjs";

/** @typedef {import("playwright-core").Browser} Browser */

const BUILDS = ["3.1", "4.0", "4.8"];
const PAGE = `<!doctype html><html lang="en"><title>Board</title><link rel="icon" href="data:,">
  <script src="client.js"></script>`;

/** @param {string} path */
const file = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

/**
 * A page of the server's own origin with one build of the client.
 * @param {Browser} browser
 * @param {{ url: string }} server
 * @param {string} name the package
 */
async function page(browser, server, name) {
  const url = `${server.url}/matrix/`;
  const script = file(`node_modules/${name}/dist/socket.io.js`);
  return visit(browser, server, {
    url,
    window: { permissions: ["local-network-access"] },
    async before(page) {
      await page.route(url, (route) => route.fulfill({ body: PAGE, contentType: "text/html" }));
      for (const [path, body] of [
        ["client.js", script],
        ["cell.js", file("matrixcell.mjs")],
      ]) {
        const contentType = "text/javascript";
        await page.route(url + path, (route) => route.fulfill({ body, contentType }));
      }
    },
  });
}

describe("browser builds on a board", () => {
  /** @type {Board} */
  let server;
  /** @type {Browser} */
  let browser;
  before(async () => {
    server = await Board.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  for (const version of VERSIONS.filter(({ name }) => BUILDS.includes(name))) {
    for (const [index, setting] of SETTINGS.entries()) {
      const name = `browser build ${version.name}, ${setting.name}`;
      test(name, async () => {
        const { page: at, close } = await page(browser, server, version.package);
        const { ann, bob } = server.tokens(name);
        const given = {
          url: server.url,
          board: `browser_${version.package.replaceAll(/\W/g, "_")}_${index}`,
          tokens: { ann, bob },
          ...(setting.transports === undefined ? {} : { transports: setting.transports }),
          recovers: version.recovers,
          options: setting.options ?? {},
        };
        const reply = await at.evaluate(async (given) => {
          const { runCell } = await import(new URL("cell.js", location.href).href);
          return runCell({ ...given, io: /** @type {any} */ (window).io });
        }, given);
        assert.equal(reply.length, version.recovers ? 8 : 7, reply.join("\n"));
        await close();
      });
    }
  }
});
