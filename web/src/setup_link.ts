// The one-time token of a set-up link, login link or invitation, from the URL's fragment.
// Never: sent anywhere by the browser itself, and never left in the address bar.

const TOKEN = /^#setup=([A-Za-z0-9_-]{16,256})$/;
const DOOR = /^#door=([A-Za-z0-9_.-]{16,256})$/;
const INVITATION = /^#invitation=(inv_[A-Za-z0-9_-]{16,256})$/;

/** The token in a fragment such as `#setup=TOKEN`. */
export function readSetupToken(fragment: string): string | undefined {
  return TOKEN.exec(fragment)?.[1];
}

/** The login link in a fragment such as `#door=LINK`. */
export function readDoor(fragment: string): string | undefined {
  return DOOR.exec(fragment)?.[1];
}

/** The invitation in a fragment such as `#invitation=inv_SECRET`. */
export function readInvitation(fragment: string): string | undefined {
  return INVITATION.exec(fragment)?.[1];
}
