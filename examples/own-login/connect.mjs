// A socket that stays signed in: a fresh token at every connect, and before the old one ends.
// Never: a token in the URL, or kept where other scripts of the page can read it.
import { io } from "socket.io-client";

/**
 * @param {string} url where Portcullis is
 * @param {() => Promise<string>} getToken gives a token that is good now
 * @param {Partial<import("socket.io-client").ManagerOptions>} [options]
 */
export function connect(url, getToken, options = {}) {
  const socket = io(url, {
    ...options,
    // Asked at every connect, so that a reconnect never shows an old token.
    auth: (answer) => {
      getToken().then(
        (token) => answer({ token }),
        () => answer({}),
      );
    },
  });
  // A minute is left. The connection goes on with the newer token: no reconnect, nothing missed.
  socket.on("auth:expiring", async () => {
    const answer = await socket.emitWithAck("auth:refresh", {
      token: await getToken(),
    });
    if (!answer.ok) socket.disconnect().connect();
  });
  return socket;
}
