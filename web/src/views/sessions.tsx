// The devices and browsers on which the user is signed in, and the way to sign them out.
// Never: this page's own session ended from here; "Sign out" does that.
import { useSignal, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { endOtherSessions, endSession, readSessions, type OpenSession } from "../account";
import { deviceWords } from "../device";
import { momentWords } from "../time";
import { useAct } from "./act";
import { Dialog } from "./dialog";
import { Problem } from "./problem";
import { ProveAgain, useStepUp } from "./step_up";

export function Sessions({ close }: { close: () => void }) {
  const sessions = useSignal<readonly OpenSession[] | undefined>(undefined);
  const act = useAct();
  const stepUp = useStepUp();
  const read = async () => void (sessions.value = await readSessions());
  useEffect(() => act.run(read), []);
  const end = (work: () => Promise<void>) =>
    act.run(() =>
      stepUp.run(async () => {
        await work();
        await read();
      }),
    );
  const waiting = stepUp.waiting.value;
  if (waiting !== undefined) {
    return <ProveAgain work={waiting} close={() => (stepUp.waiting.value = undefined)} />;
  }
  const others = sessions.value?.filter(({ current }) => !current).length ?? 0;
  return (
    <Dialog title="Where you are signed in" close={close}>
      <List sessions={sessions} busy={act.busy.value} end={(id) => end(() => endSession(id))} />
      <Problem refusal={act.refusal.value} />
      <div class="answers">
        {others > 0 && (
          <button
            class="danger"
            type="button"
            disabled={act.busy.value}
            onClick={() => end(endOtherSessions)}
          >
            Sign out all others
          </button>
        )}
        <button type="button" onClick={close}>
          Back
        </button>
      </div>
    </Dialog>
  );
}

interface ListProps {
  sessions: Signal<readonly OpenSession[] | undefined>;
  busy: boolean;
  end: (id: string) => void;
}

function List({ sessions, busy, end }: ListProps) {
  if (sessions.value === undefined) return busy ? <p role="status">One moment…</p> : null;
  return (
    <ul class="sessions">
      {sessions.value.map((session) => (
        <SessionItem key={session.id} session={session} busy={busy} end={() => end(session.id)} />
      ))}
    </ul>
  );
}

interface ItemProps {
  session: OpenSession;
  busy: boolean;
  end: () => void;
}

function SessionItem({ session, busy, end }: ItemProps) {
  const { current, device, address, lastUsedMs } = session;
  const words = deviceWords(device);
  return (
    <li class="session">
      <div>
        <p class="session-name">
          <bdi title={device}>{words}</bdi>
          {current && <span class="tag">this one</span>}
        </p>
        <p class="hint">
          Last used {momentWords(lastUsedMs, Date.now())}, from {address}
        </p>
      </div>
      {!current && (
        <button type="button" aria-label={`Sign out ${words}`} disabled={busy} onClick={end}>
          Sign out
        </button>
      )}
    </li>
  );
}
