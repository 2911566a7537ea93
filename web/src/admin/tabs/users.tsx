// Users: roles, mute, disconnect, end sessions, ban, disable.
// Never: a role that the form did not show.
import { useSignal } from "@preact/signals";
import { session } from "../../session_state";
import { Dialog } from "../../views/dialog";
import { lift, lifted, ofUser, propose, setDisabled, setRoles } from "../live/operations";
import { mayChange, nowMs } from "../live/state";
import { readUserRow, type UserRow } from "../model/rows";
import { moment, plural, visible } from "../model/words";
import { Do, Panel, Search, Text, usePaged } from "../parts/list";
import { Sessions } from "../parts/sessions";

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
  const opened = useSignal(false);
  const now = nowMs.value;
  const muted = user.mutedUntilMs !== undefined && user.mutedUntilMs > now;
  const banned = user.bannedUntilMs !== undefined && user.bannedUntilMs > now;
  const { id, name } = user;
  const isOwn = id === session.value?.user.id && mayChange.value;
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
        {user.external && <span class="tag">of another issuer</span>}
        {banned && <span class="badge high">banned</span>}
        {muted && <span class="badge medium">muted</span>}
        {user.disabled && <span class="badge high">disabled</span>}
      </div>
      <p class="row-facts">
        {plural(user.connections, "connection")}
        {user.rolesWithheld.length > 0 &&
          `, without effect until there is a second factor: ${user.rolesWithheld.join(", ")}`}
        {muted && `, muted until ${moment(user.mutedUntilMs, now)}`}
        {banned && `, banned until ${moment(user.bannedUntilMs, now)}`}
      </p>
      <div class="row-operations">
        {isOwn ? (
          <p class="hint">Your own account: another administrator can change it.</p>
        ) : (
          <Changes user={user} muted={muted} banned={banned} />
        )}
        <Do operation={lift({ user: id }, name)}>Lift limits</Do>
        {!user.external && (
          <button
            type="button"
            aria-expanded={opened.value}
            aria-label={`Sessions of ${visible(name)}`}
            onClick={() => (opened.value = !opened.value)}
          >
            Sessions
          </button>
        )}
        {user.connections > 0 && (
          <a class="button" href={`#/connections?user=${encodeURIComponent(id)}`}>
            Connections
          </a>
        )}
        <a class="button" href={`#/limits?user=${encodeURIComponent(id)}`}>
          Explain
        </a>
      </div>
      {opened.value && <Sessions user={id} name={name} own={isOwn} />}
    </li>
  );
}

/** The operations that the server rejects for the own account. */
function Changes({ user, muted, banned }: { user: UserRow; muted: boolean; banned: boolean }) {
  const choosing = useSignal(false);
  const { id, name } = user;
  return (
    <>
      {mayChange.value && (
        <button type="button" onClick={() => (choosing.value = true)}>
          Roles
        </button>
      )}
      <Do operation={muted ? lifted("mute", id, name) : ofUser("mute", id, name)}>
        {muted ? "End mute" : "Mute"}
      </Do>
      <Do operation={ofUser("kick", id, name)}>Disconnect</Do>
      <Do operation={ofUser("logout", id, name)}>End all sessions</Do>
      <Do operation={banned ? lifted("ban", id, name) : ofUser("ban", id, name)}>
        {banned ? "End ban" : "Ban"}
      </Do>
      <Do operation={setDisabled(id, name, !user.disabled)}>
        {user.disabled ? "Enable" : "Disable"}
      </Do>
      {choosing.value && <Roles user={user} close={() => (choosing.value = false)} />}
    </>
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
