// Chromium for the browser stories: contexts that note everything a page complains about.
// Never: a page whose errors are not checked.
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** @typedef {import("playwright-core").Browser} Browser */
/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").WebSocketRoute} WebSocketRoute */

const SCREENSHOTS = process.env["SCREENSHOT_DIR"] ?? join(tmpdir(), "portcullis-screenshots");

/**
 * @param {string[]} [more] switches of Chromium
 * @returns {Promise<Browser>}
 */
export async function launch(more = []) {
  return chromium.launch({
    executablePath: process.env["CHROMIUM_BIN"] ?? "/usr/bin/chromium",
    args: [
      // As root, which is what a container usually is, Chromium runs only without its sandbox.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
}

/**
 * @typedef {object} Visit
 * @property {import("playwright-core").BrowserContextOptions} [window]
 * @property {string} [url] where to, when not to the page itself
 * @property {(page: Page) => Promise<void>} [before] prepares the page before it goes anywhere
 * @property {(socket: WebSocketRoute) => void} [between] stands between the page and the server
 */

/**
 * A person's own browser window at the server's page.
 * @param {Browser} browser
 * @param {{ url: string }} server
 * @param {Visit} [options]
 */
export async function visit(browser, server, options = {}) {
  const context = await browser.newContext({
    // Chromium does not know the story's own certificate authority; Node's clients check it.
    ignoreHTTPSErrors: true,
    viewport: { width: 1100, height: 720 },
    reducedMotion: "reduce",
    locale: "en-GB",
    ...options.window,
  });
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`page error: ${error.stack ?? error}`));
  page.on("requestfailed", (request) => {
    // A page that is reloaded while it loads leaves its icon: the browser's own doing.
    const left = request.failure()?.errorText === "net::ERR_ABORTED";
    if (left && request.url().endsWith("/favicon.svg")) return;
    complaints.push(`request failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  await page.exposeFunction("complain", (/** @type {string} */ text) => complaints.push(text));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const { violatedDirective, blockedURI, sourceFile, lineNumber } = event;
      const text = `CSP: ${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`;
      /** @type {any} */ (window).complain(text);
    });
  });
  if (options.between !== undefined) await page.routeWebSocket(/socket\.io/, options.between);
  await options.before?.(page);
  await page.goto(options.url ?? server.url);
  return { page, complaints, close: () => context.close() };
}

/**
 * Fills the form that is shown and sends it.
 * @param {Page} page
 * @param {string} username
 * @param {string} password
 * @param {string} verb
 */
export async function fillAccount(page, username, password, verb) {
  await page.getByLabel("User name").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: verb, exact: true }).click();
}

/**
 * @param {Page} page
 * @param {string} username
 * @param {string} password
 */
export async function signUp(page, username, password) {
  await page.getByRole("button", { name: "Create an account" }).click();
  await fillAccount(page, username, password, "Create account");
  await page.getByText("Connected", { exact: true }).waitFor();
}

/**
 * @param {Page} page
 * @param {string} name
 */
export async function createRoom(page, name) {
  await page.getByRole("button", { name: "New room" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Create room" }).click();
  await page.getByRole("heading", { name, level: 1 }).waitFor();
  // A user who opens a room can write at once.
  await page.locator("textarea:focus").waitFor();
}

/**
 * @param {Page} page
 * @param {string} text
 */
export async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

/**
 * @param {Page} page
 * @param {string} name
 */
export async function picture(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
