// The user name and password of a new account, with the rules said beforehand.
// Never: a rule of its own; the server decides.
import type { Signal } from "@preact/signals";
import { Field } from "./field";
import { PasswordField } from "./password_field";

interface Props {
  username: Signal<string>;
  password: Signal<string>;
}

export function NewAccountFields({ username, password }: Props) {
  return (
    <>
      <Field
        label="User name"
        value={username}
        autocomplete="username"
        hint="3 to 32 letters, digits, dots, hyphens or underscores."
        minLength={3}
        maxLength={32}
        pattern="[A-Za-z0-9_.\-]{3,32}"
        focus
      />
      <PasswordField value={password} kind="new" />
    </>
  );
}

export function KnownAccountFields({ username, password }: Props) {
  return (
    <>
      <Field label="User name" value={username} autocomplete="username" maxLength={32} focus />
      <PasswordField value={password} kind="known" />
    </>
  );
}
