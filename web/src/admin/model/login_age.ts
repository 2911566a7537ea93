// Whether an operation asks for the password first, because the sign-in is too old for it.
// Never: the decision; the server rejects an operation whose sign-in is too old.
import type { Json } from "./read";

/** The ages of a sign-in that the server accepts for operations, as docs/operators-api.md says. */
const USUAL_MAX_MS = 15 * 60_000;
const STRICT_MAX_MS = 5 * 60_000;
/** The page says it a moment early, as the clocks of a device and the server can differ. */
const MARGIN_MS = 5_000;

/** Operations on roles, on all clients of a network, and on all alerts need a newer sign-in. */
function maxAgeMs(name: string, payload: Json): number {
  const isStrict =
    name === "user:role" ||
    (name === "address:block" && payload["scope"] === "all") ||
    (name === "alert:silence" &&
      payload["alert"] === undefined &&
      payload["rule"] === undefined &&
      payload["key"] === undefined);
  return isStrict ? STRICT_MAX_MS : USUAL_MAX_MS;
}

/** `authenticatedMs` is the time of the last proof of the password; unknown ones are too old. */
export function needsPassword(
  name: string,
  payload: Json,
  authenticatedMs: number | undefined,
  nowMs: number,
): boolean {
  if (authenticatedMs === undefined) return true;
  return nowMs - authenticatedMs > maxAgeMs(name, payload) - MARGIN_MS;
}
