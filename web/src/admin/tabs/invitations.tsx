// Invitations to register: create one, show its link once, revoke it.
// Never: the link of an invitation in a list; the server keeps only its digest.
import { Dialog } from "../../views/dialog";
import { CopyLink } from "../../views/copy_link";
import { invite, invited, propose, revokeInvitation } from "../live/operations";
import { mayChange, nowMs } from "../live/state";
import { text } from "../model/read";
import { readInvitation, type Invitation } from "../model/rows";
import { moment } from "../model/words";
import { Do, Panel, Text, usePaged } from "../parts/list";

const HINTS: Readonly<Record<string, string>> = {
  open: "Registration is open: persons can register without an invitation as well.",
  invitation: "Registration needs an invitation. Each one is for one person, and ends by itself.",
  closed: "Registration is closed (accounts.registration), so invitations admit no one.",
};

export function Invitations() {
  const { rows, answer, view } = usePaged("admin:invitations", "invitations", {}, readInvitation);
  const registration = text(answer["registration"]) ?? "invitation";
  return (
    <Panel title="Invitations" wide hint={HINTS[registration] ?? ""}>
      {mayChange.value && registration !== "closed" && (
        <button class="primary" type="button" onClick={() => propose(invite)}>
          Invite a person
        </button>
      )}
      <ul class="rows">
        {rows.map((one) => (
          <Row key={one.id} one={one} />
        ))}
      </ul>
      {view}
      {invited.value !== undefined && <Link />}
    </Panel>
  );
}

function Row({ one }: { one: Invitation }) {
  const used = one.usedBy !== undefined;
  return (
    <li data-row tabIndex={-1} class="row">
      <div class="row-head">
        <code class="row-title">{one.id}</code>
        <span class="tag">{used ? "used" : "unused"}</span>
      </div>
      <p class="row-facts">
        Created {moment(one.createdMs, nowMs.value)} by <Text>{one.by}</Text>
        {used ? (
          <>
            , used by <Text>{one.usedBy ?? ""}</Text>
          </>
        ) : (
          <>, until {moment(one.untilMs, nowMs.value)}</>
        )}
      </p>
      {!used && (
        <div class="row-operations">
          <Do operation={revokeInvitation(one.id)}>Revoke</Do>
        </div>
      )}
    </li>
  );
}

/** The link of the invitation that was just made. */
function Link() {
  const made = invited.value;
  const close = () => (invited.value = undefined);
  if (made === undefined) return null;
  return (
    <Dialog title="Invitation" close={close}>
      <p>
        Send this link to one person. It works once, until {moment(made.untilMs, nowMs.value)}, and
        is not shown again.
      </p>
      <CopyLink link={made.link} shown="always" />
      <div class="answers">
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
