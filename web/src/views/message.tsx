// One message: plain text, or its safe formatting built from text nodes.
// Never: an HTML sink.
import type { VNode } from "preact";
import type { ChatMessage } from "../contract";
import { readFormatting, type Piece } from "../formatting";
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
          {pieces === undefined ? message.message : pieces.map(build)}
        </p>
      </div>
    </li>
  );
}

function build(piece: Piece): VNode | string {
  switch (piece.kind) {
    case "text":
      return piece.text;
    case "tag": {
      const Tag = piece.tag;
      return <Tag>{piece.pieces.map(build)}</Tag>;
    }
    case "link":
      return (
        <a href={piece.href} rel="noopener noreferrer nofollow ugc" target="_blank">
          {piece.pieces.map(build)}
        </a>
      );
  }
}
