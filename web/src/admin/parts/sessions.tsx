// The account of one user: second factor, first and last login, sessions.
// Never: a session id as text; it only names the session that is ended.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { readList } from "../../contract";
import { online } from "../../session_state";
import { useAct } from "../../views/act";
import { Problem } from "../../views/problem";
import { ask } from "../live/ask";
import { endSession } from "../live/operations";
import { changes, nowMs } from "../live/state";
import { readAccount, readSession, type Account, type SessionRow } from "../model/account";
import { moment, visible } from "../model/words";
import { Do, Text } from "./list";

/** The longest description of a device in a line. */
const DEVICE_MAX = 120;

export function Sessions({ user, name, own }: { user: string; name: string; own: boolean }) {
  const account = useSignal<Account | undefined>(undefined);
  const sessions = useSignal<readonly SessionRow[]>([]);
  const act = useAct();
  useEffect(() => {
    if (!online.value) return;
    act.run(async () => {
      const answer = await ask("admin:user", { user });
      account.value = readAccount(answer["user"]);
      sessions.value = readList(answer["sessions"], readSession);
    });
  }, [user, changes.value, online.value]);
  const now = nowMs.value;
  return (
    <section class="sessions" aria-label={`Account of ${visible(name)}`}>
      <Problem refusal={act.refusal.value} />
      {account.value !== undefined && (
        <>
          <dl class="details">
            <div>
              <dt>Second factor</dt>
              <dd>{account.value.secondFactor ? "yes" : "no"}</dd>
            </div>
            <div>
              <dt>Created</dt>
              <dd>{moment(account.value.createdMs, now)}</dd>
            </div>
            <div>
              <dt>Last login</dt>
              <dd>
                {account.value.lastLoginMs === undefined
                  ? "unknown, because no session is open"
                  : moment(account.value.lastLoginMs, now)}
              </dd>
            </div>
          </dl>
          {sessions.value.length === 0 && <p class="hint">The user has no session.</p>}
          <ul class="rows">
            {sessions.value.map((session) => (
              <li key={session.id} class="row">
                <p class="row-facts">
                  Since {moment(session.sinceMs, now)}, last used {moment(session.lastUsedMs, now)}
                  {session.address !== "" && `, from ${visible(session.address, 60)}`}
                  {session.secondFactor && ", with a second factor"}
                </p>
                <p class="row-facts">
                  <Text most={DEVICE_MAX}>
                    {session.device === "" ? "unknown device" : session.device}
                  </Text>
                </p>
                {!own && (
                  <div class="row-operations">
                    <Do operation={endSession(user, session.id, name, session.sinceMs)}>
                      End session
                    </Do>
                  </div>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
