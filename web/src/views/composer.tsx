// The text field for a message. Enter sends it, Shift and Enter makes a new line.
// Never: loses a text that was rejected, or that is unsent while another room is open.
import { useEffect, useRef } from "preact/hooks";
import { send } from "../messages";
import { drafts, setDraft, type RoomEntry } from "../state";
import { ComposerState } from "./composer_state";

/** Characters as the server counts them: code points, not UTF-16 units. */
const CHARACTERS_MAX = 1000;
const WARN_FROM = 900;

export function Composer({ entry }: { entry: RoomEntry }) {
  const roomId = entry.room.id;
  const draft = drafts.value.get(roomId) ?? "";
  const input = useRef<HTMLTextAreaElement>(null);
  const length = [...draft].length;
  const sendable = draft.trim() !== "" && length <= CHARACTERS_MAX;
  useEffect(() => input.current?.focus(), []);
  const submit = () => {
    if (!sendable) return;
    send(roomId, draft.trim());
    setDraft(roomId, "");
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter also ends a composition, for example in Japanese or Chinese; that does not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <ComposerState />
      <label class="unseen" for="composer">
        Message
      </label>
      <textarea
        id="composer"
        ref={input}
        rows={1}
        dir="auto"
        placeholder="Write a message"
        value={draft}
        onInput={(event) => setDraft(roomId, event.currentTarget.value)}
        onKeyDown={onKeyDown}
        aria-describedby={length >= WARN_FROM ? "characters-left" : undefined}
      />
      {length >= WARN_FROM && (
        <span class={length > CHARACTERS_MAX ? "left over" : "left"} id="characters-left">
          {CHARACTERS_MAX - length}
        </span>
      )}
      <button class="primary" type="submit" disabled={!sendable}>
        Send
      </button>
    </form>
  );
}
