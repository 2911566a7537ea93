// The sentence of the server about the present, with up to three operations and their effects.
// Never: an operation without its effect.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { session } from "../../session_state";
import { BLOCK_SAYS, propose, type Operation } from "../live/operations";
import { changes, mayChange, nowMs, overview } from "../live/state";
import type { Offer, Overview } from "../model/overview";
import { plural, visible } from "../model/words";
import { CopySummary } from "./copy_summary";
import { Panel } from "./list";

/** A button does not move or change between the look and the click. */
const HELD_MS = 4_000;

/** Offers that stay until a time, or until an operation was done. */
interface Held {
  offers: readonly Offer[];
  changes: number;
  untilMs: number;
}

export function Happening() {
  const held = useSignal<Held | undefined>(undefined);
  // After an operation, the offers are old until the next overview; the focus returns before it.
  const before = useRef({ changes: changes.value, overview: undefined as Overview | undefined });
  if (before.current.changes !== changes.value) {
    before.current = { changes: changes.value, overview: overview.value };
  }
  const happening = overview.value?.happening;
  if (overview.value === undefined) return null;
  const isHeld =
    held.value !== undefined &&
    held.value.changes === changes.value &&
    nowMs.value < held.value.untilMs;
  const all = (isHeld ? held.value?.offers : undefined) ?? happening?.operations ?? [];
  // The server rejects operations on the own account.
  const offers = all.filter((offer) => offer.payload["user"] !== session.value?.user.id);
  const leavesBlocks = all.some(({ name }) => name === UNBLOCK);
  const hold = () => {
    if (isHeld || before.current.overview === overview.value) return;
    held.value = { offers, changes: changes.value, untilMs: Date.now() + HELD_MS };
  };
  const release = () => (held.value = undefined);
  return (
    <Panel title="What happens" wide steady={happening !== undefined}>
      <p class="happening">
        {happening === undefined
          ? `No attack is seen. ${rejectedUsers(overview.value.usersRejected)}`
          : visible(happening.text, 600)}
        {happening === undefined && overview.value.blocks > 0 && (
          <>
            {" "}
            <a href="#/blocks">{plural(overview.value.blocks, "block")}</a>{" "}
            {overview.value.blocks === 1 ? "is" : "are"} in force.
          </>
        )}
      </p>
      {offers.length > 0 && mayChange.value && (
        <ul
          class="offers"
          onPointerEnter={hold}
          onPointerLeave={release}
          onFocusCapture={hold}
          onBlurCapture={release}
        >
          {offers.map((offer, index) => (
            <li key={offer.label}>
              <button
                class={index === 0 && offer.name !== UNBLOCK ? "primary" : ""}
                type="button"
                onClick={() => {
                  release();
                  propose(operation(offer));
                }}
              >
                {visible(offer.label, 80)}
              </button>
              <span class="hint">{visible(offer.effect, 160)}</span>
            </li>
          ))}
        </ul>
      )}
      <div class="below-offers">
        <CopySummary />
        {leavesBlocks && (
          <a class="button" href="#/blocks">
            All blocks
          </a>
        )}
      </div>
    </Panel>
  );
}

function rejectedUsers(users: number): string {
  return users === 0
    ? "No signed-in user is rejected."
    : `Limits rejected ${plural(users, "user")} in 5 minutes.`;
}

const UNBLOCK = "address:unblock";
const VERBS: Readonly<Record<string, string>> = {
  "address:block": "Block",
  [UNBLOCK]: "Remove the block",
  "user:ban": "Ban",
};

function operation(offer: Offer): Operation {
  const isBlock = offer.name === "address:block";
  const verb = VERBS[offer.name] ?? "Continue";
  const expires = isBlock || "duration_s" in offer.payload ? "required" : "no";
  return {
    name: offer.name,
    title: visible(offer.label),
    verb,
    payload: offer.payload,
    expires,
    scoped: isBlock,
    // The form can choose other clients than the offer: its words fit both.
    says: isBlock ? BLOCK_SAYS : visible(offer.effect, 200),
  };
}
