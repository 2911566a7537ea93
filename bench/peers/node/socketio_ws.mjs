// Socket.IO on Node's own HTTP server with `ws`, its default engine.
// Never: anything but the protocol of the benchmark.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { listening, options, serve } from "./protocol.mjs";

const http = createServer();
serve(new Server(http, options));
http.listen(0, "127.0.0.1", () => listening(http.address().port));
