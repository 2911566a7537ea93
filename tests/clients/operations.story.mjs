// The operations of the dashboard against the real server: what the page shows before, what the
// server does, and what clients get after it.
// Never: an answer that the page did not ask for with its own buttons.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fillAccount, launch, picture, visit } from "./browser.mjs";
import { ask, connect, login, must, newPerson, nextEvent, PASSWORD, sendEvent } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const LIMITS = WIDE_LIMITS.replace('"chat:send" = "1000000/60s"', '"chat:send" = "3/600s"').replace(
  'login_per_prefix = "100000/60s"',
  'login_per_prefix = "12/600s"',
);
const NETWORK = "203.0.113.0/24";

describe("T-408: operations of the dashboard on the real server", () => {
  /** @type {Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {Awaited<ReturnType<typeof visit>>} */
  let visited;
  /** @type {Page} */
  let page;
  let recorded = 0;
  before(async () => {
    server = await Server.start({ limits: LIMITS });
    browser = await launch();
    const token = new URL(server.setUpLink).hash.replace("#setup=", "");
    await ask(server, "POST", "/auth/setup", { token, username: "chief", password: PASSWORD });
    visited = await visit(browser, server, { url: `${server.url}/admin/` });
    page = visited.page;
    await fillAccount(page, "chief", PASSWORD, "Sign in");
    await page.getByText(/^Live, /).waitFor();
  });
  after(async () => {
    await visited?.close();
    await browser?.close();
    await server?.remove();
  });

  /** @param {string} tab */
  const show = async (tab) => {
    await page.goto(`${server.url}/admin/#/${tab}`);
    await page.locator("main .panel").first().waitFor();
  };

  /**
   * Confirms the dialog that is open, and waits for its end.
   * @param {string} title
   * @param {RegExp} [effect]
   */
  const confirm = async (title, effect) => {
    const dialog = page.getByRole("dialog", { name: title });
    if (effect !== undefined) await dialog.getByText(effect).waitFor();
    await dialog.getByLabel("Reason").fill("a story of the dashboard");
    // The form can be sent once the effect is shown.
    await dialog.locator("button[type=submit]:enabled").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText(`Done: ${title}.`).waitFor();
    // The server writes records beside the answer, not before it.
    const count = () => server.records().filter(({ labels }) => labels?.stated_reason).length;
    const end = Date.now() + 5_000;
    while (count() === recorded && Date.now() < end) await page.waitForTimeout(50);
    assert.ok(count() > recorded, "each operation has a record");
    recorded = count();
  };

  /** @param {string} title @param {RegExp} [effect] */
  const operate = async (title, effect) => {
    await page.getByRole("button", { name: title, exact: true }).first().click();
    await confirm(title, effect);
  };

  /** Copies the summary of the tab that is shown. @param {string[]} texts */
  const summaryHas = async (...texts) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy summary" }).click();
    await page.getByText("Copied.").waitFor();
    const summary = await page.evaluate(() => navigator.clipboard.readText());
    for (const text of texts) assert.ok(summary.includes(text), `${text} in ${summary}`);
  };

  test("a user is muted, shown as rejected, helped, disconnected and signed out", async () => {
    const ada = await newPerson(server, "ada");
    let socket = await connect(server, ada);
    const { room } = await must(socket, "room:create", { name: "den", visibility: "public" });
    const say = () => sendEvent(socket, "chat:send", { roomId: room.id, message: "good night" });
    assert.equal((await say()).ok, true);
    await show("users");
    await operate("Mute: ada");
    await page.getByText("muted until").waitFor();
    assert.match((await say()).error?.message ?? "", /^You are muted/);
    await operate("End mute: ada");
    assert.equal((await say()).ok, true);
    assert.equal((await say()).error?.code, "RATE_LIMIT_EXCEEDED");
    await show("");
    await page.getByText("Limits rejected 1 user in 5 minutes.").waitFor();
    await page
      .getByText(/^Rejected: too many messages of one kind by one user \(event_per_user\)/)
      .waitFor();
    await show("users");
    await operate("Lift limits of ada", /1 of signed-in users/);
    const kicked = nextEvent(socket, "disconnect");
    await operate("Disconnect: ada", /Affects 1 user\./);
    await kicked;
    socket = await connect(server, ada);
    const signedOut = nextEvent(socket, "disconnect");
    await operate("End all sessions: ada");
    await signedOut;
    await picture(page, "operations-users");
  });

  test("the limits of an address are lifted", async () => {
    const body = { username: "nemo", password: "not the password" };
    const guess = () => ask(server, "POST", "/auth/login", body);
    let last = await guess();
    for (let count = 0; count < 30 && last.status !== 429; count += 1) last = await guess();
    assert.equal(last.body.code, "rate_limited");
    await show("");
    await page.getByText("too many logins and registrations from one network").first().waitFor();
    await page.getByRole("textbox", { name: "Reference", exact: true }).fill(last.body.ref);
    await page.keyboard.press("Enter");
    await page
      .getByText(/^.*: rejected at .*: too many logins .* \(login_per_prefix\)\.$/)
      .waitFor();
    await page.getByRole("link", { name: "Records" }).first().click();
    await page.getByText("authn_login_fail", { exact: true }).first().waitFor();
    await show("limits?address=127.0.0.2");
    await page.getByText("0 of 12 in 10 min", { exact: true }).waitFor();
    await show("limits?address=127.0.0.1");
    await page.getByText(/^12 of 12 in 10 min, next in /).waitFor();
    await page.getByText("Logins and registrations from one network").waitFor();
    await page.locator("code", { hasText: "rate.login_per_prefix" }).waitFor();
    await picture(page, "operations-limits");
    await operate("Lift limits of 127.0.0.1");
    assert.equal((await guess()).body.code, "unauthorized");
  });

  test("a network is blocked, and the block is removed", async () => {
    await show("blocks");
    await page.getByRole("textbox", { name: "Network to block" }).fill(NETWORK);
    await page.keyboard.press("Enter");
    await confirm(`Block ${NETWORK}`, /^No user is signed in from there/);
    await page.getByText("by chief: a story of the dashboard").waitFor();
    await picture(page, "operations-blocks");
    // The server compares the blocks once a second: a shorter one has no mark.
    await show("");
    const chart = page.getByRole("figure", { name: "Rejected requests" });
    await chart.getByText(`Marks: ${NETWORK} blocked (unauthenticated clients) at`).waitFor();
    await show("blocks");
    await operate(`Remove the block of ${NETWORK}`);
    await page.getByText("The list is empty.").waitFor();
    // The charts show both changes, and the summary says by whom.
    await show("");
    await chart
      .getByText(`Marks: the block of ${NETWORK} removed at`)
      .filter({ hasText: `${NETWORK} blocked (unauthenticated clients) at` })
      .waitFor();
    await chart.evaluate((element) => element.scrollIntoView({ block: "end" }));
    await picture(page, "operations-marks");
    await summaryHas(
      ` UTC blocked ${NETWORK} (unauthenticated clients) until `,
      ` UTC lifted the block of ${NETWORK}, by chief: a story of the dashboard\n`,
    );
  });

  test("a network that cannot be blocked is rejected with the reason", async () => {
    await show("blocks");
    await page.getByRole("textbox", { name: "Network to block" }).fill("127.0.0.1");
    await page.keyboard.press("Enter");
    await page.getByText("The prefix contains loopback addresses").waitFor();
    await page.keyboard.press("Escape");
  });

  test("roles, a ban and a disabled account take effect, not on the own account", async () => {
    await newPerson(server, "grace");
    const login = () =>
      ask(server, "POST", "/auth/login", { username: "grace", password: PASSWORD });
    await show("users");
    await page.getByLabel("Name or user id").last().fill("grace");
    await page.keyboard.press("Enter");
    await page.getByText("Your own account").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Roles", exact: true }).click();
    await page.getByRole("dialog").getByLabel("moderator").check();
    await page.getByRole("button", { name: "Continue" }).click();
    await confirm("Roles of grace");
    await page.getByText("moderator", { exact: true }).waitFor();
    await operate("Ban: grace");
    await page.getByText("banned until").waitFor();
    assert.notEqual((await login()).status, 200);
    await operate("End ban: grace");
    await operate("Disable the account: grace");
    await page.getByText("disabled", { exact: true }).waitFor();
    assert.notEqual((await login()).status, 200);
    await operate("Enable the account: grace");
    assert.equal((await login()).status, 200);
    await show("");
    const by = ", by chief: a story of the dashboard\n";
    await summaryHas(
      ` UTC set the roles of grace to moderator, user${by}`,
      " UTC banned grace until ",
      ` UTC unbanned grace${by}`,
      ` UTC disabled the account of grace${by}`,
      ` UTC enabled the account of grace${by}`,
    );
    // The rows of the records say it as well.
    await page
      .getByText(/^unbanned grace/)
      .first()
      .waitFor();
  });

  test("records of a pause are shown when the stream continues", async () => {
    await show("");
    await page.getByRole("button", { name: "Pause" }).click();
    await newPerson(server, "margaret");
    // The server streams new records once a second.
    await page.waitForTimeout(2_000);
    assert.equal(await page.getByText("margaret").count(), 0);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("margaret").first().waitFor();
  });

  test("a connection of a record is closed", async () => {
    const linus = await newPerson(server, "linus");
    const socket = await connect(server, linus);
    const closed = nextEvent(socket, "disconnect");
    await show("audit");
    await page.getByLabel("Code").fill("ws_connected");
    await page.getByLabel("User name or id").fill(linus.id);
    await page.keyboard.press("Enter");
    const row = page.getByRole("listitem").filter({ hasText: linus.id });
    await row.getByRole("button").first().click();
    await row.getByRole("button", { name: /^Close connection/ }).click();
    const title = (await page.getByRole("dialog").getByRole("heading").innerText()).trim();
    await confirm(title, /Concerns 1 connection now/);
    await closed;
  });

  test("a connection is found by its user, and closed by keyboard at 390 px", async () => {
    const linda = await newPerson(server, "linda");
    const socket = await connect(server, linda);
    const closed = nextEvent(socket, "disconnect");
    await page.setViewportSize({ width: 390, height: 844 });
    await show("connections");
    const count = () => page.locator("main li[data-row]").count();
    // The administrator and the user.
    await page.locator("main li[data-row]").nth(1).waitFor();
    const before = await count();
    await page.getByLabel("User name or id").fill("LINDA");
    await page.keyboard.press("Enter");
    await page
      .getByText("chief", { exact: true })
      .and(page.locator("bdi.client-text"))
      .waitFor({ state: "detached" });
    assert.deepEqual([await count(), before > 1], [1, true]);
    await page.getByText("127.0.0.1, since").waitFor();
    await picture(page, "operations-connections");
    await page.getByRole("button", { name: "Search" }).focus();
    await page.keyboard.press("Tab");
    const title = `Close connection ${await page.locator("main li code").innerText()}`;
    assert.equal(await page.evaluate(() => document.activeElement?.ariaLabel), title);
    await page.keyboard.press("Enter");
    await confirm(title, /Concerns 1 connection now/);
    await closed;
    await page.getByText("The list is empty.").waitFor();
    await page.setViewportSize({ width: 1280, height: 720 });
  });

  test("one session of a user is ended, and another one stays", async () => {
    const rosa = await newPerson(server, "rosa");
    const second = await login(server, "rosa");
    const [phone, desk] = [await connect(server, rosa), await connect(server, second)];
    const ended = nextEvent(desk, "disconnect");
    await show("users");
    await page.getByLabel("Name or user id").last().fill("rosa");
    await page.keyboard.press("Enter");
    await page.getByText("Your own account").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Sessions of rosa" }).click();
    const sessions = page.locator(".sessions li");
    await sessions.nth(1).waitFor();
    await picture(page, "operations-sessions");
    // The session that was used last comes first.
    const end = sessions.first().getByRole("button");
    const title = (await end.getAttribute("aria-label")) ?? "";
    await end.click();
    await confirm(title, /Concerns 1 connection now/);
    await ended;
    await sessions.nth(1).waitFor({ state: "detached" });
    assert.equal((await sendEvent(phone, "room:list", {})).ok, true);
    phone.close();
  });

  test("the load level is pinned until the pin is ended", async () => {
    await show("");
    await page.getByText("Pin the load level", { exact: true }).click();
    await operate("Pin the load level to Elevated");
    await page.getByRole("heading", { name: "Elevated" }).waitFor();
    await page.getByText(/Pinned by an operator until/).waitFor();
    await operate("End the pin of the load level");
    await page.getByText(/Pinned by an operator/).waitFor({ state: "detached" });
  });

  test("an alert is acknowledged and silenced, and the silence is ended", async () => {
    await show("");
    const title = "A privileged user logged in on a new device";
    await operate(`Acknowledge: ${title}`);
    await page.getByText("acknowledged by chief").waitFor();
    await page
      .getByRole("button", { name: /^Silence F2/ })
      .first()
      .click();
    const name = await page.getByRole("dialog").getByRole("heading").innerText();
    await confirm(name.trim());
    await operate("End the silence");
    await page.getByRole("heading", { name: "Silences" }).waitFor({ state: "detached" });
    await summaryHas(
      " UTC acknowledged alert F2, by chief: a story of the dashboard\n",
      " UTC set silence ",
      " UTC ended silence ",
    );
  });

  test("all checks of the regular audit run, and their report is shown", async () => {
    await show("doctor");
    await page.getByText("There is no report yet.").waitFor();
    await page.getByRole("button", { name: "Run all checks now" }).click();
    await page.getByText("D14 Private listener").waitFor();
    assert.equal(await page.locator("main .rows > li").count(), 14);
    const reports = server.records().filter(({ event }) => event?.code === "audit_report");
    assert.equal(reports.length, 1);
    // A run that has ended is there after a reload.
    await page.reload();
    await page.getByText("D14 Private listener").waitFor();
  });

  test("the page asks for no operation that the server does not have", async () => {
    const tabs = ["", "connections", "users", "limits", "blocks", "audit", "doctor"];
    for (const tab of tabs) await show(tab);
    const codes = server.records().map((record) => record.rule?.name ?? "");
    assert.ok(!codes.some((rule) => /unknown_event/.test(rule)), "an unknown event was sent");
    assert.deepEqual(
      visited.complaints.filter((text) => !/auth\/refresh/.test(text)),
      [],
    );
  });
});
