// Administrators and auditors on the dashboard against the real server: roles, second factors and
// invitations.
// Never: an answer that the page did not ask for with its own buttons.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { authenticatorCode } from "./authenticator.mjs";
import { fillAccount, launch, picture, visit } from "./browser.mjs";
import { ask, login, newPerson, PASSWORD } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const REASON = "a story of the dashboard";

describe("administrators and auditors on the dashboard", () => {
  /** @type {Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {Awaited<ReturnType<typeof visit>>} */
  let visited;
  /** @type {Page} */
  let page;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
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

  /** @param {Page} on @param {string} tab */
  const show = async (on, tab) => {
    await on.goto(`${server.url}/admin/#/${tab}`);
    await on.locator("main .panel").first().waitFor();
  };

  /** @param {string[]} words */
  const operate = (words) => {
    const { program, where } = server.command();
    // The configuration of a story names no port.
    const env = {
      ...process.env,
      PORTCULLIS__LISTEN__PUBLIC: new URL(server.url).host,
      PORTCULLIS__LISTEN__PRIVATE: new URL(server.private).host,
    };
    const ran = spawnSync(program, [...words, ...where], { encoding: "utf8", env });
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stdout.trim();
  };

  /** @param {string} title */
  const confirm = async (title) => {
    const dialog = page.getByRole("dialog", { name: title });
    await dialog.getByLabel("Reason").fill(REASON);
    // The form can be sent once the effect is shown.
    await dialog.locator("button[type=submit]:enabled").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText(`Done: ${title}.`).waitFor();
  };

  test("an invitation is shown once, used on the chat page, and another one is revoked", async () => {
    await show(page, "invitations");
    await page.getByText("The list is empty.").waitFor();
    await page.getByRole("button", { name: "Invite a person" }).click();
    await confirm("Invite a person");
    const shown = page.getByRole("dialog", { name: "Invitation" });
    const link = await shown.locator("code").innerText();
    assert.match(link, /^https:\/\/127\.0\.0\.1:\d+\/#invitation=inv_/);
    await picture(page, "administrators-invitation");
    await shown.getByRole("button", { name: "Close" }).click();
    await page.getByText("unused", { exact: true }).waitFor();
    assert.ok(!(await page.content()).includes("inv_"), "the link is not shown again");

    const guest = await visit(browser, server, { url: link });
    await guest.page.getByRole("heading", { name: "Create an account" }).waitFor();
    assert.ok(!guest.page.url().includes("inv_"), "the link does not stay in the address bar");
    await fillAccount(guest.page, "gwen", PASSWORD, "Create account");
    await guest.page.getByText("Connected", { exact: true }).waitFor();
    assert.deepEqual(guest.complaints, []);
    await guest.close();
    await show(page, "blocks");
    await show(page, "invitations");
    await page.getByText("used by gwen").waitFor();

    await page.getByRole("button", { name: "Invite a person" }).click();
    await confirm("Invite a person");
    await shown.getByRole("button", { name: "Close" }).click();
    const revoke = page.getByRole("button", { name: /^Revoke invitation / });
    const title = (await revoke.getAttribute("aria-label")) ?? "";
    await revoke.click();
    await confirm(title);
    await revoke.waitFor({ state: "detached" });
    assert.deepEqual(visited.complaints, []);
  });

  test("T-404: an auditor reads everything, and has no operation", async () => {
    await newPerson(server, "audrey");
    operate(["user", "grant", "audrey", "auditor"]);
    const auditor = await visit(browser, server, { url: `${server.url}/admin/` });
    await fillAccount(auditor.page, "audrey", PASSWORD, "Sign in");
    await auditor.page.getByText(/^Live, /).waitFor();
    await auditor.page.getByText("read only").waitFor();
    const names =
      /^(Mute|Ban|Disconnect|Roles|Disable|End|Invite|Block|Lift|Pin|Close connection|Silence|Acknowledge)/;
    for (const tab of ["", "connections", "users", "invitations", "limits", "blocks", "audit"]) {
      await show(auditor.page, tab);
      const buttons = auditor.page.locator("main").getByRole("button", { name: names });
      assert.deepEqual(await buttons.allInnerTexts(), [], tab);
    }
    await show(auditor.page, "users");
    await auditor.page.getByText("chief", { exact: true }).first().waitFor();
    await picture(auditor.page, "administrators-auditor");
    assert.deepEqual(auditor.complaints, []);
    await auditor.close();
  });

  test("T-407: a new phone opens the dashboard of a critical server with a link and a code", async () => {
    const { token } = await login(server, "chief");
    const bearer = { authorization: `Bearer ${token}` };
    const started = await ask(server, "POST", "/auth/totp/begin", {}, bearer);
    const { secret } = started.body;
    const code = authenticatorCode(secret);
    const added = await ask(server, "POST", "/auth/totp/confirm", { code }, bearer);
    assert.equal(added.status, 200, JSON.stringify(added.body));
    operate(["state", "pin", "critical"]);
    const refused = await ask(server, "POST", "/auth/login", {
      username: "chief",
      password: PASSWORD,
    });
    assert.equal(refused.status, 503, "a login without the link is put off");
    const link = operate(["user", "door", "chief", "--dashboard"]);
    assert.ok(link.startsWith(`${server.url}/admin/?admission=`), link);
    const openedMs = Date.now();
    const phone = await visit(browser, server, {
      url: link,
      window: { viewport: { width: 390, height: 844 } },
    });
    await fillAccount(phone.page, "chief", PASSWORD, "Sign in");
    const field = phone.page.getByLabel("Code");
    await field.waitFor();
    // The code that confirmed the factor is not accepted again.
    let next = authenticatorCode(secret);
    while (next === code) {
      await phone.page.waitForTimeout(500);
      next = authenticatorCode(secret);
    }
    const resumed = Date.now();
    await field.fill(next);
    await phone.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await phone.page.getByText("Critical", { exact: true }).first().waitFor();
    await phone.page.getByText(/^Live, /).waitFor();
    assert.ok(Date.now() - resumed < 10_000, `${Date.now() - openedMs} ms`);
    await picture(phone.page, "administrators-phone");
    await phone.close();
    operate(["state", "pin", "auto"]);
  });
});
