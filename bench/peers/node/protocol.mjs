// The benchmark's three events on a Socket.IO server: `echo`, `join`, `publish`.
// Never: a check, a limit or a log line; this peer is as fast as Socket.IO gets.

const room = "bench";

/** Options that Socket.IO recommends for production, and only the WebSocket transport. */
export const options = {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
};

/** Answers the events of every connection. */
export function serve(io) {
  // What Socket.IO's documentation says to drop, to keep less memory a connection.
  io.engine.on("connection", (connection) => {
    connection.request = null;
  });
  io.on("connection", (socket) => {
    socket.on("echo", (payload, answer) => answer(payload));
    socket.on("join", (_payload, answer) => {
      socket.join(room);
      answer({ ok: true });
    });
    socket.on("publish", (payload) => io.to(room).emit("news", payload));
  });
}

/** Says where it listens, as every peer does. */
export function listening(port) {
  console.log(`listening public http://127.0.0.1:${port}`);
}
