// Socket.IO on µWebSockets.js, its fastest engine.
// Never: anything but the protocol of the benchmark.

import uws from "@trufflesuite/uws-js-unofficial";
import { Server } from "socket.io";
import { listening, options, serve } from "./protocol.mjs";

const app = uws.App();
const io = new Server(options);
io.attachApp(app);
serve(io);
app.listen("127.0.0.1", 0, (socket) => {
  if (!socket) throw new Error("cannot listen");
  listening(uws.us_socket_local_port(socket));
});
