// The chat page in Chromium, as people use it; it must have nothing to complain about.
// Never: a test hook in the page; only what a person sees and types.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createRoom, fillAccount, launch, picture, say, signUp, visit } from "./browser.mjs";
import { ask, connect, must, newPerson, PASSWORD } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

/** @typedef {import("playwright-core").Page} Page */

describe("the page", () => {
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
   * @param {Page} page
   */
  const texts = (page) => page.locator("[role=log] .text").allTextContents();

  test("is served under a strict policy (T-260, T-261)", async () => {
    const { status, headers } = await ask(server, "GET", "/");
    assert.equal(status, 200);
    const policy = String(headers["content-security-policy"]);
    const wanted = ["default-src 'none'", "base-uri 'none'", "object-src 'none'"];
    wanted.push("frame-ancestors 'none'", "require-trusted-types-for 'script'");
    for (const directive of wanted)
      assert.ok(policy.includes(directive), `${directive}: ${policy}`);
    assert.doesNotMatch(policy, /unsafe|\*|http:/);
    assert.match(String(headers["content-type"]), /^text\/html; ?charset=utf-8$/i);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["referrer-policy"], "no-referrer");
    // The development profile sends none: a browser would keep it for this host and every port.
    assert.equal(headers["strict-transport-security"], undefined);
  });

  test("creates the first administrator, whose announcements all users see", async () => {
    assert.notEqual(server.setUpLink, "", server.output());
    const chief = await visit(browser, server, { url: server.setUpLink });
    const guest = await visit(browser, server);
    await chief.page.getByRole("heading", { name: "Set up this server" }).waitFor();
    assert.equal(new URL(chief.page.url()).hash, "", "the token stays in the address bar");
    await picture(chief.page, "set-up");
    await fillAccount(chief.page, "chief", PASSWORD, "Create the administrator");
    await chief.page.getByText("Connected", { exact: true }).waitFor();

    await signUp(guest.page, "gustav", PASSWORD);
    await chief.page.getByRole("button", { name: "Announce" }).click();
    await chief.page.getByLabel("Announcement").fill("Tea at four");
    await chief.page.getByRole("dialog").getByRole("button", { name: "Announce" }).click();
    for (const { page } of [chief, guest]) await page.getByText("Tea at four").waitFor();
    await picture(guest.page, "announcement");
    assert.deepEqual([chief.complaints, guest.complaints], [[], []]);
    await Promise.all([chief.close(), guest.close()]);
  });

  test("lets two people talk, both ways (T-134)", async () => {
    const ann = await visit(browser, server);
    const bob = await visit(browser, server, { window: { colorScheme: "dark" } });
    await picture(ann.page, "sign-in");
    await signUp(ann.page, "ann", PASSWORD);
    await createRoom(ann.page, "Gatehouse");
    await say(ann.page, "Are you at the gate?");
    await signUp(bob.page, "bob", PASSWORD);
    await bob.page.getByRole("button", { name: "Gatehouse" }).click();
    await bob.page.getByText("Are you at the gate?").waitFor();
    await say(bob.page, "I am, <b>wide</b> awake");
    await ann.page.getByText("I am, wide awake").waitFor();
    assert.equal(await ann.page.locator("[role=log] .text b").textContent(), "wide");

    const markup = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>all quiet";
    await say(ann.page, markup);
    const link = `<a href="javascript:window.hit=1">left</a>`;
    await say(bob.page, link);
    for (const { page } of [ann, bob]) {
      await page.locator("[role=log] .text", { hasText: "all quiet" }).waitFor();
      await page.locator("[role=log] .text", { hasText: "left" }).waitFor();
      const log = page.locator("[role=log]");
      assert.equal(await log.locator("script, img, a, iframe, svg, style").count(), 0);
      assert.equal(await page.evaluate("window.hit"), undefined);
      const shown = await page.locator("[role=log] .text").allTextContents();
      assert.ok(shown.includes(markup) && shown.includes(link), "it is seen as it was written");
    }
    assert.deepEqual(await texts(ann.page), await texts(bob.page));
    const members = ann.page.getByRole("complementary", { name: "Members" });
    await members.getByText("2 of 2 online").waitFor();
    await picture(ann.page, "chat-light");
    await picture(bob.page, "chat-dark");

    await bob.page.getByRole("button", { name: "Leave room" }).click();
    await picture(bob.page, "leave-dialog");
    await bob.page.getByRole("dialog").getByRole("button", { name: "Leave room" }).click();
    await bob.page.getByText("Choose a room").waitFor();
    await members.getByText("1 of 1 online").waitFor();
    await ann.page.getByRole("button", { name: "Delete room" }).click();
    await ann.page.getByRole("dialog").getByRole("button", { name: "Delete room" }).click();
    await ann.page.getByText("Choose a room").waitFor();
    assert.deepEqual([ann.complaints, bob.complaints], [[], []]);
    await Promise.all([ann.close(), bob.close()]);
  });

  test("shows whatever markup arrives as text, were the server to fail (T-134)", async () => {
    const hostile = `<img src=x onerror="window.hit=1"><svg onload="window.hit=1"></svg>`;
    let replaced = 0;
    const eve = await visit(browser, server, {
      between(socket) {
        const behind = socket.connectToServer();
        behind.onMessage((message) => {
          const text = String(message);
          if (!text.startsWith('42["chat:message"')) return socket.send(message);
          const [name, payload] = JSON.parse(text.slice(2));
          replaced += 1;
          return socket.send(`42${JSON.stringify([name, { ...payload, html: hostile }])}`);
        });
      },
    });
    await signUp(eve.page, "eve", PASSWORD);
    await createRoom(eve.page, "Mirror");
    await say(eve.page, "what was really said");
    const shown = eve.page.locator("[role=log] .text");
    await shown.waitFor();
    assert.equal(await shown.textContent(), "what was really said");
    assert.equal(replaced, 1);
    assert.equal(await eve.page.locator("[role=log]").locator("img, svg").count(), 0);
    assert.equal(await eve.page.evaluate("window.hit"), undefined);
    assert.deepEqual(eve.complaints, []);
    await eve.close();
  });

  test("fits a phone, in the dark", async () => {
    const viewport = { width: 375, height: 720 };
    const phone = await visit(browser, server, {
      window: { viewport, colorScheme: "dark", hasTouch: true },
    });
    const { page } = phone;
    await picture(page, "phone-sign-in");
    await signUp(page, "walker", PASSWORD);
    await createRoom(page, "On the road");
    const long = "A long word: " + "portcullisportcullis".repeat(4);
    for (const text of ["Nearly there.", "Two more hills.", long]) await say(page, text);
    await page.locator("[role=log] .text", { hasText: "A long word" }).waitFor();
    await picture(page, "phone-room");
    await page.getByRole("button", { name: "Members" }).click();
    await page.getByText("1 of 1 online").waitFor();
    await picture(page, "phone-members");
    await page.getByRole("button", { name: "Back to rooms" }).click();
    await page.getByRole("button", { name: "On the road" }).waitFor();
    await picture(page, "phone-rooms");
    const wide = await page.evaluate("document.documentElement.scrollWidth");
    assert.ok(Number(wide) <= viewport.width, `${wide} px wide`);
    assert.deepEqual(phone.complaints, []);
    await phone.close();
  });

  test("says in words what the server refuses, with the reference", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await fillAccount(page, "missing", PASSWORD, "Sign in");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match(String(await alert.textContent()), /Wrong user name or password\. Reference: \S+/);
    await picture(page, "refused");
    // The browser itself notes every answer of 400 and above.
    const others = complaints.filter(
      (text) => !/^(401 |error: Failed to load resource)/.test(text),
    );
    assert.deepEqual(others, []);
    await close();
  });

  test("comes back after the server was away, and misses nothing", async () => {
    const { page, complaints, close } = await visit(browser, server);
    await signUp(page, "patient", PASSWORD);
    await createRoom(page, "Second room");
    await say(page, "before");
    await page.locator("[role=log] .text", { hasText: "before" }).waitFor();
    const roomId = String(await page.locator(".room-id code").textContent());

    await server.kill();
    await page.getByText("Connecting…").waitFor();
    await say(page, "written while away");
    await page.getByText("Sending…").waitFor();
    await picture(page, "away");
    await server.start();
    const other = await newPerson(server, "other");
    const socket = await connect(server, other);
    await must(socket, "room:join", { roomId });
    await must(socket, "chat:send", { roomId, message: "said meanwhile" });
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.locator("[role=log] .text", { hasText: "written while away" }).waitFor();
    await page.locator("[role=log] .text", { hasText: "said meanwhile" }).waitFor();
    socket.disconnect();
    const shown = await texts(page);
    assert.deepEqual([...shown].sort(), ["before", "said meanwhile", "written while away"]);
    const others = complaints.filter((text) => !/WebSocket connection to .* failed/.test(text));
    assert.deepEqual(others, []);
    await close();
  });
});

describe("the page under the limits that are in force by default", () => {
  test("waits when the server says that a person sends too fast (T-080)", async () => {
    const server = await Server.start();
    const browser = await launch();
    try {
      const { page, complaints } = await visit(browser, server);
      await signUp(page, "hasty", PASSWORD);
      await createRoom(page, "Rush");
      for (let number = 1; number <= 12; number += 1) await say(page, `number ${number}`);
      await page.getByText("You are sending too fast").waitFor();
      await picture(page, "too-fast");
      const shown = page.locator("[role=log] .text");
      assert.equal(await shown.count(), 10);
      await shown.filter({ hasText: "number 12" }).waitFor();
      const texts = await shown.allTextContents();
      const expect = Array.from({ length: 12 }, (_, index) => `number ${index + 1}`);
      assert.deepEqual(texts, expect);
      assert.deepEqual(complaints, []);
    } finally {
      await browser.close();
      await server.remove();
    }
  });
});
