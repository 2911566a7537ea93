// One message: plain text, or its safe formatting built from text nodes.
// Never: an HTML sink.
import type { ComponentChild } from "preact";
import type { ChatMessage } from "../contract";
import { readFormatting, type Piece } from "../formatting";
import { findLinks, readLink, type Link } from "../links";
import { isOwn } from "../state";

interface Props {
  message: ChatMessage;
  follows: boolean;
  newDay: boolean;
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export function MessageItem({ message, follows, newDay }: Props) {
  const date = new Date(message.timestampMs);
  const pieces = message.html === undefined ? undefined : readFormatting(message.html);
  const kind = `message${isOwn(message) ? " own" : ""}${follows ? " follows" : ""}`;
  return (
    <li class={kind}>
      {newDay && <p class="day">{DAY.format(date)}</p>}
      <div class="bubble">
        <p class={follows ? "byline unseen" : "byline"}>
          <bdi class="author">{message.username}</bdi>{" "}
          {message.external && <span class="tag">external</span>}{" "}
          <time dateTime={date.toISOString()}>{TIME.format(date)}</time>
        </p>
        <p class="text" dir="auto">
          {pieces === undefined ? buildText(message.message) : pieces.map(build)}
        </p>
      </div>
    </li>
  );
}

function build(piece: Piece): ComponentChild {
  switch (piece.kind) {
    case "text":
      return buildText(piece.text);
    case "tag": {
      const Tag = piece.tag;
      return <Tag>{piece.pieces.map(build)}</Tag>;
    }
    case "link": {
      // A text of the sender's could show one address and lead to another: both are shown.
      const [label, link] = [plainText(piece), readLink(piece.href)];
      if (link === undefined) return label;
      return label === link.text || label === link.href ? (
        <LinkItem link={link} />
      ) : (
        <>
          {label} (<LinkItem link={link} />)
        </>
      );
    }
  }
}

function plainText(piece: Piece): string {
  return piece.kind === "text" ? piece.text : piece.pieces.map(plainText).join("");
}

function buildText(text: string): ComponentChild {
  return findLinks(text).map((part) => {
    return part.kind === "text" ? part.text : <LinkItem link={part} />;
  });
}

function LinkItem({ link }: { link: Link }) {
  return (
    <a
      href={link.href}
      rel="noopener noreferrer nofollow ugc"
      target="_blank"
      referrerPolicy="no-referrer"
      dir="ltr"
    >
      {link.text}
    </a>
  );
}
