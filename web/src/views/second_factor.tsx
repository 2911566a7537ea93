// Adds and removes an authenticator app.
// Never: keeps the secret or the recovery codes after the dialog is closed.
import { useSignal, type Signal } from "@preact/signals";
import { encode } from "uqr";
import { beginFactor, confirmFactor, removeFactor, type NewFactor } from "../account";
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { FormButtons } from "./form_buttons";
import { PasswordField } from "./password_field";
import { Problem } from "./problem";

interface Props {
  close: () => void;
}

export function AddFactor({ close }: Props) {
  const factor = useSignal<NewFactor | undefined>(undefined);
  const recovery = useSignal<readonly string[] | undefined>(undefined);
  if (recovery.value !== undefined) {
    return <RecoveryCodes codes={recovery.value} close={close} />;
  }
  return (
    <Dialog title="Add a second factor" close={close}>
      {factor.value === undefined ? (
        <AskPassword factor={factor} close={close} />
      ) : (
        <FirstCode factor={factor.value} recovery={recovery} close={close} />
      )}
    </Dialog>
  );
}

function AskPassword({ factor, close }: Props & { factor: Signal<NewFactor | undefined> }) {
  const password = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => void (factor.value = await beginFactor(password.value)));
  };
  return (
    <form onSubmit={submit}>
      <p>After that, signing in needs a code of an authenticator app as well as the password.</p>
      <PasswordField value={password} kind="known" focus />
      <Problem refusal={act.refusal.value} />
      <FormButtons close={close} cancel="Back" verb="Continue" busy={act.busy.value} />
    </form>
  );
}

interface FirstCodeProps extends Props {
  factor: NewFactor;
  recovery: Signal<readonly string[] | undefined>;
}

function FirstCode({ factor, recovery, close }: FirstCodeProps) {
  const code = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => void (recovery.value = await confirmFactor(code.value)));
  };
  return (
    <form onSubmit={submit}>
      <p>Scan this QR code with the app, or enter the secret below it in the app.</p>
      <Picture text={factor.uri} />
      <p class="secret">
        <code>{factor.secret}</code>
      </p>
      <Field
        label="Code"
        value={code}
        autocomplete="one-time-code"
        hint="The current six-digit code of the app."
        maxLength={16}
        focus
      />
      <Problem refusal={act.refusal.value} />
      <FormButtons close={close} cancel="Back" verb="Add" busy={act.busy.value} />
    </form>
  );
}

/** A QR code: dark squares on light, with the quiet zone that scanners need. */
function Picture({ text }: { text: string }) {
  const { data, size } = encode(text, { border: 4 });
  const squares = data.flatMap((row, y) =>
    row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])),
  );
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code">
      <rect width={size} height={size} fill="#ffffff" />
      <path d={squares.join("")} fill="#000000" shape-rendering="crispEdges" />
    </svg>
  );
}

function RecoveryCodes({ codes, close }: Props & { codes: readonly string[] }) {
  return (
    <Dialog title="Your recovery codes" close={close}>
      <p>
        Each code replaces the app once, if you lose it. Keep them in a safe place: they are not
        shown again.
      </p>
      <ul class="recovery">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div class="answers">
        <button class="primary" type="button" onClick={close}>
          I have saved them
        </button>
      </div>
    </Dialog>
  );
}

export function RemoveFactor({ close }: Props) {
  const password = useSignal("");
  const code = useSignal("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await removeFactor(password.value, code.value);
      close();
    });
  };
  return (
    <Dialog title="Remove the second factor" close={close}>
      <p>After that, signing in needs only the password. Your other windows are signed out.</p>
      <form onSubmit={submit}>
        <PasswordField value={password} kind="known" focus />
        <Field
          label="Code"
          value={code}
          autocomplete="one-time-code"
          hint="A code of your authenticator app, or one of your recovery codes."
          maxLength={48}
        />
        <Problem refusal={act.refusal.value} />
        <FormButtons close={close} cancel="Back" verb="Remove it" busy={act.busy.value} />
      </form>
    </Dialog>
  );
}
