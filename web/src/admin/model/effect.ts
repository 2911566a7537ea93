// The effect of an operation, in a sentence from the numbers of its dry run.
// Never: an effect that the server did not count.
import { number, object, type Json } from "./read";
import { plural } from "./words";

/** `payload` is that of the operation: a block can leave signed-in users connected. */
export function effectWords(effect: unknown, payload: Json = {}): string {
  const fields = object(effect);
  const count = (name: string) => number(fields[name]) ?? 0;
  const [connections, users] = [count("connections"), count("users")];
  if (connections === 0 && payload["scope"] !== undefined) {
    return "No user is signed in from there, and no connection is open now.";
  }
  if (connections === 0) return "Concerns no connection that is open now.";
  if (payload["scope"] === "unauthenticated") {
    return (
      `Concerns ${plural(count("unauthenticated"), "unauthenticated connection")} now. ` +
      `${plural(count("signed_in"), "connection")} of signed-in users stay.`
    );
  }
  const affected = users === 0 ? "" : ` Affects ${plural(users, "user")}.`;
  return (
    `Concerns ${plural(connections, "connection")} now: ${count("signed_in")} of signed-in users, ` +
    `${count("unauthenticated")} unauthenticated.${affected}`
  );
}
