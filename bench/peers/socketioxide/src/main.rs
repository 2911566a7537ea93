//! The benchmark's three events on socketioxide with axum: `echo`, `join`, `publish`.
//! Never: a check or a limit; this peer is as fast as socketioxide gets.

use axum::Router;
use serde::{Deserialize, Serialize};
use socketioxide::SocketIo;
use socketioxide::TransportType;
use socketioxide::extract::{AckSender, Data, SocketRef};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROOM: &str = "bench";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Text {
    text: String,
}

#[derive(Debug, Deserialize)]
struct Nothing {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (layer, io) = SocketIo::builder().transports([TransportType::Websocket]).build_layer();
    io.ns("/", on_connect);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening public http://{}", listener.local_addr()?);
    axum::serve(axum::serve::ListenerExt::tap_io(listener, no_delay), Router::new().layer(layer))
        .await
}

fn no_delay(stream: &mut tokio::net::TcpStream) {
    let _kept = stream.set_nodelay(true);
}

async fn on_connect(socket: SocketRef) {
    socket.on("echo", async |Data::<Text>(payload), ack: AckSender| {
        let _answered = ack.send(&payload);
    });
    socket.on("join", async |socket: SocketRef, Data::<Nothing>(_), ack: AckSender| {
        socket.join(ROOM);
        let _answered = ack.send(&serde_json::json!({ "ok": true }));
    });
    socket.on("publish", async |io: SocketIo, Data::<Text>(payload)| {
        let _sent = io.to(ROOM).emit("news", &payload).await;
    });
}
