// The messages of a room, oldest first, following the newest while the reader is at the end.
// Never: moves the text under a reader who has scrolled back.
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { ChatMessage } from "../contract";
import { discard, loadEarlier, retry } from "../messages";
import type { Pending, RoomEntry } from "../state";
import { MessageItem } from "./message";
import { Problem } from "./problem";

/** So close to the end counts as being there. */
const END_PX = 48;
/** A longer silence shows the name again. */
const TOGETHER_MS = 5 * 60_000;

export function MessageList({ entry }: { entry: RoomEntry }) {
  const { timeline, pending, loading } = entry;
  const list = useRef<HTMLDivElement>(null);
  const atEnd = useSignal(true);
  const first = timeline.messages[0]?.seq;
  const last = timeline.messages.at(-1)?.seq;
  const before = useRef({ first, height: 0 });
  const height = useRef(0);

  useLayoutEffect(() => {
    const box = list.current;
    if (box === null) return;
    const older = before.current.first !== undefined && first !== before.current.first;
    if (atEnd.value) box.scrollTop = box.scrollHeight;
    else if (older) box.scrollTop += box.scrollHeight - before.current.height;
    before.current = { first, height: box.scrollHeight };
  }, [first, last, pending]);

  // An announcement, the composer or a keyboard takes space away: the newest stays in sight.
  useEffect(() => {
    const box = list.current;
    if (box === null) return;
    const observer = new ResizeObserver(() => {
      height.current = box.clientHeight;
      if (atEnd.value) box.scrollTop = box.scrollHeight;
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const box = list.current;
    // A scroll that is reported while the box changes its height is not the reader's.
    if (box === null || box.clientHeight !== height.current) return;
    atEnd.value = box.scrollHeight - box.scrollTop - box.clientHeight < END_PX;
  };
  const toEnd = () => {
    if (list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  };
  return (
    <div class="messages-frame">
      <div class="messages" ref={list} onScroll={onScroll} tabIndex={0} aria-label="Messages">
        {timeline.moreBefore && timeline.messages.length > 0 && (
          <button
            type="button"
            class="quiet earlier"
            disabled={loading}
            onClick={() => void loadEarlier(entry.room.id)}
          >
            {loading ? "Loading…" : "Earlier messages"}
          </button>
        )}
        {timeline.messages.length === 0 && pending.length === 0 && (
          <p class="hint none">{loading || !entry.joined ? "Loading…" : "No messages yet."}</p>
        )}
        <div role="log" aria-live="polite" aria-relevant="additions" aria-busy={loading}>
          <ol>
            {timeline.messages.map((message, index) => (
              <MessageItem
                key={message.seq}
                message={message}
                follows={follows(timeline.messages[index - 1], message)}
                newDay={isNewDay(timeline.messages[index - 1], message)}
              />
            ))}
          </ol>
        </div>
        {pending.map((item) => (
          <PendingItem key={item.mid} roomId={entry.room.id} item={item} />
        ))}
      </div>
      {!atEnd.value && (
        <button type="button" class="to-end" onClick={toEnd}>
          Newest messages ↓
        </button>
      )}
    </div>
  );
}

function PendingItem({ roomId, item }: { roomId: string; item: Pending }) {
  return (
    <div class="pending">
      <p class="text" dir="auto">
        {item.message}
      </p>
      {item.refusal === undefined ? (
        <span class="hint">{progress(item)}</span>
      ) : (
        <>
          <Problem refusal={item.refusal} />
          <button type="button" onClick={() => retry(roomId, item.mid)}>
            Send again
          </button>
          <button class="quiet" type="button" onClick={() => discard(roomId, item.mid)}>
            Discard
          </button>
        </>
      )}
    </div>
  );
}

function progress({ seq, waitS }: Pending): string {
  if (seq !== undefined) return "Sent";
  if (waitS === undefined) return "Sending…";
  return `You are sending too fast: this goes out in about ${waitS} seconds.`;
}

/** Whether a message goes on from the one before, so that the name need not stand twice. */
function follows(previous: ChatMessage | undefined, message: ChatMessage): boolean {
  if (previous === undefined || previous.userId !== message.userId) return false;
  return message.timestampMs - previous.timestampMs < TOGETHER_MS && !isNewDay(previous, message);
}

function isNewDay(previous: ChatMessage | undefined, message: ChatMessage): boolean {
  if (previous === undefined) return true;
  const day = (ms: number) => new Date(ms).toDateString();
  return day(previous.timestampMs) !== day(message.timestampMs);
}
