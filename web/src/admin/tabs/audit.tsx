// Search in the security log, and how to export and verify it.
// Never: the log as evidence; `portcullis audit verify` checks it.
import { useSignal } from "@preact/signals";
import { overview } from "../live/state";
import { keptNote } from "../live/witness";
import { readEvent } from "../model/event";
import { visible } from "../model/words";
import { linkQuery } from "../parts/link_query";
import { Panel, usePaged } from "../parts/list";
import { EventItem } from "../parts/stream";

const FIELDS = [
  ["code", "Code", "authn_login_fail"],
  ["rule", "Rule", "connect_per_prefix"],
  ["address", "Address or network", "203.0.113.0/24"],
  ["user", "User name or id", "ada"],
  ["ref", "Reference", "k3v9x0abcd"],
  ["since", "Since (UTC)", "2026-10-01T03:00:00Z"],
] as const;

export function Audit() {
  const linked = linkQuery().get("address");
  const filter = useSignal<Record<string, unknown>>(linked === null ? {} : { address: linked });
  const { rows, view } = usePaged(
    "admin:events",
    "events",
    { filter: filter.value, limit: 50 },
    readEvent,
  );
  const submit = (event: Event) => {
    event.preventDefault();
    const words = new FormData(event.currentTarget as HTMLFormElement);
    const chosen: Record<string, unknown> = {};
    for (const [name] of FIELDS) {
      const value = String(words.get(name) ?? "").trim();
      if (value !== "") chosen[name] = name === "code" ? value.split(/[ ,]+/) : value;
    }
    filter.value = chosen;
  };
  return (
    <div class="grid">
      <Panel title="Search the security log" wide>
        <form class="filters" role="search" aria-label="Security log" onSubmit={submit}>
          {FIELDS.map(([name, label, example]) => (
            <div key={name} class="field">
              <label for={`filter-${name}`}>{label}</label>
              <input
                id={`filter-${name}`}
                name={name}
                defaultValue={name === "address" ? (linked ?? "") : ""}
                type="text"
                placeholder={example}
                autocomplete="off"
                spellcheck={false}
                maxLength={200}
              />
            </div>
          ))}
          <button class="primary" type="submit">
            Search
          </button>
        </form>
        <ul class="rows stream">
          {rows.map((row) => (
            <EventItem key={row.key} row={row} />
          ))}
        </ul>
        {view}
      </Panel>
      <Panel title="Export and verify" wide>
        <p>
          Run these commands on the server. The second one verifies the log against the note below,
          with the keys that you keep outside of the server.
        </p>
        <pre>
          <code>
            portcullis audit export --format ecs{"\n"}portcullis audit verify --note note.txt
            --key-file keys.txt
          </code>
        </pre>
        <p>The newest signed note that this browser keeps:</p>
        <pre class="note">
          <code>{visibleLines(keptNote.value ?? overview.value?.log.note ?? "none")}</code>
        </pre>
      </Panel>
    </div>
  );
}

function visibleLines(note: string): string {
  return note
    .split("\n")
    .slice(0, 12)
    .map((line) => visible(line, 200))
    .join("\n");
}
