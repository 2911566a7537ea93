// What people do on the chat page beside talking: sessions, invitations, links, addresses of rooms,
// and what the page says when they cannot write.
// Never: a test hook in the page; only what a person sees and types.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createRoom, fillAccount, launch, picture, say, signUp, visit } from "./browser.mjs";
import { ask, connect, login, must, newPerson, PASSWORD } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * @param {Page} page
 * @param {string} text
 */
const shown = (page, text) => page.locator("[role=log] .text", { hasText: text });

/** @param {Page} page */
const connected = (page) => page.getByText("Connected", { exact: true }).waitFor();

/** @param {Page} page */
const roomIdOf = async (page) => String(await page.locator(".room-id code").textContent());

/**
 * Whether a complaint is about something else than an answer that rejects a request.
 * @param {string} text
 */
const unlessRejected = (text) => !/^(40[13] |error: Failed to load resource)/.test(text);

describe("the page", () => {
  /** @type {Server} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {import("socket.io-client").Socket} */
  let admin;
  before(async () => {
    server = await Server.start({ limits: WIDE_LIMITS });
    browser = await launch();
    const token = new URL(server.setUpLink).hash.replace("#setup=", "");
    await ask(server, "POST", "/auth/setup", { token, username: "chief", password: PASSWORD });
    admin = await connect(server, await login(server, "chief"));
  });
  after(async () => {
    admin?.disconnect();
    await browser?.close();
    await server?.remove();
  });

  describe("lists the user's sessions", () => {
    /** @param {Page} page */
    const openList = async (page) => {
      await page.getByRole("button", { name: "Account" }).click();
      await page.getByRole("button", { name: "Devices and browsers" }).click();
    };

    /**
     * Another device of the user.
     * @param {string} username
     * @param {string} userAgent
     */
    const device = async (username, userAgent) => {
      const body = { username, password: PASSWORD };
      const answer = await ask(server, "POST", "/auth/login", body, { "user-agent": userAgent });
      assert.equal(answer.status, 200);
      const authorization = `Bearer ${answer.body.access_token}`;
      return async () =>
        (await ask(server, "GET", "/auth/profile", undefined, { authorization })).status;
    };
    const FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0";
    const SAFARI =
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile Safari/604.1";

    test("in plain words, and ends one or all others", async () => {
      const { page, complaints, close } = await visit(browser, server);
      await signUp(page, "alma", PASSWORD);
      const laptop = await device("alma", FIREFOX);
      const phone = await device("alma", SAFARI);
      const third = await device("alma", "curl/8.5.0");
      await openList(page);
      const dialog = page.getByRole("dialog", { name: "Where you are signed in" });
      const items = dialog.getByRole("listitem");
      await items.filter({ hasText: "Firefox on Windows" }).waitFor();
      assert.equal(await items.count(), 4);
      const own = items.filter({ hasText: "this one" });
      assert.match(
        String(await own.textContent()),
        /Chrome on Linux.*Last used .+, from 127\.0\.0\.1/,
      );
      assert.equal(await own.getByRole("button").count(), 0, "its own session is not ended here");
      await picture(page, "sessions");

      await dialog.getByRole("button", { name: "Sign out Firefox on Windows" }).click();
      await items.filter({ hasText: "Firefox on Windows" }).waitFor({ state: "detached" });
      assert.deepEqual([await laptop(), await phone(), await third()], [401, 200, 200]);
      await dialog.getByRole("button", { name: "Sign out all others" }).click();
      await items.filter({ hasText: "Safari on iPhone" }).waitFor({ state: "detached" });
      assert.deepEqual([await phone(), await third(), await items.count()], [401, 401, 1]);
      await dialog.getByRole("button", { name: "Back" }).click();
      await page.getByRole("button", { name: "Close" }).click();
      await connected(page);
      assert.deepEqual(complaints, []);
      await close();
    });

    for (const answered of ["with the time alone", "with a newer token"]) {
      test(`and proves who they are first, answered ${answered}`, async () => {
        const name = answered === "with the time alone" ? "beate" : "carol";
        const { page, complaints, close } = await visit(browser, server);
        await signUp(page, name, PASSWORD);
        await createRoom(page, "Behind the list");
        const laptop = await device(name, FIREFOX);
        let rejected = 0;
        await page.route("**/auth/sessions/end", (route) => {
          if (rejected > 0) return route.continue();
          rejected += 1;
          const body = { code: "reauth_required", message: "Log in again", ref: "AB12" };
          return route.fulfill({ status: 401, json: body });
        });
        let newer = "";
        if (answered === "with a newer token") {
          await page.route("**/auth/reauthenticate", async (route) => {
            assert.deepEqual(route.request().postDataJSON(), { password: PASSWORD });
            const body = { username: name, password: PASSWORD };
            const answer = await ask(server, "POST", "/auth/login", body);
            newer = answer.body.access_token;
            return route.fulfill({ status: 200, json: answer.body });
          });
        }
        await openList(page);
        await page.getByRole("button", { name: "Sign out Firefox on Windows" }).click();
        const dialog = page.getByRole("dialog", { name: "Confirm your identity" });
        await dialog.getByLabel("Password").fill(PASSWORD);
        await picture(page, "confirm-that-it-is-you");
        const ended = page.waitForRequest((sent) => sent.url().endsWith("/auth/sessions/end"));
        await page.keyboard.press("Enter");
        const used = await (await ended).headerValue("authorization");
        if (newer !== "") assert.equal(used, `Bearer ${newer}`);
        await page.getByRole("dialog", { name: "Where you are signed in" }).waitFor();
        await page.getByText("Firefox on Windows").waitFor({ state: "detached" });
        assert.deepEqual([await laptop(), rejected], [401, 1]);
        await page.getByRole("button", { name: "Back" }).click();
        await page.getByRole("button", { name: "Close" }).click();
        await connected(page);
        await say(page, "and goes on");
        await shown(page, "and goes on").waitFor();
        assert.deepEqual(complaints.filter(unlessRejected), []);
        await close();
      });
    }
  });

  test("invites people to a private room by a link, and removes them", async () => {
    const dora = await visit(browser, server);
    const emil = await visit(browser, server);
    await signUp(dora.page, "dora", PASSWORD);
    await createRoom(dora.page, "Meeting point");
    await signUp(emil.page, "emil", PASSWORD);
    const meeting = await roomIdOf(dora.page);
    await emil.page.getByRole("button", { name: "Meeting point" }).click();
    await dora.page.getByText("2 of 2 online").waitFor();
    const members = (/** @type {Page} */ page) => page.getByRole("complementary");
    assert.equal(await members(emil.page).getByRole("button", { name: "Invite" }).count(), 0);
    assert.equal(
      await members(emil.page)
        .getByRole("button", { name: /^Remove/ })
        .count(),
      0,
    );

    await dora.page.getByRole("button", { name: "New room" }).click();
    await dora.page.getByLabel("Name").fill("Back room");
    await dora.page.getByLabel(/^Private/).check();
    await dora.page.getByRole("button", { name: "Create room" }).click();
    await dora.page.getByRole("heading", { name: "Back room", level: 1 }).waitFor();
    await members(dora.page).getByRole("button", { name: "Invite" }).click();
    const dialog = dora.page.getByRole("dialog", { name: "Invite a user" });
    const field = dialog.getByLabel("User name or user id");
    for (const [text, answer] of [
      ["no such person", /No user in your rooms has this name/],
      ["missing-id", /the id is unknown/],
    ]) {
      await field.fill(String(text));
      await dora.page.keyboard.press("Enter");
      await dialog.getByRole("alert").filter({ hasText: answer }).waitFor();
    }
    await picture(dora.page, "invite-unknown");
    await field.fill("Emil");
    await dora.page.keyboard.press("Enter");
    await dialog.getByText("can join this room now").waitFor();
    await picture(dora.page, "invited");
    const link = String(await dialog.locator("code").textContent());
    await dialog.getByRole("button", { name: "Done" }).click();

    // The link changes the fragment alone: the page stays, and asks.
    await emil.page.goto(link);
    const question = emil.page.getByRole("dialog", { name: "Join this room?" });
    await question.waitFor();
    await picture(emil.page, "join-linked");
    await question.getByRole("button", { name: "Join room" }).click();
    await emil.page.getByRole("heading", { name: "Back room", level: 1 }).waitFor();
    await say(emil.page, "thank you for the link");
    await shown(dora.page, "thank you").waitFor();

    await members(dora.page).getByRole("button", { name: "Remove emil" }).click();
    await picture(dora.page, "remove-member");
    await dora.page
      .getByRole("dialog")
      .getByRole("button", { name: "Remove", exact: true })
      .click();
    await emil.page.getByText("You are no longer a member of “Back room”.").waitFor();
    assert.equal(await emil.page.getByText("thank you for the link").count(), 0);
    assert.equal(await emil.page.getByRole("button", { name: /Back room/ }).count(), 0);
    await members(dora.page).getByText("1 of 1 online").waitFor();
    await emil.page.goto(link);
    await question.getByRole("button", { name: "Join room" }).click();
    await question.getByRole("alert").waitFor();
    await question.getByRole("button", { name: "Cancel" }).click();
    assert.equal(new URL(emil.page.url()).hash, "");

    // By the user id, for people who share no room.
    const finn = await newPerson(server, "finn");
    await members(dora.page).getByRole("button", { name: "Invite" }).click();
    await field.fill(finn.id);
    await dora.page.keyboard.press("Enter");
    await dialog.getByText("can join this room now").waitFor();
    const socket = await connect(server, finn);
    await must(socket, "room:join", { roomId: new URL(link).hash.replace("#/room/", "") });
    socket.disconnect();
    assert.notEqual(link, meeting);
    assert.deepEqual([dora.complaints, emil.complaints], [[], []]);
    await Promise.all([dora.close(), emil.close()]);
  });

  test("says that a member of a higher rank cannot be removed", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "greta", PASSWORD);
    await createRoom(page, "High visit");
    await must(admin, "room:join", { roomId: await roomIdOf(page) });
    await page.getByRole("button", { name: "Remove chief" }).click();
    const dialog = page.getByRole("dialog", { name: "Remove this member?" });
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await dialog.getByRole("alert").filter({ hasText: "their role protects them" }).waitFor();
    assert.deepEqual(complaints, []);
    await close();
  });

  test("makes https addresses links that show where they lead", async () => {
    const phone = { viewport: { width: 390, height: 720 } };
    const { page, complaints, close } = await visit(browser, server, { window: phone });
    await signUp(page, "hilda", PASSWORD);
    await createRoom(page, "Reading list");
    const long = `https://example.org/${"a-long-path-without-a-break".repeat(12)}?q=1`;
    await say(page, `read https://example.org/page, and <b>https://bücher.example</b>`);
    await say(page, "not http://example.org, javascript:alert(1) or https://bank@evil.example");
    await say(page, long);
    await shown(page, "a-long-path").waitFor();
    const links = page.locator("[role=log] a");
    assert.deepEqual(await links.allTextContents(), [
      "https://example.org/page",
      "https://xn--bcher-kva.example/",
      long,
    ]);
    for (const link of await links.all()) {
      assert.equal(await link.getAttribute("href"), await link.textContent());
      assert.equal(await link.getAttribute("rel"), "noopener noreferrer nofollow ugc");
      assert.equal(await link.getAttribute("target"), "_blank");
      assert.equal(await link.getAttribute("referrerpolicy"), "no-referrer");
    }
    const wide = await page
      .locator(".messages")
      .evaluate((box) => box.scrollWidth - box.clientWidth);
    assert.equal(wide, 0, "a long link makes the messages wider than the page");
    await picture(page, "phone-links");
    assert.deepEqual(complaints, []);
    await close();
  });

  test("keeps the open room and the unread counts over a reload", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "ida", PASSWORD);
    await createRoom(page, "First hall");
    await createRoom(page, "Second hall");
    await page.getByRole("button", { name: "First hall" }).click();
    const first = await roomIdOf(page);
    assert.equal(new URL(page.url()).hash, `#/room/${first}`);
    await page.goBack();
    await page.getByRole("heading", { name: "Second hall", level: 1 }).waitFor();
    await page.goForward();
    await page.getByRole("heading", { name: "First hall", level: 1 }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Second hall", level: 1 }).waitFor();

    const jan = await connect(server, await newPerson(server, "jan"));
    await must(jan, "room:join", { roomId: first });
    for (const message of ["one", "two"]) await must(jan, "chat:send", { roomId: first, message });
    const item = page.getByRole("button", { name: /^First hall/ });
    await item.getByLabel("2 unread").waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Second hall", level: 1 }).waitFor();
    await item.getByLabel("2 unread").waitFor();
    await must(jan, "chat:send", { roomId: first, message: "three" });
    await item.getByLabel("3 unread").waitFor();
    await item.click();
    await shown(page, "three").waitFor();
    await item.getByLabel(/unread/).waitFor({ state: "detached" });
    await page.reload();
    await page.getByRole("heading", { name: "First hall", level: 1 }).waitFor();
    await shown(page, "three").waitFor();
    assert.equal(await page.getByLabel(/unread/).count(), 0);
    jan.disconnect();
    assert.deepEqual(complaints, []);
    await close();
  });

  test("asks a visitor with a link to sign in, and then whether to join", async () => {
    const kate = await newPerson(server, "kate");
    const socket = await connect(server, kate);
    const { room } = await must(socket, "room:create", {
      name: "Open house",
      visibility: "public",
    });
    const url = `${server.url}/#/room/${room.id}`;
    const { page, complaints, close } = await visit(browser, server, { url });
    await signUp(page, "leo", PASSWORD);
    const question = page.getByRole("dialog", { name: "Join this room?" });
    await question.getByText("Open house").waitFor();
    assert.equal(await page.getByRole("heading", { level: 1 }).count(), 0, "joined unasked");
    await question.getByRole("button", { name: "Join room" }).click();
    await page.getByRole("heading", { name: "Open house", level: 1 }).waitFor();
    assert.equal(page.url(), url);
    socket.disconnect();
    assert.deepEqual(complaints, []);
    await close();
  });

  test("says who is muted, and until when, before and after writing", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "mona", PASSWORD);
    await createRoom(page, "Quiet corner");
    const { id: userId } = await login(server, "mona");
    await must(admin, "user:mute", { userId, duration_s: 3_000_000 });
    await say(page, "can you read me");
    const muted = page.getByRole("status").filter({ hasText: "You are muted until" });
    await muted.waitFor();
    const pending = page.locator(".pending [role=alert]");
    const until = /You are muted until \d{1,2} \w+ 20\d\d, \d\d:\d\d\./;
    for (const text of [await muted.textContent(), await pending.textContent()]) {
      assert.match(String(text), until);
    }
    await picture(page, "muted");
    await page.reload();
    await page.getByRole("heading", { name: "Quiet corner", level: 1 }).waitFor();
    await muted.waitFor();
    await must(admin, "user:mute", { userId, duration_s: 0 });
    // A peer that answers again can try again.
    await say(page, "and now");
    await shown(page, "and now").waitFor();
    await muted.waitFor({ state: "detached" });
    assert.deepEqual(complaints, []);
    await close();
  });

  test("says that the user is banned, and shows nothing of a room any more", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "nina", PASSWORD);
    await createRoom(page, "Garden shed");
    const { id: userId } = await login(server, "nina");
    await must(admin, "user:ban", { userId, duration_s: 600 });
    const dialog = page.getByRole("dialog", { name: "Your sign-in has ended" });
    await dialog.getByText("You are banned or your account is locked.").waitFor();
    await picture(page, "banned");
    assert.ok(!(await page.content()).includes("Garden shed"));
    await must(admin, "user:ban", { userId, duration_s: 0 });
    await dialog.getByLabel("Password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Garden shed", level: 1 }).waitFor();
    await connected(page);
    assert.deepEqual(complaints.filter(unlessRejected), []);
    await close();
  });

  test("keeps its header in one row, and the newest message in sight, on a phone", async () => {
    const phone = { viewport: { width: 390, height: 700 }, hasTouch: true };
    const { page, complaints, close } = await visit(browser, server, { window: phone });
    await fillAccount(page, "chief", PASSWORD, "Sign in");
    await connected(page);
    await createRoom(page, "Small screen");
    const rows = await page
      .locator("header.top button")
      .evaluateAll((buttons) =>
        buttons.map((button) => [button.getBoundingClientRect().top, button.clientHeight]),
      );
    assert.equal(rows.length, 3, "Announce, Account and Sign out");
    for (const row of rows) assert.deepEqual(row, rows[0]);
    assert.ok(Number(rows[0]?.[1]) < 40, `${rows[0]?.[1]} px high: the words wrap`);
    for (let number = 1; number <= 20; number += 1) await say(page, `line ${number}`);
    await shown(page, "line 20").waitFor();
    for (const hour of ["four", "five", "six"]) {
      const message = `Tea is served at ${hour}. `.repeat(35).trim();
      await must(admin, "admin:broadcast", { message });
      await page.getByText(`Tea is served at ${hour}`).waitFor();
    }
    await page.waitForFunction(() => {
      const box = document.querySelector(".messages")?.getBoundingClientRect();
      const last = document.querySelector("[role=log] li:last-child")?.getBoundingClientRect();
      return box !== undefined && last !== undefined && last.bottom <= box.bottom;
    });
    await picture(page, "phone-announcement");
    const wide = await page.evaluate("document.documentElement.scrollWidth");
    assert.ok(Number(wide) <= 390, `${wide} px wide`);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("takes a password of 128 characters whole, and says when one is too long", async () => {
    const { page, complaints, close } = await visit(browser, server);
    const sign = (/** @type {number} */ at) =>
      String.fromCodePoint(0x1f300 + ((at * at * 7) % 97) * 3);
    const password = Array.from({ length: 128 }, (_, at) => sign(at)).join("");
    assert.equal(password.length, 256);
    await page.getByRole("button", { name: "Create an account" }).click();
    await fillAccount(page, "olga", `${password}x`, "Create account");
    await page.getByRole("alert").filter({ hasText: "This password is too long" }).waitFor();
    await fillAccount(page, "olga", password, "Create account");
    await connected(page);
    await page.getByRole("button", { name: "Sign out" }).click();
    await fillAccount(page, "olga", `${password}x`, "Sign in");
    await page.getByRole("alert").filter({ hasText: "This password is too long" }).waitFor();
    await fillAccount(page, "olga", password, "Sign in");
    await connected(page);
    assert.deepEqual(complaints, []);
    await close();
  });

  test("says that it is offline where a message is written", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "paula", PASSWORD);
    await createRoom(page, "Far away");
    const offline = page.getByRole("status").filter({ hasText: "You are offline." });
    assert.equal(await offline.count(), 0);
    await server.kill();
    await offline.waitFor();
    await picture(page, "offline");
    await server.start();
    await connected(page);
    await offline.waitFor({ state: "detached" });
    const others = complaints.filter((text) => !/WebSocket connection to .* failed/.test(text));
    assert.deepEqual(others, []);
    await close();
  });
});
