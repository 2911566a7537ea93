// Parts of lists: a text of a client, a table, a list that is read page by page.
// Never: a text of a client as anything but a text node.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ask } from "../live/ask";
import { readList, text } from "../../contract";
import { online } from "../../session_state";
import { useAct } from "../../views/act";
import { Problem } from "../../views/problem";
import { takeRecordTexts } from "../live/record_texts";
import { changes, mayChange } from "../live/state";
import { propose, type Operation } from "../live/operations";
import type { Json } from "../model/read";
import type { Named } from "../model/record_text";
import { visible } from "../model/words";

export function Text({ children, most }: { children: string; most?: number | undefined }) {
  return (
    <bdi class="client-text" title={visible(children, 200)}>
      {visible(children, most)}
    </bdi>
  );
}

/** Words, and the name that they explain: an operator searches and configures by it. */
export function NamedWords({ of: { words, name } }: { of: Named }) {
  return (
    <>
      {words}
      {name !== undefined && <span class="name"> {name}</span>}
    </>
  );
}

/** A button of an operation; only administrators have it. */
export function Do({
  operation,
  letter,
  children,
}: {
  operation: Operation;
  letter?: string;
  children: string;
}) {
  if (!mayChange.value) return null;
  return (
    <button
      type="button"
      data-key={letter}
      aria-label={operation.title}
      onClick={() => propose(operation)}
    >
      {children}
    </button>
  );
}

export function Panel({
  title,
  hint,
  children,
  wide,
  steady,
}: {
  title: string;
  hint?: string;
  children: ComponentChildren;
  wide?: boolean;
  /** Whether the parts below stay in place when its content becomes shorter. */
  steady?: boolean;
}) {
  const classes = [
    "panel",
    ...(wide === true ? ["wide"] : []),
    ...(steady === true ? ["steady"] : []),
  ];
  return (
    <section class={classes.join(" ")} aria-label={title}>
      <h2>{title}</h2>
      {hint !== undefined && <p class="hint">{hint}</p>}
      {children}
    </section>
  );
}

export interface Paged<T> {
  rows: readonly T[];
  answer: Json;
  view: ComponentChildren;
}

/** Reads a list of the server, and more of it on demand. */
export function usePaged<T>(
  event: string,
  member: string,
  payload: Json,
  read: (item: unknown) => T | undefined,
): Paged<T> {
  const rows = useSignal<readonly T[]>([]);
  const answer = useSignal<Json>({});
  const act = useAct();
  const load = (cursor?: string) =>
    act.run(async () => {
      const more = cursor === undefined ? {} : { cursor };
      const found = await ask(event, { ...payload, ...more });
      takeRecordTexts(found);
      const list = readList(found[member], read);
      rows.value = cursor === undefined ? list : [...rows.value, ...list];
      answer.value = found;
    });
  useEffect(() => {
    if (online.value) load();
  }, [JSON.stringify(payload), changes.value, online.value]);
  const cursor = text(answer.value["cursor"]);
  const view = (
    <>
      <Problem refusal={act.refusal.value} />
      {rows.value.length === 0 && act.refusal.value === undefined && (
        <p class="hint">{act.busy.value ? "One moment…" : "The list is empty."}</p>
      )}
      {answer.value["more"] === true && cursor !== undefined && (
        <button type="button" disabled={act.busy.value} onClick={() => load(cursor)}>
          Show more
        </button>
      )}
    </>
  );
  return { rows: rows.value, answer: answer.value, view };
}

/** A search field that is sent with Enter. */
export function Search({
  label,
  id,
  placeholder,
  search,
  verb,
}: {
  label: string;
  id: string;
  placeholder: string;
  search: (words: string) => unknown;
  verb?: string;
}) {
  const submit = (event: Event) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("words");
    if (field instanceof HTMLInputElement) search(field.value.trim());
  };
  return (
    <form class="search" role="search" aria-label={label} onSubmit={submit}>
      <label for={id}>{label}</label>
      <input
        id={id}
        name="words"
        type="text"
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        maxLength={200}
      />
      <button type="submit">{verb ?? "Search"}</button>
    </form>
  );
}
