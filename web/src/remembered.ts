// Whether a user signed in from this browser, so that a reload asks the server for the session.
// Never: the user or a credential; the cookie has it, out of reach of scripts.
const KEY = "signed-in";

/** Kept for the next load, and said to the browser's other windows. */
export function remember(signedIn: boolean): void {
  try {
    if (signedIn) localStorage.setItem(KEY, "yes");
    else localStorage.removeItem(KEY);
  } catch {
    // A browser that keeps nothing: the next load asks for the password.
  }
}

export function isRemembered(): boolean {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return false;
  }
}

/** Calls back when another window of this browser signs out. */
export function onForgotten(signedOut: () => void): void {
  addEventListener("storage", (event) => {
    const gone = event.key === null || event.key === KEY;
    if (gone && event.newValue === null) signedOut();
  });
}
