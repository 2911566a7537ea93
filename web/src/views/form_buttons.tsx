// The buttons of a form in a dialog: leave it, or send it.
// Never: two requests at once; a form that is busy cannot be sent.
interface FormButtonsProps {
  close: () => void;
  cancel: string;
  verb: string;
  busy: boolean;
}

export function FormButtons({ close, cancel, verb, busy }: FormButtonsProps) {
  return (
    <div class="answers">
      <button type="button" onClick={close}>
        {cancel}
      </button>
      <button class="primary" type="submit" disabled={busy}>
        {verb}
      </button>
    </div>
  );
}
