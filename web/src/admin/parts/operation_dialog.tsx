// Shows what an operation would do, asks for the reason, and does it.
// Never: the operation before its effect was shown and a reason was given.
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { session } from "../../session_state";
import { useAct } from "../../views/act";
import { Dialog } from "../../views/dialog";
import { Field } from "../../views/field";
import { FormButtons } from "../../views/form_buttons";
import { Problem } from "../../views/problem";
import { ProveAgain, useStepUp } from "../../views/step_up";
import { EffectPreview } from "../live/effect_preview";
import {
  durationsOf,
  hasPreview,
  pending,
  perform,
  preview,
  type Operation,
} from "../live/operations";
import { done, serverMs } from "../live/state";
import { needsPassword } from "../model/login_age";
import { text, type Json } from "../model/read";
import { span } from "../model/words";

const HOUR_S = 3600;

export function OperationDialog({ operation }: { operation: Operation }) {
  const proposal = text(operation.payload["reason"]);
  const reason = useSignal(proposal ?? "");
  const offered = operation.payload["duration_s"];
  const durationS = useSignal(typeof offered === "number" ? offered : HOUR_S);
  const scope = useSignal(String(operation.payload["scope"] ?? "unauthenticated"));
  const shown = useMemo(() => new EffectPreview(), []);
  const effect = shown.effect.value;
  const act = useAct();
  const stepUp = useStepUp();
  const close = () => (pending.value = undefined);
  const payload = (words: string): Json => ({
    ...operation.payload,
    ...(operation.scoped === true ? { scope: scope.value } : {}),
    ...(operation.expires === "no" ? {} : { duration_s: durationS.value }),
    reason: words,
  });
  const chosen = scope.value;
  useEffect(() => {
    // A dry run needs a reason as well, and records none.
    const words = reason.value.length < 3 ? "preview of the effect" : reason.value;
    void shown.show(() => preview(operation.name, payload(words)));
  }, [chosen]);
  const work = async () => {
    const answer = await perform(operation.name, payload(reason.value.trim()));
    operation.take?.(answer);
    done.value = `Done: ${operation.title}.`;
    close();
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (effect !== undefined) act.run(() => stepUp.run(work));
  };
  const waiting = stepUp.waiting.value;
  if (waiting !== undefined) {
    const back = () => (stepUp.waiting.value = undefined);
    // Whatever the operation is answered with, its own form shows it, with what was entered.
    const goOn = async () => {
      back();
      act.run(() => stepUp.run(waiting));
    };
    const cause = `“${operation.title}” needs a recent sign-in, and goes on after it.`;
    return <ProveAgain work={goOn} close={back} cause={cause} />;
  }
  return (
    <Dialog title={operation.title} close={close}>
      {hasPreview(operation.name) && effect !== "" && (
        <p class="effect" role="status">
          {effect ?? "Computing the effect…"}
        </p>
      )}
      <p>{operation.says}</p>
      <form onSubmit={submit}>
        {operation.scoped === true && <Scope value={scope} />}
        {operation.expires !== "no" && <Duration value={durationS} name={operation.name} />}
        <Field
          label="Reason"
          value={reason}
          autocomplete="off"
          hint="3 to 200 characters. The security log keeps it."
          minLength={3}
          maxLength={200}
          proposal={proposal}
          focus
        />
        <Recent operation={operation.name} payload={payload("")} />
        <Problem refusal={act.refusal.value ?? shown.refusal.value} />
        <FormButtons
          close={close}
          cancel="Cancel"
          verb={operation.verb}
          busy={act.busy.value || effect === undefined}
        />
      </form>
    </Dialog>
  );
}

/** Says before the confirmation that it asks for the password. */
function Recent({ operation, payload }: { operation: string; payload: Json }) {
  const authenticatedMs = session.value?.authenticatedMs;
  const isOld = needsPassword(operation, payload, authenticatedMs, serverMs.value);
  const age =
    authenticatedMs === undefined
      ? "is not recent"
      : `was ${span(serverMs.value - authenticatedMs)} ago`;
  return (
    <p class={isOld ? "asks" : "unseen"} role="status">
      {isOld &&
        `Your last sign-in ${age}: the next step asks for your password, and for a code if you ` +
          "use one. What you entered here stays."}
    </p>
  );
}

function Scope({ value }: { value: { value: string } }) {
  const choices = [
    ["unauthenticated", "Unauthenticated clients; signed-in users go on"],
    ["all", "All connections, also of signed-in users"],
  ] as const;
  return (
    <fieldset>
      <legend>Block</legend>
      {choices.map(([scope, words]) => (
        <label class="choice" key={scope}>
          <input
            type="radio"
            name="scope"
            checked={value.value === scope}
            onChange={() => (value.value = scope)}
          />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

function Duration({ value, name }: { value: { value: number }; name: string }) {
  return (
    <div class="field">
      <label for="duration">Ends after</label>
      <select
        id="duration"
        value={String(value.value)}
        onChange={(event) => (value.value = Number(event.currentTarget.value))}
      >
        {durationsOf(name).map(([seconds, words]) => (
          <option key={seconds} value={String(seconds)}>
            {words}
          </option>
        ))}
      </select>
    </div>
  );
}
