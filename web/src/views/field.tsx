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
  /** In UTF-16 units; a browser cuts what is longer. */
  maxLength?: number;
  pattern?: string;
  /** Values that are offered; others are possible. */
  choices?: readonly string[];
  /** The value that is proposed: typing replaces it. */
  proposal?: string | undefined;
  focus?: boolean;
}

export function Field(props: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (props.focus) input.current?.focus();
  }, []);
  const { value, hint, choices = [] } = props;
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
    list: choices.length === 0 ? undefined : `${id}-choices`,
    title: hint,
    "aria-describedby": hint === undefined ? undefined : `${id}-hint`,
    // Typing replaces a proposed value, but never what the user has typed.
    onFocus: ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
      if (currentTarget.value !== props.proposal) return;
      currentTarget.select();
      // The browser scrolls to the end of a selection; a proposal is read from its beginning.
      requestAnimationFrame(() => (currentTarget.scrollLeft = 0));
    },
    // The element that an opening dialog focuses.
    autofocus: props.focus === true,
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
      {choices.length > 0 && (
        <datalist id={`${id}-choices`}>
          {choices.map((choice) => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
