// Settings of the stock client that reach a server.
// Never: an unused setting.

/** @type {[string, import("./boardstory.mjs").Transport[] | undefined][]} */
export const SETTINGS = [
  ["first polling, then a WebSocket", undefined],
  ["a WebSocket only", ["websocket"]],
  ["polling only", ["polling"]],
];
