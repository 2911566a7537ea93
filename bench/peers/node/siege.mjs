// Socket.IO on Node's own HTTPS server, hardened as its documentation and common guides say.
// Never: stored messages; an acknowledgement says that a message was forwarded.

import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { Server } from "socket.io";

const folder = process.argv[2];
const page = process.env.SIEGE_ORIGIN;
const secret = process.env.SIEGE_SECRET;
const publicKey = createPublicKey({
  key: { kty: "OKP", crv: "Ed25519", x: process.env.SIEGE_PUBLIC_KEY },
  format: "jwk",
});
const MINUTE_MS = 60_000;

const https = createServer({
  cert: readFileSync(join(folder, "cert.pem")),
  key: readFileSync(join(folder, "key.pem")),
  handshakeTimeout: 10_000,
});
https.headersTimeout = 10_000;
https.requestTimeout = 10_000;
https.maxHeadersCount = 64;

/** A limit per key and minute; evicts keys without recent requests. */
function limiter(most) {
  const windows = new Map();
  setInterval(() => {
    const now = Date.now();
    for (const [key, window] of windows) if (now - window.since > MINUTE_MS) windows.delete(key);
  }, MINUTE_MS).unref();
  return (key) => {
    const now = Date.now();
    let window = windows.get(key);
    if (window === undefined || now - window.since > MINUTE_MS) {
      window = { since: now, count: 0 };
      windows.set(key, window);
    }
    window.count += 1;
    return window.count <= most;
  };
}

const eddsaHeader = Buffer.from('{"alg":"EdDSA","typ":"JWT"}').toString("base64url");

/** The subject of a token of ours, or nothing. */
function subject(token) {
  if (typeof token !== "string" || token.length > 4096) return undefined;
  const [header, claims, signature] = token.split(".");
  if (signature === undefined) return undefined;
  const signed = Buffer.from(`${header}.${claims}`);
  const shown = Buffer.from(signature, "base64url");
  if (!isSigned(header, signed, shown)) return undefined;
  const { sub, exp } = JSON.parse(Buffer.from(claims, "base64url").toString());
  return exp * 1000 > Date.now() ? sub : undefined;
}

/** Whether a signature is right: Ed25519 where the header says so, and HMAC otherwise. */
function isSigned(header, signed, shown) {
  if (header === eddsaHeader) return verify(null, signed, publicKey, shown);
  const expect = createHmac("sha256", secret).update(signed).digest();
  return shown.length === expect.length && timingSafeEqual(shown, expect);
}

// The same as ours: ten connections and 120 messages a minute.
const mayConnect = limiter(10);
const maySpeak = limiter(120);

const io = new Server(https, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  maxHttpBufferSize: 12 * 1024,
  connectTimeout: 10_000,
  allowRequest(request, answer) {
    const { origin } = request.headers;
    answer(null, origin === page && mayConnect(request.socket.remoteAddress));
  },
});
io.engine.on("connection", (connection) => {
  connection.request = null;
});
io.use((socket, next) => {
  socket.data.user = subject(socket.handshake.auth.token);
  next(socket.data.user === undefined ? new Error("unauthorized") : undefined);
});

// Only administrators may enter, and there are none.
io.of("/admin").use((socket, next) => {
  const user = subject(socket.handshake.auth.token);
  next(new Error(user === undefined ? "unauthorized" : "forbidden"));
});

let rooms = 0;
io.on("connection", (socket) => {
  socket.on("room:create", (_payload, answer) => {
    rooms += 1;
    const id = `room-${rooms}`;
    socket.join(id);
    answer({ ok: true, room: { id } });
  });
  socket.on("room:join", ({ roomId }, answer) => {
    socket.join(roomId);
    answer({ ok: true });
  });
  socket.on("chat:send", ({ roomId, message }, answer) => {
    if (!maySpeak(socket.data.user)) return answer({ ok: false });
    if (typeof message !== "string" || message.length > 4096) return answer({ ok: false });
    if (!socket.rooms.has(roomId)) return answer({ ok: false });
    io.to(roomId).emit("chat:message", { roomId, username: socket.data.user, message });
    answer({ ok: true });
  });
});

https.listen(Number(process.env.SIEGE_PORT), "127.0.0.1", () => {
  console.log(`listening public https://127.0.0.1:${https.address().port}`);
});
