// Reads the five tags of safe formatting (and links) into pieces a view builds text nodes from.
// Never: an HTML sink; whatever is not exactly the expected form makes the whole text plain.

export type Tag = "b" | "i" | "em" | "strong" | "code";

export type Piece =
  | { kind: "text"; text: string }
  | { kind: "tag"; tag: Tag; pieces: Piece[] }
  | { kind: "link"; href: string; pieces: Piece[] };

/** Deeper nesting than this has no meaning for a reader. */
const DEPTH_MAX = 16;
/** A message has at most this much markup in 1,000 characters. */
const TOKENS_MAX = 4000;

const TOKEN = /<(\/?)([a-z]{1,8})((?:\s[^<>]{0,2100})?)>|([^<]+)|</gy;
const ENTITY = /&(amp|lt|gt|quot|nbsp|#39);|&/g;
const LINK = /^\shref="(https:\/\/[^"<>\s]{1,2000})"(?:\srel="[a-z ]{1,80}")?$/;

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["#39", "'"],
  ["nbsp", "\u00a0"],
]);

/** The pieces of `html`, or undefined when any of it is not the safe formatting. */
export function readFormatting(html: string): Piece[] | undefined {
  const root: Piece[] = [];
  const open: { name: string; pieces: Piece[] }[] = [];
  let tokens = 0;
  for (const match of html.matchAll(TOKEN)) {
    tokens += 1;
    if (tokens > TOKENS_MAX) return undefined;
    const [, closing, name, attributes, plain] = match;
    const here = open.at(-1)?.pieces ?? root;
    if (plain !== undefined) {
      const text = decode(plain);
      if (text === undefined) return undefined;
      here.push({ kind: "text", text });
    } else if (name === undefined) {
      return undefined;
    } else if (closing === "/") {
      if (open.pop()?.name !== name || attributes !== "") return undefined;
    } else {
      const piece = openPiece(name, attributes ?? "");
      if (piece === undefined || open.length === DEPTH_MAX) return undefined;
      here.push(piece);
      open.push({ name, pieces: piece.pieces });
    }
  }
  return open.length === 0 ? root : undefined;
}

function openPiece(name: string, attributes: string): Exclude<Piece, { kind: "text" }> | undefined {
  switch (name) {
    case "b":
    case "i":
    case "em":
    case "strong":
    case "code":
      return attributes === "" ? { kind: "tag", tag: name, pieces: [] } : undefined;
    case "a": {
      const href = readHref(attributes);
      return href === undefined ? undefined : { kind: "link", href, pieces: [] };
    }
    default:
      return undefined;
  }
}

function readHref(attributes: string): string | undefined {
  const written = LINK.exec(attributes)?.[1];
  const decoded = written === undefined ? undefined : decode(written);
  if (decoded === undefined || !URL.canParse(decoded)) return undefined;
  const url = new URL(decoded);
  return url.protocol === "https:" && url.username === "" ? url.href : undefined;
}

function decode(written: string): string | undefined {
  let known = true;
  const text = written.replace(ENTITY, (_, name: string | undefined) => {
    if (name === undefined) known = false;
    return ENTITIES.get(name ?? "") ?? "";
  });
  return known ? text : undefined;
}
