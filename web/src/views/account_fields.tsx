// The user name and password of a new account, with the rules said beforehand.
// Never: a rule of its own; the server decides.
import type { Signal } from "@preact/signals";
import { Field } from "./field";

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
      <Field
        label="Password"
        value={password}
        type="password"
        autocomplete="new-password"
        hint="8 to 128 characters, not a well-known password."
        minLength={8}
        maxLength={128}
      />
    </>
  );
}

export function KnownAccountFields({ username, password }: Props) {
  return (
    <>
      <Field label="User name" value={username} autocomplete="username" maxLength={32} focus />
      <Field
        label="Password"
        value={password}
        type="password"
        autocomplete="current-password"
        maxLength={128}
      />
    </>
  );
}
