// The code of a second factor, which is required for only where the server asks.
// Never: remembered.
import { useSignal, type Signal } from "@preact/signals";
import { asRefusal } from "../refusal";
import { Field } from "./field";

/** The code a form sends: none until the server has required for one. */
export interface Code {
  required: Signal<boolean>;
  value: Signal<string>;
  /**
   * Runs an act with the code; when the server asks for one, the form does. Answers whether the
   * act was done.
   */
  give(act: (code: string | undefined) => Promise<void>): Promise<boolean>;
}

export function useCode(): Code {
  const required = useSignal(false);
  const value = useSignal("");
  const give = async (act: (code: string | undefined) => Promise<void>) => {
    try {
      await act(required.value ? value.value : undefined);
      return true;
    } catch (thrown) {
      if (required.value || asRefusal(thrown).code !== "totp_required") throw thrown;
      required.value = true;
      return false;
    } finally {
      value.value = "";
    }
  };
  return { required, value, give };
}

export function CodeField({ code }: { code: Code }) {
  if (!code.required.value) return null;
  return (
    <Field
      label="Code"
      value={code.value}
      autocomplete="one-time-code"
      hint="A code of your authenticator app, or one of your recovery codes."
      maxLength={48}
      focus
    />
  );
}
