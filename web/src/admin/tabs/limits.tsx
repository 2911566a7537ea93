// Explains which limits apply to an address or a user, and lifts them.
// Never: a change of the configuration.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask } from "../live/ask";
import { useAct } from "../../views/act";
import { Problem } from "../../views/problem";
import { lift } from "../live/operations";
import { changes } from "../live/state";
import { readLimits, type LimitGroup, type LimitRow } from "../model/limits";
import { linkQuery } from "../parts/link_query";
import { count, sentenceCase, span, visible } from "../model/words";
import { Do, Panel, Search } from "../parts/list";

type Subject = { address: string } | { user: string };

function fromAddress(): Subject | undefined {
  const query = linkQuery();
  const [address, user] = [query.get("address"), query.get("user")];
  if (address !== null) return { address };
  return user === null ? undefined : { user };
}

export function Limits() {
  const subject = useSignal<Subject | undefined>(fromAddress());
  const found = useSignal<readonly LimitGroup[] | undefined>(undefined);
  const act = useAct();
  const chosen = subject.value;
  useEffect(() => {
    found.value = undefined;
    if (chosen !== undefined) {
      act.run(async () => {
        found.value = readLimits(await ask("admin:limits", chosen));
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
      hint="Which limits apply to an address or a user, and how much of them is used. Below each one is its key in the configuration."
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
          {found.value.map(({ title, limits }) => (
            <section key={title} aria-label={title}>
              <p class="hint">{title}</p>
              <dl class="details">
                {limits.map((one) => (
                  <div key={`${one.limit} ${one.words}`}>
                    <dt>
                      {sentenceCase(visible(one.words, 120))}
                      <code class="config-key">{visible(one.key, 80)}</code>
                    </dt>
                    <dd>{usage(one)}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
          <Do operation={lift(chosen, name)}>Lift</Do>
        </>
      )}
    </Panel>
  );
}

function usage({ used, of, periodMs, waitMs, observed }: LimitRow): string {
  const period = periodMs < 1000 ? `${periodMs} ms` : span(periodMs);
  const wait = waitMs === 0 ? "" : `, next in ${span(waitMs)}`;
  return `${count(used)} of ${count(of)} in ${period}${wait}${observed ? ", in observe mode" : ""}`;
}
