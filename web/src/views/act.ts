// Runs one act of a form: busy while it runs, and its refusal when there is one.
// Never: two runs at once.
import { useSignal, type ReadonlySignal } from "@preact/signals";
import { asRefusal, type Refusal } from "../refusal";

export interface Act {
  busy: ReadonlySignal<boolean>;
  refusal: ReadonlySignal<Refusal | undefined>;
  run(work: () => Promise<unknown>): void;
}

export function useAct(): Act {
  const busy = useSignal(false);
  const refusal = useSignal<Refusal | undefined>(undefined);
  const run = async (work: () => Promise<unknown>) => {
    if (busy.value) return;
    busy.value = true;
    refusal.value = undefined;
    try {
      await work();
    } catch (thrown) {
      refusal.value = asRefusal(thrown);
    } finally {
      busy.value = false;
    }
  };
  return { busy, refusal, run: (work) => void run(work) };
}
