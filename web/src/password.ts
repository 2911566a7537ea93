// What a password has to be before it is sent, in the words of the form.
// Never: a password cut, trimmed or changed.
import { Refusal } from "./refusal";

/** Code points, as the server counts them. */
const MIN = 8;
const MAX = 128;

/** Throws the refusal that the server would answer to a new password of this length. */
export function checkNewPassword(password: string): void {
  const length = [...password.normalize("NFKC")].length;
  if (length > MAX) throw new Refusal("password_too_long", "");
  if (length < MIN) throw new Refusal("password_too_short", "");
}

/** As `checkNewPassword` for a password there is: either form may be the one that was stored. */
export function checkKnownPassword(password: string): void {
  const lengths = [password, password.normalize("NFKC")].map((text) => [...text].length);
  if (Math.min(...lengths) > MAX) throw new Refusal("password_too_long", "");
}
