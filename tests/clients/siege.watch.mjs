// An administrator at the dashboard while the siege runs: sees the attack, blocks it, sees its end.
// `cargo xtask siege D-2 --beside "node tests/clients/siege.watch.mjs" --attackers 198.18`
// Never: a figure for a page; the browser takes processor time from the server under attack.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { authenticatorCode } from "./authenticator.mjs";
import { fillAccount, launch, picture, visit } from "./browser.mjs";
import { ask, PASSWORD } from "./people.mjs";

const RESOLVED_TIMEOUT_MS = 240_000;

/** @param {string} name */
const given = (name) => process.env[name] ?? assert.fail(`${name} is missing: run it by the siege`);

const url = given("SIEGE_URL");
const page_ = given("SIEGE_PAGE");
const ca = readFileSync(join(given("SIEGE_DIRECTORY"), "cert.pem"), "utf8");
const link = given("SIEGE_LINES")
  .split("\n")
  .find((line) => line.startsWith("set-up link "));
const token = link?.split("#setup=")[1] ?? assert.fail("no set-up link");

const lines = new EventEmitter();
const [attacked, ended] = [once(lines, "attack"), once(lines, "over")];
createInterface({ input: process.stdin }).on("line", (line) => lines.emit(line, Date.now()));

/** @param {string} text */
const note = (text) => console.log(`dashboard: ${text}`);

const server = /** @type {any} */ ({ url, ca });
const account = { token, username: "chief", password: PASSWORD };
const set = await ask(server, "POST", "/auth/setup", account, { origin: page_ });
assert.equal(set.status, 201, JSON.stringify(set.body));
const { host } = new URL(url);
const browser = await launch([`--host-resolver-rules=MAP ${new URL(page_).hostname}:443 ${host}`]);
const { page, complaints } = await visit(browser, server, {
  url: `${page_}/admin/`,
  window: { viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
});
page.setDefaultTimeout(60_000);
await fillAccount(page, "chief", PASSWORD, "Sign in");
await page.getByRole("button", { name: "Add a second factor" }).click();
await page.getByLabel("Password").fill(PASSWORD);
await page.keyboard.press("Enter");
const secret = String(await page.locator(".secret code").textContent());
await page.getByLabel("Code", { exact: true }).fill(authenticatorCode(secret));
await page.keyboard.press("Enter");
await page.getByRole("button", { name: "I have saved them" }).click();
await page.getByText(/^Live, /).waitFor();
await page.getByRole("heading", { name: "Healthy" }).waitFor();
note("signed in, healthy");

const [began] = await attacked;
/** Seconds from the start of the attack. */
const since = () => ((Date.now() - began) / 1000).toFixed(1);
/** @param {string} what @param {Promise<unknown>} shown */
const timed = async (what, shown) => shown.then(() => note(`${what} after ${since()} s`));

const happening = page.locator("p.happening");
const offer = page.locator("ul.offers button").first();
const alerts = page.locator("section.panel", { hasText: "Alerts" }).locator("li.row");
// The first sign-in of the administrator has alerts of its own.
const firing = alerts.filter({ hasNotText: /new device|configuration changed/ }).first();
await Promise.all([
  timed("another state", page.getByRole("heading", { name: /Elevated|Overloaded/ }).waitFor()),
  timed("the sentence", page.getByText(/the server rejects /i).waitFor()),
  timed("an alert", firing.waitFor()),
  timed("an operation", offer.waitFor()),
]);
note(`sentence: ${await happening.innerText()}`);
note(`alerts: ${(await page.locator("li.row .row-title").allInnerTexts()).join("; ")}`);
const offers = await page.locator("ul.offers button").allInnerTexts();
note(`operations: ${offers.join("; ")}`);
const loaded = Date.now();
await page.reload();
await page.getByText(/^Live, /).waitFor();
note(`loaded again and live in ${((Date.now() - loaded) / 1000).toFixed(1)} s`);
await offer.waitFor();
for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width: 390, height: 844 });
  await picture(page, `siege-attack-390-${colorScheme}`);
  await page.setViewportSize({ width: 1280, height: 800 });
  await picture(page, `siege-attack-1280-${colorScheme}`);
}
const block = page.getByRole("button", { name: /^Block / }).first();
if (process.argv.includes("--block")) {
  await block.click();
  const effect = page.getByText(/^Concerns |^No user is signed in/).first();
  await effect.waitFor();
  note(`preview: ${await effect.innerText()}`);
  await picture(page, "siege-block-1280-dark");
  await page.keyboard.press("Enter");
  const done = page.getByText(/^Done: Block /);
  const problem = page.locator("p.problem");
  await done.or(problem).first().waitFor();
  await page.mouse.move(0, 0);
  if (await done.isVisible()) {
    await timed(
      "the sentence names the block",
      happening.filter({ hasText: / blocked / }).waitFor(),
    );
  }
  await picture(page, "siege-blocked-1280-dark");
  assert.ok(await done.isVisible(), `not blocked: ${await problem.allInnerTexts()}`);
  note(`blocked after ${since()} s`);
}
await ended;
note(`the attack is over after ${since()} s`);
await page.getByRole("heading", { name: "Healthy" }).waitFor({ timeout: RESOLVED_TIMEOUT_MS });
note(`healthy after ${since()} s`);
await firing.getByText("resolved").waitFor({ timeout: RESOLVED_TIMEOUT_MS });
note(`resolved after ${since()} s`);
await page.getByText(/The attack ended at /).waitFor({ timeout: RESOLVED_TIMEOUT_MS });
note(`the page says that it ended after ${since()} s`);
await picture(page, "siege-resolved-1280-dark");
await browser.close();
const policy = complaints.filter((text) => text.startsWith("CSP") || text.startsWith("page error"));
assert.deepEqual(policy, []);
