// Asks before something that cannot be undone.
// Never: puts the dangerous answer first.
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Problem } from "./problem";

interface Props {
  title: string;
  question: string;
  verb: string;
  work: () => Promise<void>;
  close: () => void;
}

export function Confirm({ title, question, verb, work, close }: Props) {
  const act = useAct();
  const yes = () =>
    act.run(async () => {
      await work();
      close();
    });
  return (
    <Dialog title={title} close={close}>
      <p>{question}</p>
      <Problem refusal={act.refusal.value} />
      <div class="answers">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button class="danger" type="button" onClick={yes} disabled={act.busy.value}>
          {verb}
        </button>
      </div>
    </Dialog>
  );
}
