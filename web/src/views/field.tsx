// A labelled text field with its hint.
// Never: a field without a label.
import type { Signal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  label: string;
  value: Signal<string>;
  type?: "text" | "password";
  autocomplete: string;
  hint?: string;
  minLength?: number;
  maxLength: number;
  pattern?: string;
  focus?: boolean;
}

export function Field(props: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (props.focus) input.current?.focus();
  }, []);
  const { value, hint } = props;
  const attributes = {
    id,
    ref: input,
    value: value.value,
    onInput: (event: { currentTarget: HTMLInputElement }) =>
      (value.value = event.currentTarget.value),
    autocomplete: props.autocomplete,
    autocapitalize: "none",
    spellcheck: false,
    minLength: props.minLength,
    maxLength: props.maxLength,
    pattern: props.pattern,
    title: hint,
    "aria-describedby": hint === undefined ? undefined : `${id}-hint`,
    required: true,
  } as const;
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.type === "password" ? (
        <input type="password" {...attributes} />
      ) : (
        <input type="text" {...attributes} />
      )}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
