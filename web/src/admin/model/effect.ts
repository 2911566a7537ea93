// The effect of an operation, in a sentence from the numbers of its dry run.
// Never: an effect that the server did not count.
import { number, object } from "./read";
import { plural } from "./words";

export function effectWords(effect: unknown): string {
  const fields = object(effect);
  const count = (name: string) => number(fields[name]) ?? 0;
  const [connections, users] = [count("connections"), count("users")];
  if (connections === 0) return "Concerns no connection that is open now.";
  const affected = users === 0 ? "" : ` Affects ${plural(users, "user")}.`;
  return (
    `Concerns ${plural(connections, "connection")} now: ${count("signed_in")} of signed-in users, ` +
    `${count("unauthenticated")} unauthenticated.${affected}`
  );
}
