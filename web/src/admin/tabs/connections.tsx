// Open connections, with a search by address or user.
// Never: all connections at once; the server sends them page by page.
import { useSignal } from "@preact/signals";
import { block, closeConnection } from "../live/operations";
import { nowMs } from "../live/state";
import { number } from "../model/read";
import { readConnection } from "../model/rows";
import { bytes, count, plural, span } from "../model/words";
import { Do, Panel, Search, Text, usePaged } from "../parts/list";

export function Connections() {
  const filter = useSignal<Record<string, string>>({});
  const { rows, answer, view } = usePaged(
    "admin:connections",
    "connections",
    { filter: filter.value, limit: 50 },
    readConnection,
  );
  const total = number(answer["total"]);
  const search = (words: string) => {
    if (words === "") filter.value = {};
    else
      filter.value =
        /^[0-9a-f.:/]+$/i.test(words) && /[.:]/.test(words) ? { address: words } : { user: words };
  };
  return (
    <Panel
      title="Connections"
      wide
      {...(total === undefined ? {} : { hint: `${plural(total, "connection")} in all.` })}
    >
      <Search
        label="Address, network or user id"
        id="connection-search"
        placeholder="203.0.113.0/24"
        search={search}
      />
      <ul class="rows">
        {rows.map((one) => (
          <li key={one.id} data-row tabIndex={-1} class="row">
            <div class="row-head">
              <span class="row-title">
                {one.user === undefined ? "unauthenticated" : <Text>{one.name ?? one.user}</Text>}
              </span>
              <code>{one.address}</code>
            </div>
            <p class="row-facts">
              {one.form} over {one.transport}, open for{" "}
              {one.sinceMs === undefined ? "–" : span(nowMs.value - one.sinceMs)},{" "}
              {plural(one.rooms, "room")}, {count(one.inPerMin)} messages/min,{" "}
              {bytes(one.outboxBytes)} wait, {count(one.rejected)} rejected
            </p>
            <div class="row-operations">
              <Do operation={closeConnection(one.id)}>Close</Do>
              <Do operation={block(one.address)} letter="b">
                Block
              </Do>
              <a class="button" href={`#/limits?address=${encodeURIComponent(one.address)}`}>
                Explain
              </a>
            </div>
          </li>
        ))}
      </ul>
      {view}
    </Panel>
  );
}
