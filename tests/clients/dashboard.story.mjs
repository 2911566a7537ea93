// The dashboard in a browser: what an administrator sees and does, also by keyboard and on a phone.
// Never: a test hook in the page; only what a person sees and types.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { after, before, beforeEach, describe, test } from "node:test";
import { authenticatorCode } from "./authenticator.mjs";
import { fillAccount, launch, picture, visit } from "./browser.mjs";
import { blockChange, Dashboard, HOSTILE, overviewOf } from "./dashboard.mjs";
import { ask, newPerson, PASSWORD } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const IMAGES =
  process.env["DASHBOARD_IMAGES"] ??
  fileURLToPath(new URL("../../target/screenshots", import.meta.url));
const TABS = ["", "connections", "users", "limits", "blocks", "audit", "doctor"];

/** @param {Page} page */
async function violations(page) {
  const found = await page.evaluate(async () => {
    const { axe } = /** @type {any} */ (window);
    const { violations } = await axe.run(document, { rules: { "target-size": { enabled: true } } });
    return violations.map(
      (/** @type {any} */ one) =>
        `${one.id}: ${one.nodes
          .map((/** @type {any} */ node) => `${node.html} ${node.failureSummary}`)
          .slice(0, 3)
          .join(" | ")}`,
    );
  });
  return /** @type {string[]} */ (found);
}

/** @param {Page} page */
async function signIn(page) {
  await page.getByLabel("User name").fill("ada");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
}

/**
 * Shows the sessions of the second user.
 * @param {Page} page
 */
async function openSessions(page) {
  await page
    .getByRole("button", { name: /^Sessions of / })
    .nth(1)
    .click();
  await page.locator(".sessions li").first().waitFor();
}

describe("T-408: the dashboard", () => {
  /** @type {Dashboard} */
  let mock;
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    mock = await Dashboard.start();
    browser = await launch();
    mkdirSync(IMAGES, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await mock?.stop();
  });
  beforeEach(() => {
    Object.assign(mock, {
      roles: ["admin"],
      needsLogin: false,
      loginAgeS: 0,
      scene: "normal",
      sequence: 184_467,
    });
    mock.names = ["ada", "grace", "linus"];
    mock.operations.length = 0;
  });

  /** @param {import("playwright-core").BrowserContextOptions} [window] */
  const open = async (window = {}) => {
    const visited = await visit(browser, mock, {
      url: `${mock.url}/admin/`,
      window,
      // Playwright evaluates this outside of the policy of the page.
      before: async (page) => void (await page.addInitScript(AXE)),
    });
    await signIn(visited.page);
    return visited;
  };

  for (const width of [1280, 390]) {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      test(`shows the attack at ${width} px, ${colorScheme}, without a violation`, async () => {
        const viewport = { width, height: width === 390 ? 844 : 800 };
        const { page, complaints, close } = await open({ viewport, colorScheme });
        await page.getByRole("heading", { name: "Healthy" }).waitFor();
        mock.scene = "attack";
        mock.tick();
        await page.getByRole("heading", { name: "Overloaded" }).waitFor();
        await page.getByText("the server rejects 812 requests a second").waitFor();
        await page.locator(".plot canvas").nth(3).waitFor();
        await page.getByText("203.0.113.0/24").first().waitFor();
        const name = (/** @type {string} */ part) =>
          join(IMAGES, `dashboard-${part}-${width}-${colorScheme}.png`);
        await page.screenshot({ path: name("overview") });
        await picture(page, `dashboard-whole-${width}-${colorScheme}`);
        await page.getByRole("button", { name: "Block 203.0.113.0/24" }).first().click();
        await page.getByText(/^Concerns 211 unauthenticated connections now/).waitFor();
        await page.screenshot({ path: name("block") });
        assert.deepEqual(await violations(page), [], "the dialog");
        await page.keyboard.press("Escape");
        for (const tab of TABS) {
          await page.goto(`${mock.url}/admin/#/${tab}`);
          await page.locator("main .panel li, main .panel form").first().waitFor();
          await page.getByText("One moment…").waitFor({ state: "detached" });
          if (tab === "users") await openSessions(page);
          assert.deepEqual(await violations(page), [], `the tab ${tab}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `the tab ${tab} is ${wide} px too wide`);
          if (tab !== "") await picture(page, `dashboard-${tab}-${width}-${colorScheme}`);
        }
        assert.deepEqual(unlessSignedOut(complaints), []);
        await close();
      });
    }
  }

  test("needs at most 120 KiB, compressed", () => {
    const files = ["admin.js", "admin.css", "index.html"];
    const sizes = files.map((name) => {
      const path = new URL(`../../web/dist/admin/${name}`, import.meta.url);
      return gzipSync(readFileSync(path)).length;
    });
    assert.ok(sizes.reduce((sum, size) => sum + size) <= 120 * 1024, String(sizes));
  });

  test("blocks a network by keyboard alone at 390 px, after a recent sign-in", async () => {
    mock.scene = "attack";
    mock.needsLogin = true;
    mock.loginAgeS = 1_200;
    const { page, complaints, close } = await open({ viewport: { width: 390, height: 844 } });
    await page.getByText("203.0.113.0/24").first().waitFor();
    /** @param {(text: string) => boolean} fits */
    const tabTo = async (fits) => {
      for (let presses = 0; presses < 60; presses += 1) {
        await page.keyboard.press("Tab");
        const label = await page.evaluate(() => {
          const element = document.activeElement;
          return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
        });
        if (fits(label)) return;
      }
      assert.fail("the focus never arrived");
    };
    await tabTo((label) => label === "Block 203.0.113.0/24");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Block 203.0.113.0/24" });
    await dialog.getByText("3 connections of signed-in users stay").waitFor();
    const proposed = await dialog.getByLabel("Reason").inputValue();
    assert.match(proposed, /^52,100 requests from 203\.0\.113\.0\/24 were rejected .*\.$/);
    await dialog.getByText("Your last sign-in was 20 min ago: the next step asks for").waitFor();
    await picture(page, "dashboard-asks-390");
    // Typing replaces the proposal.
    await page.keyboard.type("flood at night");
    await page.keyboard.press("Enter");
    const identity = page.getByRole("dialog", { name: "Confirm your identity" });
    await identity.getByText("“Block 203.0.113.0/24” needs a recent sign-in").waitFor();
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByText("Done: Block 203.0.113.0/24.").waitFor();
    assert.deepEqual(mock.operations, [
      {
        name: "address:block",
        payload: {
          prefix: "203.0.113.0/24",
          duration_s: 3600,
          scope: "unauthenticated",
          reason: "flood at night",
        },
      },
    ]);
    // Single keys: the next row is an alert, which `a` acknowledges.
    await page.keyboard.press("Escape");
    await page
      .locator("body")
      .evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
    await page.keyboard.press("j");
    await page.keyboard.press("a");
    await page.getByRole("dialog", { name: /^Acknowledge/ }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.keyboard.type("k3v9x0abcd");
    await page.keyboard.press("Enter");
    await page
      .getByText(/rejected at .*: too many connection .* \(connect_per_prefix\)\./)
      .waitFor();
    for (const [ref, words] of [
      ["0123456789ab", "The log has no record of it"],
      ["mistyped", "this server has not made this reference"],
    ]) {
      await page.getByRole("textbox", { name: "Reference", exact: true }).fill(ref ?? "");
      await page.keyboard.press("Enter");
      await page.getByText(words ?? "").waitFor();
    }
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("keeps a reason that was typed when the confirmation is cancelled", async () => {
    mock.scene = "attack";
    mock.needsLogin = true;
    const { page, complaints, close } = await open();
    await page.getByRole("button", { name: "Block 203.0.113.0/24" }).first().click();
    const dialog = page.getByRole("dialog", { name: "Block 203.0.113.0/24" });
    await dialog.getByText("3 connections of signed-in users stay").waitFor();
    const reason = dialog.getByLabel("Reason");
    const selected = () =>
      reason.evaluate((/** @type {HTMLInputElement} */ { selectionStart, selectionEnd }) => [
        selectionStart,
        selectionEnd,
      ]);
    const { length } = await reason.inputValue();
    assert.deepEqual(await selected(), [0, length], "the proposal");
    await page.keyboard.type("flood at night");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Confirm your identity" }).waitFor();
    await page.keyboard.press("Escape");
    await reason.waitFor();
    assert.equal(await reason.evaluate((element) => document.activeElement === element), true);
    const [start, end] = await selected();
    assert.equal(start, end, "nothing is selected");
    await page.keyboard.press("End");
    await page.keyboard.type(", again");
    assert.equal(await reason.inputValue(), "flood at night, again");
    assert.deepEqual(mock.operations, []);
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("marks blocks in the charts of rejections and load", async () => {
    mock.scene = "attack";
    const window = /** @type {const} */ ({
      colorScheme: "dark",
      viewport: { width: 1280, height: 800 },
    });
    const { page, complaints, close } = await open(window);
    const chart = page.getByRole("figure", { name: "Rejected requests" });
    await chart.getByText(/^Marks: 192\.0\.2\.0\/24 blocked .* at /).waitFor();
    const change = blockChange(0, "blocked", "203.0.113.0/24");
    const overview = { ...overviewOf("attack", mock.sequence), block_changes: [change] };
    mock.send("overview", { overview });
    for (const title of ["Rejected requests", /^Load/]) {
      const figure = page.getByRole("figure", { name: title });
      await figure.getByText(/^Marks: 203\.0\.113\.0\/24 blocked .*; 192\.0\.2\.0/).waitFor();
    }
    await chart.evaluate((element) => element.scrollIntoView({ block: "end" }));
    await picture(page, "dashboard-marks");
    // The moment has the change as well, and so has the table.
    await chart.getByRole("slider").focus();
    await page.keyboard.press("End");
    await chart.getByText(/: .*; 203\.0\.113\.0\/24 blocked \(unauthenticated/).waitFor();
    await chart.getByText("Table").click();
    await chart.getByRole("columnheader", { name: "Blocks" }).waitFor();
    assert.equal(await page.getByText(/^Marks: /).count(), 2);
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  for (const width of [1280, 390]) {
    test(`shows the table of each chart as a whole at ${width} px`, async () => {
      mock.scene = "attack";
      const { page, complaints, close } = await open({ viewport: { width, height: 844 } });
      await page.locator(".plot canvas").nth(3).waitFor();
      const charts = page.locator("figure");
      for (let index = 0; index < 4; index += 1) {
        const chart = charts.nth(index);
        const button = chart.locator("summary");
        const [box, around] = [await button.boundingBox(), await chart.boundingBox()];
        assert.ok(box !== null && around !== null);
        assert.ok(box.x >= around.x && box.x + box.width <= around.x + around.width, `${index}`);
        await button.focus();
        await page.keyboard.press("Enter");
        const table = chart.getByRole("table");
        await table.waitFor();
        const rows = await table.getByRole("row").count();
        assert.ok(rows > 10, `chart ${index} has ${rows} rows`);
        const cut = await table.evaluate((/** @type {HTMLElement} */ element) => {
          const region = /** @type {HTMLElement} */ (element.parentElement);
          return region.scrollWidth - region.clientWidth;
        });
        assert.ok(cut <= 0, `the table of chart ${index} is ${cut} px too wide`);
        // What is focused is not behind the bar.
        const covered = await button.evaluate((/** @type {HTMLElement} */ element) => {
          const { x, y, width, height } = element.getBoundingClientRect();
          const top = document.elementFromPoint(x + width / 2, y + height / 2);
          return top !== element && !element.contains(top);
        });
        assert.ok(!covered, `the button of chart ${index} is covered`);
      }
      await picture(page, `dashboard-table-${width}`);
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(unlessSignedOut(complaints), []);
      await close();
    });
  }

  test("keeps the colour of a series when ranks change and others come", async () => {
    mock.scene = "attack";
    const { page, complaints, close } = await open();
    const chart = page.getByRole("figure", { name: "Rejected requests" });
    const legend = chart.locator(".legend li");
    /** @param {string} name */
    const colour = (name) => legend.filter({ hasText: name }).locator("svg").getAttribute("class");
    await legend.filter({ hasText: "request_per_prefix" }).waitFor();
    const names = ["connect_per_prefix", "request_per_prefix"];
    const before = await Promise.all(names.map(colour));
    assert.notEqual(before[0], before[1]);
    // Another rule, and one that had the lowest rank, reject more than the first one did.
    const rejected_per_s = { token: 9_000_000, request_per_prefix: 5_000_000 };
    mock.send("overview", { overview: { ...overviewOf("attack", mock.sequence), rejected_per_s } });
    await legend.filter({ hasText: "token" }).waitFor();
    assert.deepEqual(await Promise.all(names.map(colour)), before);
    const all = await legend
      .locator("svg")
      .evaluateAll((found) => found.map((one) => one.getAttribute("class")));
    assert.equal(new Set(all).size, all.length, String(all));
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("shows limits, rules and codes in words, with the key of the configuration", async () => {
    const { page, complaints, close } = await open();
    const records = page.getByRole("region", { name: "Security records" });
    const row = records.locator(".stream > li").filter({ hasText: "connect_per_prefix" });
    await row.getByText("A rate limit was reached").waitFor();
    await row.getByText("too many connection attempts from one network").waitFor();
    await page.goto(`${mock.url}/admin/#/limits?user=u_ada`);
    await page.getByText("Messages of one user").waitFor();
    await page.locator("code", { hasText: "rate.message_per_user" }).waitFor();
    await picture(page, "dashboard-limits-of-user");
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("lists all thresholds of an alert, and which one was reached", async () => {
    mock.scene = "attack";
    const { page, complaints, close } = await open();
    const alert = page.locator("li", { hasText: "Limits reject clients of many networks" });
    await alert.getByRole("button", { name: "Details" }).click();
    const thresholds = alert.locator(".thresholds li");
    await thresholds.nth(1).waitFor();
    assert.deepEqual(await thresholds.allInnerTexts(), [
      "reached 100 in 60 s: addresses whose clients a limit rejects (high)",
      "600 in 60 s: rejections by limits of the whole server (medium)",
    ]);
    await picture(page, "dashboard-thresholds");
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("names the blocks that an ended attack has left, and removes one", async () => {
    mock.scene = "ended";
    const { page, complaints, close } = await open();
    await page.getByText("One block of it remains: 203.0.113.0/24 until 04:05 UTC.").waitFor();
    assert.equal(
      await page.getByRole("link", { name: "All blocks" }).getAttribute("href"),
      "#/blocks",
    );
    await picture(page, "dashboard-ended");
    assert.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Remove the block of 203.0.113.0/24" }).click();
    const dialog = page.getByRole("dialog", { name: "Remove the block of 203.0.113.0/24" });
    await dialog
      .getByText("Clients can connect again")
      .or(dialog.getByText("Its clients"))
      .waitFor();
    // The sign-in is new: nothing says that the page asks for the password.
    assert.equal(await dialog.getByText("asks for your password").count(), 0);
    await dialog.getByRole("button", { name: "Remove the block" }).click();
    await page.getByText("Done: Remove the block of 203.0.113.0/24.").waitFor();
    assert.deepEqual(mock.operations, [
      {
        name: "address:unblock",
        payload: { prefix: "203.0.113.0/24", reason: "The attack ended at 03:12 UTC." },
      },
    ]);
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("says that an operation asks for the password once the choice needs it", async () => {
    mock.scene = "attack";
    mock.loginAgeS = 400;
    const { page, complaints, close } = await open();
    await page.getByRole("button", { name: "Block 203.0.113.0/24" }).first().click();
    const dialog = page.getByRole("dialog", { name: "Block 203.0.113.0/24" });
    await dialog.getByText("3 connections of signed-in users stay").waitFor();
    const asks = dialog.getByText("the next step asks for your password");
    assert.equal(await asks.count(), 0);
    await dialog.getByLabel("All connections, also of signed-in users").check();
    await asks.waitFor();
    await picture(page, "dashboard-asks-1280");
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("keeps a rare record visible in a flood of connects", async () => {
    const { page, complaints, close } = await open({ viewport: { width: 390, height: 844 } });
    await page.getByText(/^Live, /).waitFor();
    const panel = page.getByRole("region", { name: "Security records" });
    const rows = panel.locator(".stream > li");
    await rows.first().waitFor();
    /** @param {number} index @param {string} code */
    const send = (index, code) => {
      const record = {
        "@timestamp": new Date().toISOString(),
        log: { level: code === "ws_connected" ? "info" : "warning" },
        event: { code, sequence: 300_000 + index },
        source: { ip: `203.0.113.${index % 250}` },
      };
      mock.send("event", { record, dropped: 0 });
    };
    for (let index = 0; index < 300; index += 1) {
      send(index, index === 20 ? "authn_login_lock" : "ws_connected");
    }
    await rows.getByText("299 records since").waitFor();
    assert.match(String(await rows.nth(0).textContent()), /authn_login_lock/);
    assert.match(String(await rows.nth(1).textContent()), /ws_connected/);
    await panel.scrollIntoViewIfNeeded();
    await picture(page, "dashboard-records-390");
    // The row opens by keyboard, and has the newest records.
    const group = rows.nth(1);
    await group.getByRole("button").first().focus();
    await page.keyboard.press("Enter");
    await group.getByText("The newest 20;").waitFor();
    assert.equal(await group.locator("li").count(), 20);
    assert.deepEqual(await violations(page), []);
    await panel.getByRole("button", { name: "Group" }).click();
    await rows.getByText("records since").first().waitFor({ state: "detached" });
    assert.equal(await panel.getByText("authn_login_lock").count(), 0, "the flood hides it");
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("keeps an opened record open, with the focus, when another one of its kind comes", async () => {
    const { page, complaints, close } = await open();
    await page.getByText(/^Live, /).waitFor();
    const rows = page.getByRole("region", { name: "Security records" }).locator(".stream > li");
    /** @param {number} index */
    const send = (index) => {
      const record = {
        "@timestamp": new Date().toISOString(),
        log: { level: "critical" },
        event: { code: "sys_crash", sequence: 400_000 + index },
        labels: { conn_id: `0-${index}`, handler: `chat:send ${index}` },
      };
      mock.send("event", { record, dropped: 0 });
    };
    const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
    send(1);
    const row = rows.filter({ hasText: "sys_crash" });
    const head = row.getByRole("button").first();
    await head.focus();
    await page.keyboard.press("Enter");
    await row.getByText("chat:send 1").waitFor();
    assert.equal(await row.getByRole("button").count(), 2, "the row, and one to close");
    assert.deepEqual(await violations(page), []);
    send(2);
    await row.getByText("2 records since").waitFor();
    assert.match(await focused(), /sys_crash.*2 records since/);
    assert.equal(await head.getAttribute("aria-expanded"), "true");
    await row.getByText("chat:send 1").waitFor();
    assert.equal(await row.getByText("chat:send 2").count(), 0, "only the one that was read");
    assert.deepEqual(await violations(page), []);
    // The focus on its button stays as well.
    await row.getByRole("button", { name: "Close connection 0-1" }).focus();
    send(3);
    await row.getByText("3 records since").waitFor();
    assert.equal(await focused(), "Close");
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("has state, sentence and the first offer on one screen of a phone", async () => {
    mock.scene = "attack";
    const { page, close } = await open({ viewport: { width: 390, height: 664 } });
    const offer = page.getByRole("button", { name: "Block 203.0.113.0/24 for 1 hour" });
    await offer.waitFor();
    for (const part of [
      page.getByRole("heading", { name: "Overloaded" }),
      page.getByText("The admission queue waits 31 ms."),
      page.getByText("850/s"),
      page.getByText("the server rejects 812 requests a second"),
      offer,
    ]) {
      const box = await part.boundingBox();
      assert.ok(box !== null && box.y >= 0 && box.y + box.height <= 664, `${part}`);
    }
    const meaning = page.getByText("The server rejects or delays unauthenticated clients first");
    assert.equal(await meaning.isVisible(), false);
    const more = page.getByRole("button", { name: "More" });
    await more.click();
    await meaning.waitFor();
    await page.getByText("4 signed-in users rejected in 5 min").waitFor();
    assert.deepEqual(await violations(page), []);
    await picture(page, "dashboard-phone-more");
    await close();
  });

  test("copies a summary of the incident, also without a clipboard", async () => {
    mock.scene = "attack";
    mock.names = HOSTILE;
    const permissions = ["clipboard-read", "clipboard-write"];
    const { page, complaints, close } = await open({ permissions });
    await page.getByText("203.0.113.0/24").first().waitFor();
    await page.getByRole("button", { name: "Copy summary" }).click();
    await page.getByText("Copied.").waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    for (const words of [
      /^Summary of 127\.0\.0\.1:\d+, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n/,
      /\nState: Overloaded \(shedding\) since .* UTC: The admission queue waits 31 ms\n/,
      /\nFrom:\n- network 203\.0\.113\.0\/24, 52,100 rejected in 5 minutes: too many /,
      /\nDone:\n- .* UTC blocked 203\.0\.113\.0\/24 until .* UTC, by grace: flood at night\n/,
      /\n- .* UTC banned eve until .* UTC, by grace: spam\n/,
      /\n- .* UTC unbanned eve, by grace: it was a mistake\n/,
      /\n- high A8 Limits reject clients of many networks, 48,210 events/,
      /\nReferences: k3v9x0abcd/,
    ]) {
      assert.match(text, words);
    }
    assert.doesNotMatch(text, /[\u202E\u2066\u200B]/);
    assert.ok(!text.includes("x".repeat(400)));
    // Plain HTTP has no clipboard: the text is shown.
    await page.evaluate(() =>
      Object.defineProperty(navigator, "clipboard", { value: undefined, configurable: true }),
    );
    await page.getByRole("button", { name: "Copy summary" }).click();
    const dialog = page.getByRole("dialog", { name: "Summary" });
    await dialog.getByText("Select the text instead").waitFor();
    await dialog.getByText(/^Summary of /).waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole("button", { name: "Close" }).click();
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("shows hostile names as text everywhere", async () => {
    mock.names = HOSTILE;
    mock.scene = "attack";
    const { page, complaints, close } = await open({ viewport: { width: 390, height: 844 } });
    page.on("dialog", () => complaints.push("a script of a name ran"));
    for (const [index, name] of HOSTILE.entries()) {
      const record = {
        "@timestamp": new Date().toISOString(),
        log: { level: "warning" },
        event: { code: "authn_login_fail", sequence: 200_000 + index },
        user: { name },
        source: { ip: "203.0.113.9" },
        message: name,
      };
      mock.send("event", { record, dropped: 0 });
    }
    for (const tab of TABS) {
      await page.goto(`${mock.url}/admin/#/${tab}`);
      await page.locator("main .panel li, main .panel form").first().waitFor();
      if (tab === "users") {
        await page.getByText("<img src=x onerror=alert(1)>").waitFor();
        await openSessions(page);
      }
      if (tab === "connections") await page.getByText("<img src=x onerror=alert(1)>").waitFor();
      const found = await page.evaluate(() => ({
        markup: document.querySelectorAll("main img, main script, main iframe").length,
        text: document.body.innerText,
        wide: document.documentElement.scrollWidth - innerWidth,
      }));
      assert.equal(found.markup, 0, tab);
      assert.ok(found.wide <= 0, `the tab ${tab} is ${found.wide} px too wide`);
      assert.ok(
        !/[\u202E\u2066\u200B]/.test(found.text),
        `the tab ${tab} shows a control character`,
      );
      assert.ok(!found.text.includes("x".repeat(400)), `the tab ${tab} shows 10 kB`);
    }
    await page.goto(`${mock.url}/admin/#/users`);
    await page.getByRole("button", { name: /^Mute/ }).first().click();
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(unlessSignedOut(complaints), []);
    await close();
  });

  test("shows the report of the regular audit, what needs care first, and runs it again", async () => {
    const { page, complaints, close } = await open();
    await page.goto(`${mock.url}/admin/#/doctor`);
    const rows = page.locator("main .rows > li");
    await rows.first().getByText("D4 File modes").waitFor();
    await rows.first().getByText("‼ critical").waitFor();
    await rows.first().getByText("What to do: chmod 600").waitFor();
    await rows.nth(1).getByText("! warning").waitFor();
    await rows.getByText("✓ ok (partly checked)").waitFor();
    assert.equal(await rows.count(), 5);
    mock.mended = true;
    await page.getByRole("button", { name: "Run all checks now" }).click();
    await page.getByText("! warning").waitFor({ state: "detached" });
    assert.equal(await page.getByText("‼ critical").count(), 0);
    assert.deepEqual(unlessSignedOut(complaints), []);
    mock.mended = false;
    await close();
  });

  test("shows an auditor everything, and no operation", async () => {
    mock.roles = ["auditor"];
    mock.scene = "attack";
    const { page, close } = await open();
    await page.getByText("read only").waitFor();
    await page.getByText("203.0.113.0/24").first().waitFor();
    for (const tab of TABS) {
      await page.goto(`${mock.url}/admin/#/${tab}`);
      await page.locator("main .panel").first().waitFor();
      const verbs =
        /^(Block|Close|Lift|Acknowledge|Silence|Mute|Ban|Disconnect|Disable|Roles|Remove|End|Pin)/;
      assert.equal(await page.getByRole("button", { name: verbs }).count(), 0, tab);
    }
    await close();
  });

  test("tells a user without a role what is missing", async () => {
    mock.roles = [];
    const { page, close } = await open();
    await page.getByText("The dashboard needs the role admin or auditor.").waitFor();
    await close();
  });

  test("says that its values are stale when the connection is lost", async () => {
    const { page, close } = await open();
    await page.getByText(/^Live, /).waitFor();
    mock.cut();
    await page.getByText(/^Stale: values of .* The connection is lost\.$/).waitFor();
    mock.open();
    await page.getByText(/^Live, /).waitFor();
    await close();
  });

  test("warns when the log is shorter than the note that the browser keeps", async () => {
    const { page, close } = await open();
    await page.getByText(/^Live, /).waitFor();
    mock.sequence = 1_000;
    mock.tick();
    await page.getByText(/holds a signed note of record 184467: records were removed/).waitFor();
    await page.getByRole("button", { name: "I have checked it" }).click();
    mock.sequence = 1_001;
    mock.tick();
    await page.getByText(/records were removed/).waitFor({ state: "detached" });
    await close();
  });
});

describe("T-408: the dashboard of the real server", () => {
  /** @type {Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    browser = await launch();
    const token = new URL(server.setUpLink).hash.replace("#setup=", "");
    await ask(server, "POST", "/auth/setup", { token, username: "chief", password: PASSWORD });
    await newPerson(server, "plain");
  });
  after(async () => {
    await browser?.close();
    await server?.remove();
  });

  test("opens for an administrator under the policy of the server", async () => {
    const { page, complaints, close } = await visit(browser, server, {
      url: `${server.url}/admin/`,
    });
    await fillAccount(page, "chief", PASSWORD, "Sign in");
    await page.getByRole("heading", { name: "Healthy" }).waitFor();
    await page.getByText(/^Live, /).waitFor();
    await page.locator(".plot canvas").first().waitFor();
    await page
      .getByText("Roles, keys, blocks, alerts or the configuration changed", { exact: true })
      .waitFor();
    assert.deepEqual(complaints, []);
    await close();
  });

  test("is closed to a user without a role, after one rejection", async () => {
    const { page, complaints, close } = await visit(browser, server, {
      url: `${server.url}/admin/`,
    });
    await fillAccount(page, "plain", PASSWORD, "Sign in");
    await page.getByText("The dashboard needs the role admin or auditor.").waitFor();
    assert.deepEqual(complaints, []);
    await close();
  });
});

describe("T-408: the dashboard of a server with other settings", () => {
  /**
   * @param {string} sections
   * @param {(server: Server, browser: import("playwright-core").Browser) => Promise<void>} work
   */
  const withServer = async (sections, work) => {
    const server = await Server.start({ limits: `${WIDE_LIMITS}\n${sections}` });
    const browser = await launch();
    try {
      await work(server, browser);
    } finally {
      await browser.close();
      await server.remove();
    }
  };

  test("is absent with page = false, beside the chat page", async () => {
    await withServer("[admin]\npage = false\n", async (server) => {
      for (const [path, status] of /** @type {const} */ ([
        ["/", 200],
        ["/admin/", 404],
        ["/admin/index.html", 404],
        ["/admin/admin.js", 404],
      ])) {
        assert.equal((await ask(server, "GET", path)).status, status, path);
      }
    });
  });

  test("opens once a missing second factor is added", async () => {
    await withServer('[accounts]\nsecond_factor = "admins"\n', async (server, browser) => {
      const token = new URL(server.setUpLink).hash.replace("#setup=", "");
      await ask(server, "POST", "/auth/setup", { token, username: "chief", password: PASSWORD });
      const { page, close } = await visit(browser, server, { url: `${server.url}/admin/` });
      await fillAccount(page, "chief", PASSWORD, "Sign in");
      await page.getByText("Your role needs a second factor.").waitFor();
      await page.getByRole("button", { name: "Add a second factor" }).click();
      await page.getByLabel("Password").fill(PASSWORD);
      await page.keyboard.press("Enter");
      const secret = String(await page.locator(".secret code").textContent());
      await page.getByLabel("Code", { exact: true }).fill(authenticatorCode(secret));
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name: "Your recovery codes" }).waitFor();
      await page.getByRole("button", { name: "I have saved them" }).click();
      await page.getByText(/^Live, /).waitFor();
      await close();
    });
  });
});

/**
 * Without what a browser says about the first request, which finds no session.
 * @param {string[]} complaints
 */
function unlessSignedOut(complaints) {
  return complaints.filter(
    (text) => !/auth\/refresh/.test(text) && !/^error: Failed to load resource.*401/.test(text),
  );
}
