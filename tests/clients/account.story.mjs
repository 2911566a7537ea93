// Sessions at the chat page: reloads, expiry, second factors and sign-outs.
// Never: a handmade cookie or token where the page gets its own.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { authenticatorCode } from "./authenticator.mjs";
import { createRoom, fillAccount, launch, picture, say, signUp, visit } from "./browser.mjs";
import { ask, connect, login, must, newPerson, PASSWORD } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/**
 * Whether a complaint is another one than that the server does not renew an ended session.
 * @param {string} text
 */
const unlessRefused = (text) =>
  !/^(401 \S+\/auth\/(refresh|logout)$|error: Failed to load resource)/.test(text);

describe("signed in at the page", () => {
  /** @type {Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.remove();
  });

  /**
   * The texts of the messages a page shows.
   * @param {import("playwright-core").Page} page
   */
  const texts = (page) => page.locator("[role=log] .text").allTextContents();

  /**
   * What a page keeps in its storage, once a mark of what was read is there, or is gone.
   * @param {import("playwright-core").Page} page
   * @param {"marked" | "empty"} wanted
   */
  const stored = async (page, wanted) => {
    const isMarked = wanted === "marked";
    await page.waitForFunction((mark) => sessionStorage.length > 0 === mark, isMarked);
    return String(await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])"));
  };

  /**
   * Nothing of these words is in a page's document: not hidden, not behind a dialog.
   * @param {import("playwright-core").Page} page
   * @param {string[]} words
   */
  const assertGone = async (page, words) => {
    const document = String(await page.evaluate("document.documentElement.outerHTML"));
    for (const word of words) assert.ok(!document.includes(word), `${word}: ${document}`);
    assert.equal(await page.title(), "Portcullis");
  };

  test("stays signed in over a reload, and not after signing out", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "rita", PASSWORD);
    await createRoom(page, "Study");
    await page.reload();
    await page.getByRole("heading", { name: "Study", level: 1 }).waitFor();
    await say(page, "back without a password");
    await page.locator("[role=log] .text", { hasText: "back without" }).waitFor();
    // Only that a user signed in, and a hash with a number for each room: nothing that names a user.
    const marks = /^\[\{"signed-in":"yes"\},\{"read":"\[\[\\"[\w+/=]{16}\\",1\]\]"\}\]$/;
    assert.match(await stored(page, "marked"), marks);
    assert.equal(await page.evaluate("document.cookie"), "");

    const beside = await page.context().newPage();
    await beside.goto(server.url);
    await beside.getByText("Connected", { exact: true }).waitFor();
    const stolen = await page.context().cookies();
    const signedOut = page.waitForResponse((response) => response.url().endsWith("/auth/logout"));
    await page.getByRole("button", { name: "Sign out" }).click();
    for (const window of [page, beside]) {
      await window.getByRole("heading", { name: "Sign in" }).waitFor();
      assert.equal(await window.getByText("Study").count(), 0);
    }
    assert.equal(await stored(page, "empty"), "[{},{}]");
    assert.equal(new URL(page.url()).hash, "", "the address still names the room");
    // The browser would report the request as failed if the page reloads before the answer.
    assert.equal((await signedOut).status(), 200);
    await page.reload();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.deepEqual(complaints, []);

    // An earlier copy is useless afterwards.
    const cookie = stolen.map(({ name, value }) => `${name}=${value}`).join("; ");
    assert.match(cookie, /__Host-rt=/);
    const { status } = await ask(server, "POST", "/auth/refresh", {}, { cookie });
    assert.equal(status, 401);
    await close();
  });

  test("renews an expiring token without asking the user", async () => {
    /** @type {import("./browser.mjs").WebSocketRoute | undefined} */
    let latest;
    /** @type {string[]} */
    const sent = [];
    const { page, complaints, close } = await visit(browser, server, {
      between(socket) {
        latest = socket;
        const behind = socket.connectToServer();
        socket.onMessage((message) => {
          sent.push(String(message));
          behind.send(message);
        });
      },
    });
    await signUp(page, "sol", PASSWORD);
    await createRoom(page, "Evening");
    assert.ok(latest);
    const answered = page.waitForResponse((response) => response.url().endsWith("/auth/refresh"));
    latest.send(`42${JSON.stringify(["auth:expiring", { expires_at: Date.now() + 60_000 }])}`);
    const token = /** @type {{ access_token: string }} */ (await (await answered).json());
    await page.getByText("Connected", { exact: true }).waitFor();
    await say(page, "still here");
    await page.locator("[role=log] .text", { hasText: "still here" }).waitFor();
    const renewals = sent.filter((packet) => packet.includes("auth:refresh"));
    assert.equal(renewals.length, 1);
    assert.ok(renewals[0]?.includes(token.access_token));

    // Ended all the same: back with the cookie, and what is on the page stays.
    const again = page.waitForResponse((response) => response.url().endsWith("/auth/refresh"));
    latest.send("41");
    assert.equal((await again).status(), 200);
    await page.getByText("Connected", { exact: true }).waitFor();
    await say(page, "and here again");
    await page.locator("[role=log] .text", { hasText: "here again" }).waitFor();
    assert.deepEqual(await texts(page), ["still here", "and here again"]);
    assert.equal(await page.getByRole("dialog").count(), 0);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("hides what is there when the session ends, and the password brings it back", async () => {
    const faye = await visit(browser, server);
    await signUp(faye.page, "faye", PASSWORD);
    await createRoom(faye.page, "Greenhouse");
    await say(faye.page, "still here afterwards");
    const shown = faye.page.locator("[role=log] .text", { hasText: "still here" });
    await shown.waitFor();
    const roomId = String(await faye.page.locator(".room-id code").textContent());
    const gwen = await connect(server, await newPerson(server, "gwen"));
    await must(gwen, "room:join", { roomId });
    await faye.page.getByRole("complementary").getByText("gwen").waitFor();
    await faye.page.getByLabel("Message", { exact: true }).fill("half a thought");
    // Another device of hers ends every session.
    const { token } = await login(server, "faye");
    const headers = { authorization: `Bearer ${token}` };
    const ended = await ask(server, "POST", "/auth/logout-all", {}, headers);
    assert.equal(ended.status, 200);
    const dialog = faye.page.getByRole("dialog", { name: "Your sign-in has ended" });
    await dialog.waitFor();
    await picture(faye.page, "session-ended");
    await assertGone(faye.page, ["still here", "Greenhouse", "gwen", "half a thought", roomId]);
    assert.equal(await faye.page.getByText("Not connected").count(), 1);
    await must(gwen, "chat:send", { roomId, message: "said meanwhile" });
    await dialog.getByLabel("Password").fill(PASSWORD);
    await faye.page.keyboard.press("Enter");
    await faye.page.getByText("Connected", { exact: true }).waitFor();
    await dialog.waitFor({ state: "hidden" });
    await faye.page.locator("[role=log] .text", { hasText: "said meanwhile" }).waitFor();
    const composer = faye.page.getByLabel("Message", { exact: true });
    assert.equal(await composer.inputValue(), "half a thought");
    await composer.press("Enter");
    await faye.page.locator("[role=log] .text", { hasText: "half a thought" }).waitFor();
    const expect = ["still here afterwards", "said meanwhile", "half a thought"];
    assert.deepEqual(await texts(faye.page), expect);
    gwen.disconnect();
    // The cookie of the ended session was tried once.
    assert.deepEqual(faye.complaints.filter(unlessRefused), []);
    await faye.close();
  });

  test("requires a second factor before the chat, if the server is configured so", async () => {
    const limits = `${WIDE_LIMITS}\n[accounts]\nsecond_factor = "all"\n`;
    const strict = await Server.start({ limits });
    const { page, complaints, close } = await visit(browser, strict);
    await page.getByRole("button", { name: "Create an account" }).click();
    await fillAccount(page, "uma", PASSWORD, "Create account");
    await page.getByRole("heading", { name: "Add a second factor" }).waitFor();
    assert.equal(await page.getByText("Connected", { exact: true }).count(), 0);
    await page.reload();
    await page.getByRole("button", { name: "Add it now" }).click();
    await page.getByRole("button", { name: "Back" }).click();
    await page.getByRole("button", { name: "Add it now" }).click();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("img", { name: "QR code" }).waitFor();
    const secret = String(await page.locator(".secret code").textContent());
    await page.getByLabel("Code", { exact: true }).fill(authenticatorCode(secret));
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Your recovery codes" }).waitFor();
    assert.equal(await page.locator(".recovery code").count(), 10);
    await page.getByRole("button", { name: "I have saved them" }).click();
    await page.getByText("Connected", { exact: true }).waitFor();
    await createRoom(page, "Study");
    assert.deepEqual(complaints, []);
    await close();
    await strict.remove();
  });

  test("leaves nothing of an ended session to another user", async () => {
    const hank = await visit(browser, server);
    await signUp(hank.page, "hank", PASSWORD);
    await newPerson(server, "ivor");
    await createRoom(hank.page, "Attic");
    await say(hank.page, "for hank alone");
    await hank.page.getByLabel("Message", { exact: true }).fill("not yet said");
    const { token } = await login(server, "hank");
    await ask(server, "POST", "/auth/logout-all", {}, { authorization: `Bearer ${token}` });
    const dialog = hank.page.getByRole("dialog", { name: "Your sign-in has ended" });
    await dialog.getByRole("button", { name: "Sign out" }).click();
    await fillAccount(hank.page, "ivor", PASSWORD, "Sign in");
    await hank.page.getByText("Connected", { exact: true }).waitFor();
    await hank.page.getByRole("button", { name: "Attic" }).click();
    await hank.page.locator("[role=log] .text", { hasText: "for hank alone" }).waitFor();
    assert.equal(await hank.page.getByLabel("Message", { exact: true }).inputValue(), "");
    assert.deepEqual(hank.complaints.filter(unlessRefused), []);
    await hank.close();
  });

  test("adds a second factor, asks for it, and takes it away", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "tess", PASSWORD);
    const beside = await page.context().newPage();
    await beside.goto(server.url);
    await beside.getByText("Connected", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("button", { name: "Add a second factor" }).click();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("img", { name: "QR code" }).waitFor();
    await picture(page, "second-factor");
    const secret = String(await page.locator(".secret code").textContent());
    await page.getByLabel("Code", { exact: true }).fill(authenticatorCode(secret));
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Your recovery codes" }).waitFor();
    await picture(page, "recovery-codes");
    const recovery = await page.locator(".recovery code").allTextContents();
    assert.equal(recovery.length, 10);
    await page.getByRole("button", { name: "I have saved them" }).click();
    await page.getByText("Recovery codes left: 10").waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    assert.deepEqual(complaints, []);
    // The password voided the token of the other window, which goes on with a newer one.
    assert.equal(await beside.getByText("Connected", { exact: true }).count(), 1);
    await beside.getByRole("button", { name: "Account" }).click();
    await beside.getByText("Recovery codes left: 10").waitFor();
    await beside.close();

    await page.getByRole("button", { name: "Sign out" }).click();
    await fillAccount(page, "tess", PASSWORD, "Sign in");
    await page.getByLabel("Code", { exact: true }).waitFor();
    await picture(page, "code-asked");
    await page.getByLabel("Code", { exact: true }).fill(String(recovery[0]));
    await page.keyboard.press("Enter");
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByText("Recovery codes left: 9").waitFor();
    await picture(page, "account");

    await page.getByRole("button", { name: "Remove the second factor" }).click();
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByLabel("Code", { exact: true }).fill(String(recovery[0]));
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Code", { exact: true }).fill(String(recovery[1]));
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Add a second factor" }).waitFor();
    await close();
  });

  test("changes the password, and signs the person out everywhere", async () => {
    const { page, close } = await visit(browser, server);
    await signUp(page, "una", PASSWORD);
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("button", { name: "Change the password" }).click();
    await page.getByLabel("Current password").fill(PASSWORD);
    const next = "quiet harbour at dawn 7";
    await page.getByLabel("New password").fill(next);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Your account" }).waitFor();
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await fillAccount(page, "una", PASSWORD, "Sign in");
    await page.getByRole("alert").waitFor();
    await fillAccount(page, "una", next, "Sign in");
    await page.getByText("Connected", { exact: true }).waitFor();
    await close();
  });
});
