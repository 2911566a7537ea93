// Open connections, with filters, and the operation that ends one.
// Never: all connections at once; the server answers page by page.
import { useSignal } from "@preact/signals";
import { closeConnection } from "../live/operations";
import { nowMs } from "../live/state";
import { readConnection, type ConnectionRow } from "../model/rows";
import { count, moment, plural, span, visible } from "../model/words";
import { linkQuery } from "../parts/link_query";
import { Do, Panel, Text, usePaged } from "../parts/list";

const FIELDS = [
  ["user", "User name or id", "ada"],
  ["address", "Address or network", "203.0.113.0/24"],
] as const;

const LOGINS = [
  ["", "All connections"],
  ["yes", "Of signed-in users"],
  ["no", "Unauthenticated"],
] as const;

export function Connections() {
  const link = linkQuery();
  const linked: Record<string, unknown> = {};
  for (const [name] of FIELDS) {
    const value = link.get(name);
    if (value !== null) linked[name] = value;
  }
  const filter = useSignal(linked);
  const { rows, view } = usePaged(
    "admin:connections",
    "connections",
    { filter: filter.value, limit: 50 },
    readConnection,
  );
  const submit = (event: Event) => {
    event.preventDefault();
    const words = new FormData(event.currentTarget as HTMLFormElement);
    const chosen: Record<string, unknown> = {};
    for (const [name] of FIELDS) {
      const value = String(words.get(name) ?? "").trim();
      if (value !== "") chosen[name] = value;
    }
    const login = words.get("login");
    if (login === "yes" || login === "no") chosen["signed_in"] = login === "yes";
    filter.value = chosen;
  };
  return (
    <Panel title="Connections" wide hint="Open connections of clients, page by page.">
      <form class="filters" role="search" aria-label="Connections" onSubmit={submit}>
        {FIELDS.map(([name, label, example]) => (
          <div key={name} class="field">
            <label for={`connections-${name}`}>{label}</label>
            <input
              id={`connections-${name}`}
              name={name}
              defaultValue={link.get(name) ?? ""}
              type="text"
              placeholder={example}
              autocomplete="off"
              spellcheck={false}
              maxLength={200}
            />
          </div>
        ))}
        <div class="field">
          <label for="connections-login">Login</label>
          <select id="connections-login" name="login">
            {LOGINS.map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </div>
        <button class="primary" type="submit">
          Search
        </button>
      </form>
      <ul class="rows">
        {rows.map((row) => (
          <Connection key={row.id} row={row} />
        ))}
      </ul>
      {view}
    </Panel>
  );
}

function Connection({ row }: { row: ConnectionRow }) {
  const { user, address, sinceMs } = row;
  const now = nowMs.value;
  const age = sinceMs === undefined ? "" : `, for ${span(now - sinceMs)}`;
  return (
    <li data-row tabIndex={-1} class="row">
      <div class="row-head">
        <span class="row-title">
          {row.name === undefined ? "Not signed in" : <Text>{row.name}</Text>}
        </span>
        <code>{visible(row.id, 40)}</code>
        <span class="tag">{visible(row.form, 20)}</span>
        {row.transport !== row.form && <span class="tag">{visible(row.transport, 20)}</span>}
      </div>
      <p class="row-facts">
        {visible(address, 60)}, since {moment(sinceMs, now)}
        {age}: {plural(row.inPerMin, "message")} a minute, {plural(row.rejected, "rejection")},{" "}
        {plural(row.rooms, "room")}, {count(row.outboxBytes)} bytes wait for the client
      </p>
      <div class="row-operations">
        <Do operation={closeConnection(row.id)}>Close</Do>
        {user !== undefined && (
          <a class="button" href={`#/limits?user=${encodeURIComponent(user)}`}>
            Explain
          </a>
        )}
        {user === undefined && (
          <a class="button" href={`#/limits?address=${encodeURIComponent(address)}`}>
            Explain
          </a>
        )}
        <a class="button" href={`#/audit?address=${encodeURIComponent(address)}`}>
          Records
        </a>
      </div>
    </li>
  );
}
