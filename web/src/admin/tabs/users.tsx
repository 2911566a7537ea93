// Users: roles, mute, disconnect, ban, disable, sessions; and invitations to register.
// Never: a role that the form did not show.
import { useSignal } from "@preact/signals";
import { ask } from "../live/ask";
import { readList } from "../../contract";
import { deviceWords } from "../../device";
import { useEffect } from "preact/hooks";
import { useAct } from "../../views/act";
import { Dialog } from "../../views/dialog";
import { Problem } from "../../views/problem";
import {
  endSession,
  lift,
  lifted,
  ofUser,
  propose,
  setDisabled,
  setRoles,
} from "../live/operations";
import { changes, mayChange, nowMs } from "../live/state";
import { readSession, readUserRow, type SessionRow, type UserRow } from "../model/rows";
import { moment, plural } from "../model/words";
import { Do, Panel, Search, Text, usePaged } from "../parts/list";

const ROLES = ["admin", "auditor", "moderator"] as const;

export function Users() {
  const query = useSignal("");
  const payload = query.value === "" ? { limit: 50 } : { query: query.value, limit: 50 };
  const { rows, view } = usePaged("admin:users", "users", payload, readUserRow);
  return (
    <Panel title="Users" wide>
      <Search
        label="Name or user id"
        id="user-search"
        placeholder="ada"
        search={(words) => (query.value = words)}
      />
      <ul class="rows">
        {rows.map((user) => (
          <User key={user.id} user={user} />
        ))}
      </ul>
      {view}
    </Panel>
  );
}

function User({ user }: { user: UserRow }) {
  const isOpen = useSignal(false);
  const choosing = useSignal(false);
  const now = nowMs.value;
  const muted = user.mutedUntilMs !== undefined && user.mutedUntilMs > now;
  const banned = user.bannedUntilMs !== undefined && user.bannedUntilMs > now;
  const { id, name } = user;
  return (
    <li data-row tabIndex={-1} class="row">
      <div class="row-head">
        <span class="row-title">
          <Text>{name}</Text>
        </span>
        {user.roles.map((role) => (
          <span key={role} class="tag">
            {role}
          </span>
        ))}
        {banned && <span class="badge high">banned</span>}
        {muted && <span class="badge medium">muted</span>}
        {user.disabled && <span class="badge high">disabled</span>}
      </div>
      <p class="row-facts">
        {plural(user.connections, "connection")}
        {user.secondFactor !== undefined &&
          `, ${user.secondFactor ? "second factor" : "no second factor"}`}
        {user.rolesWithheld.length > 0 &&
          `, without effect until there is a second factor: ${user.rolesWithheld.join(", ")}`}
        {user.lastLoginMs !== undefined && `, last sign-in ${moment(user.lastLoginMs, now)}`}
        {muted && `, muted until ${moment(user.mutedUntilMs, now)}`}
        {banned && `, banned until ${moment(user.bannedUntilMs, now)}`}
      </p>
      <div class="row-operations">
        <button
          type="button"
          aria-expanded={isOpen.value}
          onClick={() => (isOpen.value = !isOpen.value)}
        >
          Sessions
        </button>
        {mayChange.value && (
          <button type="button" onClick={() => (choosing.value = true)}>
            Roles
          </button>
        )}
        <Do operation={muted ? lifted("mute", id, name) : ofUser("mute", id, name)}>
          {muted ? "End mute" : "Mute"}
        </Do>
        <Do operation={ofUser("kick", id, name)}>Disconnect</Do>
        <Do operation={banned ? lifted("ban", id, name) : ofUser("ban", id, name)}>
          {banned ? "End ban" : "Ban"}
        </Do>
        <Do operation={setDisabled(id, name, !user.disabled)}>
          {user.disabled ? "Enable" : "Disable"}
        </Do>
        <Do operation={lift({ user: id }, name)}>Lift limits</Do>
      </div>
      {isOpen.value && <Sessions user={user} />}
      {choosing.value && <Roles user={user} close={() => (choosing.value = false)} />}
    </li>
  );
}

function Sessions({ user }: { user: UserRow }) {
  const sessions = useSignal<readonly SessionRow[] | undefined>([]);
  const act = useAct();
  useEffect(() => {
    act.run(async () => {
      const { sessions: list } = await ask("admin:user", { user: user.id });
      sessions.value = Array.isArray(list) ? readList(list, readSession) : undefined;
    });
  }, [changes.value]);
  return (
    <div class="details">
      <Problem refusal={act.refusal.value} />
      {!act.busy.value && sessions.value?.length === 0 && <p class="hint">No open session.</p>}
      {sessions.value === undefined && <p class="hint">This server does not list sessions.</p>}
      <ul class="rows">
        {sessions.value?.map((one) => (
          <li key={one.id} class="row">
            <p class="row-facts">
              <Text>{deviceWords(one.userAgent ?? "")}</Text>, {one.address ?? "no address"}, last
              used {moment(one.lastUsedMs, nowMs.value)}
            </p>
            <Do operation={endSession(user.id, one.id, deviceWords(one.userAgent ?? ""))}>End</Do>
          </li>
        ))}
      </ul>
      <Do operation={ofUser("logout", user.id, user.name)}>End all sessions</Do>
    </div>
  );
}

function Roles({ user, close }: { user: UserRow; close: () => void }) {
  const chosen = useSignal<readonly string[]>(user.roles);
  const names = [...new Set([...ROLES, ...user.roles])];
  const toggle = (role: string) =>
    (chosen.value = chosen.value.includes(role)
      ? chosen.value.filter((one) => one !== role)
      : [...chosen.value, role]);
  const submit = (event: Event) => {
    event.preventDefault();
    close();
    propose(setRoles(user.id, user.name, chosen.value));
  };
  return (
    <Dialog title="Roles" close={close}>
      <form onSubmit={submit}>
        <fieldset>
          <legend>
            Roles of <Text>{user.name}</Text>
          </legend>
          {names.map((role) => (
            <label key={role} class="choice">
              <input
                type="checkbox"
                checked={chosen.value.includes(role)}
                onChange={() => toggle(role)}
              />
              {role}
            </label>
          ))}
        </fieldset>
        <div class="answers">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button class="primary" type="submit">
            Continue
          </button>
        </div>
      </form>
    </Dialog>
  );
}
