// What the formatting reader takes and what it leaves as plain text (T-134).
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFormatting, type Piece } from "../src/formatting";

function check(html: string, expect: Piece[] | undefined) {
  assert.deepEqual(readFormatting(html), expect, html.slice(0, 120));
}

const text = (value: string): Piece => ({ kind: "text", text: value });

test("the five tags, links and entities are read", () => {
  check("", []);
  check("plain", [text("plain")]);
  check("1 &lt; 2 &amp;amp; &quot;x&quot; &#39;y&#39;&nbsp;", [
    text("1 < 2 &amp; \"x\" 'y'\u00a0"),
  ]);
  check("<b>put</b> it into the &lt;title&gt; of the page", [
    { kind: "tag", tag: "b", pieces: [text("put")] },
    text(" it into the <title> of the page"),
  ]);
  check("<b>a<i>b</i></b>c", [
    { kind: "tag", tag: "b", pieces: [text("a"), { kind: "tag", tag: "i", pieces: [text("b")] }] },
    text("c"),
  ]);
  for (const tag of ["b", "i", "em", "strong", "code"] as const) {
    check(`<${tag}>x</${tag}>`, [{ kind: "tag", tag, pieces: [text("x")] }]);
  }
  check('<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer">x</a>', [
    { kind: "link", href: "https://example.org/?a=1&b=2", pieces: [text("x")] },
  ]);
});

test("anything else makes the whole text plain", () => {
  const cases = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<b onclick=alert(1)>x</b>",
    '<b class="x">x</b>',
    "<B>x</B>",
    "<b >x</b>",
    "<b>x",
    "x</b>",
    "<b><i>x</b></i>",
    "</b>",
    "a < b",
    "<",
    "<b",
    "&copy;",
    "&#x3c;script&#x3e;",
    "a & b",
    "<!-- x -->",
    "<svg><b>x</b></svg>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="http://example.org">x</a>',
    '<a href="https://user@example.org">x</a>',
    '<a href="https://example.org" target="_blank">x</a>',
    '<a href="https://exa mple.org">x</a>',
    "<a>x</a>",
    "<b>".repeat(17) + "</b>".repeat(17),
    "<b></b>".repeat(3000),
  ];
  for (const html of cases) check(html, undefined);
});
