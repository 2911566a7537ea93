// A field for a password, of any length: what is too long is said, never cut.
// Never: a `maxLength`, which counts UTF-16 units and drops the rest in silence.
import type { Signal } from "@preact/signals";
import { Field } from "./field";

interface Props {
  value: Signal<string>;
  kind: "known" | "new";
  label?: string;
  focus?: boolean;
}

export function PasswordField({ value, kind, label, focus }: Props) {
  const isNew = kind === "new";
  return (
    <Field
      label={label ?? "Password"}
      value={value}
      type="password"
      autocomplete={isNew ? "new-password" : "current-password"}
      {...(isNew ? { hint: "8 to 128 characters, not a well-known password." } : {})}
      focus={focus === true}
    />
  );
}
