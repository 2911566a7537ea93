// The code of a second factor, which is asked for only where the server asks.
// Never: remembered.
import { useSignal, type Signal } from "@preact/signals";
import { asRefusal } from "../refusal";
import { Field } from "./field";

/** The code a form sends: none until the server has asked for one. */
export interface Code {
  asked: Signal<boolean>;
  value: Signal<string>;
  /**
   * Runs an act with the code; when the server asks for one, the form does. Answers whether the
   * act was done.
   */
  give(act: (code: string | undefined) => Promise<void>): Promise<boolean>;
}

export function useCode(): Code {
  const asked = useSignal(false);
  const value = useSignal("");
  const give = async (act: (code: string | undefined) => Promise<void>) => {
    try {
      await act(asked.value ? value.value : undefined);
      return true;
    } catch (thrown) {
      if (asked.value || asRefusal(thrown).code !== "totp_required") throw thrown;
      asked.value = true;
      return false;
    } finally {
      value.value = "";
    }
  };
  return { asked, value, give };
}

export function CodeField({ code }: { code: Code }) {
  if (!code.asked.value) return null;
  return (
    <Field
      label="Code"
      value={code.value}
      autocomplete="one-time-code"
      hint="Of your authenticator app, or one of your recovery codes."
      maxLength={48}
      focus
    />
  );
}
