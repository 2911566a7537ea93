// The members of the room, and which of them are online.
// Never: shows presence by colour alone; offers a removal without permission.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Member, Room } from "../contract";
import { asRefusal, Refusal } from "../refusal";
import { kick } from "../rooms";
import { session } from "../session_state";
import { mayManage, type RoomEntry } from "../state";
import { Confirm } from "./confirm";

interface Props {
  entry: RoomEntry;
  /** The actions of the user in the room. */
  children: ComponentChildren;
}

export function Members({ entry, children }: Props) {
  const { members, room } = entry;
  const leaving = useSignal<Member | undefined>(undefined);
  const here = members.filter((member) => member.online).length;
  return (
    <aside class="members" id="members" aria-label="Members">
      <h2>
        Members <span class="hint">{`${here} of ${members.length} online`}</span>
      </h2>
      <ul>
        {[...members].sort(onlineFirst).map((member) => (
          <MemberItem
            key={member.id}
            member={member}
            room={room}
            remove={() => (leaving.value = member)}
          />
        ))}
      </ul>
      <p class="hint room-id">
        Room id <code>{room.id}</code>
      </p>
      {children}
      {leaving.value !== undefined && (
        <Kick room={room} member={leaving.value} close={() => (leaving.value = undefined)} />
      )}
    </aside>
  );
}

interface ItemProps {
  member: Member;
  room: Room;
  remove: () => void;
}

function MemberItem({ member, room, remove }: ItemProps) {
  const isOwner = member.id === room.ownerId;
  const removable = !isOwner && member.id !== session.value?.user.id && mayManage(room);
  return (
    <li class={member.online ? "member online" : "member"}>
      <bdi>{member.username}</bdi>
      {member.external && <span class="tag">external</span>}
      {isOwner && <span class="tag">owner</span>}
      <span class="presence">{member.online ? "online" : "offline"}</span>
      {removable && (
        <button
          class="quiet small"
          type="button"
          aria-label={`Remove ${member.username}`}
          onClick={remove}
        >
          Remove
        </button>
      )}
    </li>
  );
}

interface KickProps {
  room: Room;
  member: Member;
  close: () => void;
}

function Kick({ room, member, close }: KickProps) {
  return (
    <Confirm
      title="Remove this member?"
      question={
        `${member.username} can no longer read or write in “${room.name}”, ` +
        "and can return only with an invitation."
      }
      verb="Remove"
      work={() => kick(room.id, member.id).catch(inWords)}
      close={close}
    />
  );
}

function inWords(thrown: unknown): never {
  const { code, details } = asRefusal(thrown);
  if (code === "forbidden") throw new Refusal("forbidden_kick", "", details);
  throw thrown;
}

function onlineFirst(a: Member, b: Member): number {
  return Number(b.online) - Number(a.online) || a.username.localeCompare(b.username);
}
