// A refusal in words, with the reference that the operator can look up.
// Never: anything but text.
import { sentence, type Refusal } from "../refusal";

export function Problem({ refusal }: { refusal: Refusal | undefined }) {
  if (refusal === undefined) return null;
  const { ref } = refusal.details;
  return (
    <p class="problem" role="alert">
      {sentence(refusal)}
      {ref !== undefined && (
        <span class="reference">
          {" "}
          Reference: <code>{ref}</code>
        </span>
      )}
    </p>
  );
}
