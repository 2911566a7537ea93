// The one-time token of the first administrator's set-up link, from the URL's fragment.
// Never: sent anywhere by the browser itself, and never left in the address bar.

const TOKEN = /^#setup=([A-Za-z0-9_-]{16,256})$/;

/** The token in a fragment such as `#setup=TOKEN`. */
export function readSetupToken(fragment: string): string | undefined {
  return TOKEN.exec(fragment)?.[1];
}
