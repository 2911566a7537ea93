// The people this page has seen in rooms, to find one by name.
// Never: people of the server at large; there is no way to ask who has an account.
import { Refusal } from "./refusal";
import { session } from "./session_state";
import { rooms } from "./state";

const USER_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** The id of the person whom a text names: by the name shown in the user's rooms, or by the id. */
export function findPerson(text: string): string {
  const wanted = text.trim();
  const ids = idsOf(wanted);
  const [first] = ids;
  if (ids.size > 1) throw new Refusal("several_people", "");
  if (first !== undefined) return first;
  if (!USER_ID.test(wanted)) throw new Refusal("unknown_person", "");
  return wanted;
}

/** The names that can be chosen, without the user's own and those of the room. */
export function namesBeside(roomId: string): readonly string[] {
  const inside = new Set(rooms.value.get(roomId)?.members.map(({ id }) => id));
  const names = new Set<string>();
  for (const { id, username } of seen()) {
    if (!inside.has(id) && id !== session.value?.user.id) names.add(username);
  }
  return [...names].sort((a, b) => a.localeCompare(b));
}

function idsOf(name: string): Set<string> {
  const folded = name.toLowerCase();
  const ids = new Set<string>();
  for (const { id, username } of seen()) {
    if (username.toLowerCase() === folded) ids.add(id);
  }
  return ids;
}

function* seen(): Generator<{ id: string; username: string }> {
  for (const { members, timeline } of rooms.value.values()) {
    yield* members;
    for (const { userId: id, username } of timeline.messages) yield { id, username };
  }
}
