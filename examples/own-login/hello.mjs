// What each of these examples does once it can connect: creates a room, sends a message, receives it.
// Never: an error swallowed; it ends with 1.
import { once } from "node:events";
import { connect } from "./connect.mjs";

/** @param {() => Promise<string>} getToken */
export async function hello(getToken) {
  const url = process.env["PORTCULLIS_URL"] ?? "https://127.0.0.1:8443";
  // A browser sends the origin by itself.
  const origin = process.env["ORIGIN"] ?? url;
  const socket = connect(url, getToken, {
    extraHeaders: { Origin: origin },
    reconnection: false,
  });
  socket.on("connect_error", (error) => {
    console.error(
      `refused: ${error.message}`,
      "data" in error ? error.data : "",
    );
    process.exit(1);
  });
  await once(socket, "connect");
  const { room } = await socket.emitWithAck("room:create", {
    name: "Tea",
    visibility: "public",
  });
  const received = once(socket, "chat:message");
  await socket.emitWithAck("chat:send", { roomId: room.id, message: "hello" });
  const [message] = await received;
  console.log(`${message.username} says ${message.message}`);
  const broadcast = await socket.emitWithAck("admin:broadcast", {
    message: "attention",
  });
  console.log(broadcast.ok ? "an administrator" : "no administrator");
  socket.disconnect();
}
