// Node's own Socket.IO server, set up as the open example server is; a process of its own, which
// may keep timers of sessions that are long gone.
// Never: a difference in set-up that the comparison would take for one in behaviour.
import { once } from "node:events";
import { createServer } from "node:http";
import { attach } from "engine.io";
import { Server } from "socket.io";

const ENGINE = {
  pingInterval: Number(process.env["PING_INTERVAL_MS"]),
  pingTimeout: Number(process.env["PING_TIMEOUT_MS"]),
  maxHttpBufferSize: 1_000_000,
};

const http = createServer((_request, response) => response.writeHead(404).end());
const io = new Server(http, { ...ENGINE, connectTimeout: 1_000, serveClient: false });
for (const name of ["/", "/custom"]) {
  io.of(name).on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("message", (...parts) => socket.emit("message-back", ...parts));
    socket.on("message-with-ack", (...parts) => {
      const answer = parts.pop();
      // Asked for no acknowledgement, it gives none.
      if (typeof answer === "function") answer(...parts);
    });
  });
}
// Both share a port, so that neither may hang up on the other's requests.
const engine = attach(http, { ...ENGINE, path: "/engine.io/", destroyUpgrade: false });
engine.on("connection", (socket) => {
  socket.on("message", (/** @type {any} */ data) => socket.send(data));
});
http.listen(0, "127.0.0.1");
await once(http, "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (http.address());
process.once("SIGTERM", () => process.exit(0));
console.log(`listening public http://127.0.0.1:${port}`);
