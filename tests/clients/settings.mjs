// How the stock client may be told to reach a server.
// Never: a setting nobody uses.

/** @type {[string, import("./boardstory.mjs").Transport[] | undefined][]} */
export const SETTINGS = [
  ["first polling, then a WebSocket", undefined],
  ["a WebSocket only", ["websocket"]],
  ["polling only", ["polling"]],
];
