// Why a message cannot go out now, at the place where it is written.
// Never: keeps the user from writing or trying; the server decides.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { muteSentence } from "../mute";
import { muted, online } from "../session_state";

/** Longest wait of a browser's timer. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export function ComposerState() {
  const mute = muted.value;
  return (
    <div class="composer-state" role="status">
      {mute !== undefined && <Muted until={mute.untilMs} />}
      {!online.value && (
        <p>You are offline. Messages that you write now are sent when the connection is back.</p>
      )}
    </div>
  );
}

function Muted({ until }: { until: number | undefined }) {
  const now = useSignal(Date.now());
  const leftMs = until === undefined ? TIMER_MAX_MS : until - now.value;
  useEffect(() => {
    if (leftMs <= 0) return;
    const timer = setTimeout(() => (now.value = Date.now()), Math.min(leftMs, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  }, [leftMs]);
  if (leftMs <= 0) return null;
  const mute = until === undefined ? {} : { untilMs: until };
  return <p>{muteSentence(mute, now.value)} You can read, but not send messages.</p>;
}
