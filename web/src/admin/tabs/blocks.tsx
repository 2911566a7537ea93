// Blocked networks, and a form that blocks one.
// Never: a block without an end.
import { block, extend, propose, unblock } from "../live/operations";
import { mayChange, nowMs } from "../live/state";
import { readBlock } from "../model/rows";
import { moment, plural } from "../model/words";
import { Do, Panel, Search, Text, usePaged } from "../parts/list";

export function Blocks() {
  const { rows, view } = usePaged("admin:blocks", "blocks", {}, readBlock);
  return (
    <Panel
      title="Blocks"
      wide
      hint="Networks whose connections are rejected. Each block ends by itself."
    >
      {mayChange.value && (
        <Search
          label="Network to block"
          id="block-prefix"
          placeholder="203.0.113.0/24"
          search={(prefix) => prefix !== "" && propose(block(prefix))}
          verb="Block"
        />
      )}
      <ul class="rows">
        {rows.map((one) => (
          <li key={one.prefix} data-row tabIndex={-1} class="row">
            <div class="row-head">
              <code class="row-title">{one.prefix}</code>
              <span class="tag">
                {one.scope === "all" ? "all clients" : "unauthenticated clients"}
              </span>
            </div>
            <p class="row-facts">
              {one.createdMs !== undefined && `Since ${moment(one.createdMs, nowMs.value)}, `}
              until {moment(one.untilMs, nowMs.value)}, {plural(one.rejected, "rejection")}, by{" "}
              <Text>{one.by}</Text>: <Text>{one.reason}</Text>
            </p>
            <div class="row-operations">
              <Do operation={extend(one)}>Extend</Do>
              <Do operation={unblock(one.prefix)}>Remove</Do>
            </div>
          </li>
        ))}
      </ul>
      {view}
    </Panel>
  );
}
