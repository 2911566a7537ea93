// Explains which limits apply to an address or a user, and lifts them.
// Never: a change of the configuration.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask } from "../live/ask";
import { useAct } from "../../views/act";
import { Problem } from "../../views/problem";
import { lift } from "../live/operations";
import { changes } from "../live/state";
import { flatten } from "../model/event";
import { object, type Json } from "../model/read";
import { visible } from "../model/words";
import { Do, Panel, Search } from "../parts/list";

type Subject = { address: string } | { user: string };

function fromAddress(): Subject | undefined {
  const query = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const [address, user] = [query.get("address"), query.get("user")];
  if (address !== null) return { address };
  return user === null ? undefined : { user };
}

export function Limits() {
  const subject = useSignal<Subject | undefined>(fromAddress());
  const found = useSignal<Json | undefined>(undefined);
  const act = useAct();
  const chosen = subject.value;
  useEffect(() => {
    found.value = undefined;
    if (chosen !== undefined) {
      act.run(async () => {
        const { ok: _, ...rest } = await ask("admin:limits", chosen);
        found.value = object(rest);
      });
    }
  }, [chosen, changes.value]);
  const search = (words: string) => {
    if (words !== "")
      subject.value =
        /^[0-9a-f.:]+$/i.test(words) && /[.:]/.test(words) ? { address: words } : { user: words };
  };
  const name = chosen === undefined ? "" : "address" in chosen ? chosen.address : chosen.user;
  return (
    <Panel
      title="Limits"
      wide
      hint="Which limits apply to an address or a user, and how much of them is used."
    >
      <Search
        label="Address or user id"
        id="limit-search"
        placeholder="203.0.113.7"
        search={search}
      />
      <Problem refusal={act.refusal.value} />
      {chosen !== undefined && found.value !== undefined && (
        <>
          <h3>
            <bdi>{visible(name)}</bdi>
          </h3>
          <dl class="details">
            {flatten(found.value)
              .slice(0, 200)
              .map(([path, value]) => (
                <div key={path}>
                  <dt>{visible(path, 80)}</dt>
                  <dd>{visible(value, 200)}</dd>
                </div>
              ))}
          </dl>
          <Do operation={lift(chosen, name)}>Lift</Do>
        </>
      )}
    </Panel>
  );
}
