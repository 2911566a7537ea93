// A link, for copying.
// Never: opened here; the person who gets it opens it.
import { useSignal } from "@preact/signals";

interface Props {
  link: string;
  /** On a narrow page, the link is shown only if it cannot be copied. */
  shown: "always" | "when-needed";
}

export function CopyLink({ link, shown }: Props) {
  const copied = useSignal<"no" | "yes" | "failed">("no");
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
        {copied.value === "failed" &&
          "Your browser did not allow copying. Select the link instead."}
      </span>
    </div>
  );
}
