// Who is in the room, and who of them is online.
// Never: colour alone to say who is there.
import type { ComponentChildren } from "preact";
import type { Member } from "../contract";
import type { RoomEntry } from "../state";

interface Props {
  entry: RoomEntry;
  /** What the person can do with the room. */
  children: ComponentChildren;
}

export function Members({ entry, children }: Props) {
  const { members, room } = entry;
  const here = members.filter((member) => member.online).length;
  return (
    <aside class="members" id="members" aria-label="Members">
      <h2>
        Members <span class="hint">{`${here} of ${members.length} online`}</span>
      </h2>
      <ul>
        {[...members].sort(onlineFirst).map((member) => (
          <li key={member.id} class={member.online ? "member online" : "member"}>
            <bdi>{member.username}</bdi>
            {member.external && <span class="tag">external</span>}
            {member.id === room.ownerId && <span class="tag">owner</span>}
            <span class="presence">{member.online ? "online" : "offline"}</span>
          </li>
        ))}
      </ul>
      <p class="hint room-id">
        Room id <code>{room.id}</code>
      </p>
      {children}
    </aside>
  );
}

function onlineFirst(a: Member, b: Member): number {
  return Number(b.online) - Number(a.online) || a.username.localeCompare(b.username);
}
