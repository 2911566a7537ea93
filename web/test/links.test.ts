// Which parts of a text are links, and that a link shows where it leads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findLinks, readLink } from "../src/links";

/** The links of a text as `[shown, href]`. */
function check(text: string, expect: [string, string][]) {
  const parts = findLinks(text);
  const links = parts.flatMap((part) =>
    part.kind === "link" ? [[part.text, part.href] as [string, string]] : [],
  );
  assert.deepEqual(links, expect, text);
}

const same = (href: string): [string, string] => [href, href];

test("https addresses are links, and the signs around them are not", () => {
  const page = "https://example.org/a?b=1#c";
  check(`see ${page}, please`, [same(page)]);
  check(`(${page})`, [same(page)]);
  check(
    `„${page}“ “${page}” «${page}» <${page}> "${page}"`,
    [page, page, page, page, page].map(same),
  );
  check("https://example.org/a_(b)", [same("https://example.org/a_(b)")]);
  check("(https://example.org/a_(b)).", [same("https://example.org/a_(b)")]);
  check("https://example.org...", [["https://example.org", "https://example.org/"]]);
  check("https://a.example https://b.example/", [
    ["https://a.example", "https://a.example/"],
    same("https://b.example/"),
  ]);
  check("HTTPS://EXAMPLE.org/A", [same("https://example.org/A")]);
});

test("nothing else is a link", () => {
  const cases = [
    "http://example.org",
    "javascript:alert(1)//https",
    "ftp://example.org",
    "www.example.org",
    "https://",
    "https:// example.org",
    "https://user@example.org",
    "https://bank.example:pass@evil.example",
    "https://bank.example@evil.example/",
    "xhttps://example.org",
    "https://[::1",
    "https://example.org:99999",
  ];
  for (const text of cases) check(text, []);
});

test("a link shows the address that is opened", () => {
  check("https://аpple.example/", [same("https://xn--pple-43d.example/")]);
  check("https://bücher.example", [same("https://xn--bcher-kva.example/")]);
  check("https://example.org/ü", [same("https://example.org/%C3%BC")]);
  check("https://example.org/a/../b", [same("https://example.org/b")]);
  check("https://0x7f.1/", [same("https://127.0.0.1/")]);
  check("https://example。org/", [same("https://example.org/")]);
  check("https://good.example/\u202egro.live", [same("https://good.example/")]);
  check("https://good.example\u200b.evil.example", [
    ["https://good.example", "https://good.example/"],
  ]);
  check("https://good.example\\@evil.example", [["https://good.example", "https://good.example/"]]);
  assert.equal(readLink("javascript:alert(1)"), undefined);
});

test("the pieces hold the whole text, and links are bounded", () => {
  const text = "a https://x.example/1 b https://y.example/2";
  assert.equal(
    findLinks(text)
      .map((part) => part.text)
      .join(""),
    text,
  );
  const many = findLinks("https://x.example/ ".repeat(200));
  assert.equal(many.filter(({ kind }) => kind === "link").length, 50);
  assert.equal(many.map((part) => part.text).join(""), "https://x.example/ ".repeat(200));
});
