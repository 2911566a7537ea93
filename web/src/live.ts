// What the server says unasked, and the coming and going of the connection.
// Never: trusts a payload it could not read.
import { fieldsOf, readAnnouncement, readMemberChange, readMessage, text } from "./contract";
import { receive } from "./messages";
import type { Product } from "./product";
import { removeReadMarks } from "./read_marks";
import { asRefusal, readRefusal, type Refusal } from "./refusal";
import { memberChanged, rejoinRooms, resumeRooms, roomDeleted } from "./rooms";
import { endedBecause, link, notice } from "./session_state";
import { clearRoute } from "./route";
import { announcements, clearState } from "./state";

/** Announcements shown at one time. */
const ANNOUNCEMENTS_MAX = 3;
let announced = 0;

const listener: Product["listener"] = {
  up(recovered) {
    link.value = { state: "online" };
    const rooms = recovered ? resumeRooms() : rejoinRooms();
    rooms.catch((thrown: unknown) => {
      const refusal = asRefusal(thrown);
      if (refusal.code !== "offline") notice.value = refusal;
    });
  },
  down() {
    link.value = { state: "connecting" };
  },
  waiting(refusal) {
    link.value = { state: "waiting", refusal };
  },
  denied(refusal) {
    link.value = { state: "waiting", refusal };
  },
  event(name, payload) {
    switch (name) {
      case "chat:message": {
        const message = readMessage(payload);
        if (message !== undefined) receive(message);
        break;
      }
      case "room:member": {
        const change = readMemberChange(payload);
        if (change !== undefined) memberChanged(change);
        break;
      }
      case "room:deleted": {
        const roomId = text(fieldsOf(payload)?.["roomId"]);
        if (roomId !== undefined) roomDeleted(roomId);
        break;
      }
      case "announcement":
        announce(payload);
        break;
      case "error":
        reported(readRefusal(payload));
        break;
    }
  },
};

/** The chat page. */
export const chat: Product = {
  namespace: "/",
  events: ["chat:message", "room:member", "room:deleted", "announcement", "error"],
  listener,
  clear() {
    clearState();
    removeReadMarks();
    clearRoute();
  },
};

export function dismiss(key: number): void {
  announcements.value = announcements.value.filter((shown) => shown.key !== key);
}

/** What is said at the end of a session is shown where the page asks for the password. */
function reported(refusal: Refusal): void {
  if (refusal.code === "session_ended") endedBecause.value = refusal;
  else notice.value = refusal;
}

function announce(payload: unknown): void {
  const announcement = readAnnouncement(payload);
  if (announcement === undefined) return;
  announced += 1;
  const shown = [...announcements.value, { key: announced, announcement }];
  announcements.value = shown.slice(-ANNOUNCEMENTS_MAX);
}
