// Finds https addresses in plain text.
// Never: an address that is shown otherwise than where it leads, or one with a user name in it.

export type Part = { kind: "text"; text: string } | Link;

export interface Link {
  kind: "link";
  /** As the URL parser writes it: ASCII alone, a host of other letters in Punycode. */
  href: string;
  /** What is shown: the address itself. */
  text: string;
}

/** Longer addresses stay text. */
const LENGTH_MAX = 2000;
/** More links than this in 1,000 characters are not meant to be followed. */
const LINKS_MAX = 50;

// The address ends at white space, quotes, brackets of markup, and characters that cannot be seen.
const CANDIDATE = /https:\/\/[^\s<>"`\\\u00ad\p{Cc}\p{Cf}]{1,2000}/giu;
/** Signs that end a sentence rather than an address. */
const TRAILING = /[.,:;!?'*_~…»«“”„’‘]+$/u;

/** The text in pieces, in order; together they read as the text did, but for the links' own form. */
export function findLinks(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  let found = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    if (isInWord(text, match.index)) continue;
    const written = trimmed(match[0]);
    const link = readLink(written);
    if (link === undefined || found === LINKS_MAX) continue;
    found += 1;
    if (match.index > from) parts.push({ kind: "text", text: text.slice(from, match.index) });
    parts.push(link);
    from = match.index + written.length;
  }
  if (from < text.length) parts.push({ kind: "text", text: text.slice(from) });
  return parts;
}

/** The link to an address, if it is one that may be followed. */
export function readLink(written: string): Link | undefined {
  if (written.length > LENGTH_MAX || !URL.canParse(written)) return undefined;
  const url = new URL(written);
  // A user name before the host reads like a host.
  if (url.protocol !== "https:" || url.username !== "" || url.password !== "") return undefined;
  if (url.hostname === "" || url.href.length > 3 * LENGTH_MAX) return undefined;
  const { href } = url;
  // The parser only added the slash after the host: the reader sees what was written.
  const text = href === `${written}/` ? written : href;
  return { kind: "link", href, text };
}

/** Without the signs after the address; a closing bracket stays where it was opened in it. */
function trimmed(address: string): string {
  for (;;) {
    const shorter = address.replace(TRAILING, "");
    const last = shorter.at(-1) ?? "";
    const opening = last === ")" ? "(" : last === "]" ? "[" : last === "}" ? "{" : undefined;
    if (opening === undefined || count(shorter, opening) >= count(shorter, last)) return shorter;
    address = shorter.slice(0, -1);
  }
}

function count(text: string, sign: string): number {
  return text.split(sign).length - 1;
}

function isInWord(text: string, index: number): boolean {
  return index > 0 && /[\p{L}\p{N}]$/u.test(text.slice(Math.max(0, index - 2), index));
}
