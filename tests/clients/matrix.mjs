// Which stock clients the matrix has, and by which settings each is tried.
// Never: a version without a lock.

/** @typedef {{ name: string, package: string, recovers: boolean }} Version */
/** @typedef {{ name: string, transports?: ("polling" | "websocket")[], options?: object }} Setting */

/** @type {Version[]} */
export const VERSIONS = [
  { name: "3.1", package: "sio31", recovers: false },
  { name: "4.0", package: "sio40", recovers: false },
  { name: "4.4", package: "sio44", recovers: false },
  { name: "4.5", package: "sio45", recovers: false },
  { name: "4.6", package: "sio46", recovers: true },
  { name: "4.7", package: "sio47", recovers: true },
  { name: "4.8", package: "socket.io-client", recovers: true },
];

/** @type {Setting[]} */
export const SETTINGS = [
  { name: "default" },
  { name: "websocket", transports: ["websocket"] },
  { name: "polling", transports: ["polling"] },
  { name: "forceBase64", options: { forceBase64: true } },
];
