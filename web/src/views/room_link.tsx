// The link to a room, to be copied.
// Never: a way in; who opens it is asked, and joins only what they may.
import { useSignal } from "@preact/signals";
import { linkTo } from "../route";

interface Props {
  roomId: string;
  /** In a narrow place the link is shown only where it cannot be copied. */
  shown: "always" | "when-needed";
}

export function RoomLink({ roomId, shown }: Props) {
  const copied = useSignal<"no" | "yes" | "failed">("no");
  const link = linkTo(roomId);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link);
      copied.value = "yes";
    } catch {
      copied.value = "failed";
    }
  };
  return (
    <div class="room-link">
      {(shown === "always" || copied.value === "failed") && <code>{link}</code>}
      <button type="button" onClick={() => void copy()}>
        Copy link
      </button>
      <span class="hint" role="status">
        {copied.value === "yes" && "Copied."}
        {copied.value === "failed" && "Your browser did not allow it: select the link instead."}
      </span>
    </div>
  );
}
