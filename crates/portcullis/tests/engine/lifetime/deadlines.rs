//! T-181, T-189, T-190: silence and chatter that must not put off a deadline.
//! Never: a peer that waits; it says all it can, as often as it can.

use std::time::Duration;

use portcullis_test::{
    ClientFrame, Config, Gauges, PollingClient, RawWebSocket, TestServer, frame_bytes, hs256,
    timed, until, until_within,
};

use crate::clients::{
    NOTHING, alive, open_socket, socket_packet, socket_sign_in, start, transport,
};

/// Sends frames one after the other, slowly, until the server closes; gives how long that took.
fn chatter(socket: &mut RawWebSocket, frame: &[u8]) -> Duration {
    let pause = Duration::from_millis(50);
    socket.connection.socket().set_read_timeout(Some(pause)).unwrap();
    let (_, took) = timed(|| {
        until("the end of the connection", || {
            let ended = socket.connection.try_send(frame).is_err();
            (ended || closed(socket, pause)).then_some(())
        });
    });
    took
}

/// Reads for a moment; whether the stream has ended.
fn closed(socket: &RawWebSocket, pause: Duration) -> bool {
    use std::io::{ErrorKind, Read};
    let mut stream = socket.connection.socket();
    stream.set_read_timeout(Some(pause)).unwrap();
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

fn connect_soon() -> TestServer {
    start(&transport(&["connect_timeout_ms = 1500"]))
}

#[test]
fn t_190_connect_deadline_is_met_by_a_connect_only() {
    let server = connect_soon();
    let chatters = [
        ("silence", Vec::new()),
        ("pings", frame_bytes(0x89, b"p")),
        ("pongs", frame_bytes(0x8a, b"")),
        ("a namespace that is not there", frame_bytes(0x81, b"40/nowhere,{}")),
        ("answers to no ping", frame_bytes(0x81, b"3")),
    ];
    for (what, frame) in &chatters {
        let (mut socket, _) = open_socket(&server);
        let took = chatter(&mut socket, frame);
        eprintln!("{what}: {took:?}");
        // The deadline, a slot of the wheel, the closing handshake of three seconds and a margin.
        assert!(took < Duration::from_millis(7_000), "{what}: {took:?}");
    }
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_190_leaving_does_not_put_off_the_connect_deadline() {
    let server = connect_soon();
    let (mut socket, _) = open_socket(&server);
    let frame = frame_bytes(0x81, b"41");
    Gauges { open: 1, pre_auth: 1, authenticated: 0 }.wait_for(&server);
    // The slot is free on time, whether the peer goes or not.
    until_within(Duration::from_secs(4), "the stranger's slot", || {
        socket.connection.send(&frame);
        closed(&socket, Duration::from_millis(50));
        (Gauges::read(&server) == NOTHING).then_some(())
    });
    alive(&server);
}

#[test]
fn t_190_leaving_by_polling_does_not_put_off_the_connect_deadline() {
    let server = connect_soon();
    let client = PollingClient::open(&server);
    until_within(Duration::from_secs(4), "the polling stranger's slot", || {
        let _answer = client.post("41");
        (Gauges::read(&server) == NOTHING).then_some(())
    });
    alive(&server);
}

#[test]
fn t_190_leaving_again_and_again_does_not_put_it_off() {
    let server = connect_soon();
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    let frame = frame_bytes(0x81, b"41");
    until_within(Duration::from_secs(4), "the slot of who is nowhere", || {
        socket.connection.send(&frame);
        closed(&socket, Duration::from_millis(50));
        (Gauges::read(&server) == NOTHING).then_some(())
    });
    alive(&server);
}

#[test]
fn t_190_after_the_last_namespace_another_connect_has_to_come() {
    let server = connect_soon();
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket.send_text("41");
    // It goes on for a while, and can come back.
    socket_sign_in(&mut socket, &hs256("ann"));
    socket.send_text("41");
    assert_eq!(socket.close_code(), Some(4408));
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    client.say("41");
    client.sign_in(&hs256("ann"));
    client.say("41");
    client.rest();
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_181_pongs_do_not_put_off_the_pings() {
    let lines = ["ping_interval_ms = 400", "ping_timeout_ms = 600"];
    let server = start(&transport(&lines));
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    // Answers early, then not at all: the ping comes all the same, and its silence counts.
    for _ in 0..5 {
        socket.send_text("3");
    }
    let _ping = socket_ping(&mut socket);
    assert_eq!(socket.close_code(), Some(4408));
    // By frames of the WebSocket's own, in place of packets: not an answer.
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    let _ping = socket_ping(&mut socket);
    socket.send_frame(&ClientFrame::new(0x8a, b""));
    assert_eq!(socket.close_code(), Some(4408));
    // With data behind it: no pong at all.
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket.send_text("3probe");
    assert_eq!(socket.close_code(), Some(1002));
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn pings_come_at_the_announced_interval_also_with_a_longer_timeout() {
    let server = start(&transport(&["ping_interval_ms = 100", "ping_timeout_ms = 3600000"]));
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    // Each within the time a test waits for anything, far below the timeout.
    for _ in 0..5 {
        let _ping = socket_ping(&mut socket);
        socket.send_text("3");
    }
}

fn socket_ping(socket: &mut RawWebSocket) -> String {
    loop {
        let frame = socket.next_frame().expect("a ping before the end");
        assert_ne!(frame.opcode, 8, "closed: {:?}", frame.close_code());
        if frame.text() == "2" {
            return frame.text();
        }
    }
}

#[test]
fn t_181_1000_pongs_a_second_end_the_connection() {
    let server = start(&Config::plaintext());
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    let flood = frame_bytes(0x81, b"3").repeat(1_000);
    socket.connection.send(&flood);
    assert_eq!(socket.close_code(), Some(1008));
    // Sixty in a minute are borne.
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket.connection.send(&frame_bytes(0x81, b"3").repeat(60));
    socket.send_text("421[\"room:list\",{}]");
    socket_packet(&mut socket, "431[");
    socket.send_text("3");
    assert_eq!(socket.close_code(), Some(1008), "the sixty-first is not");
    let _record = server.records.wait_for_rule("control_rate");
    alive(&server);
}

#[test]
fn t_181_poll_of_an_expired_session_is_answered_with_400() {
    let server = start(&transport(&["ping_interval_ms = 1000", "ping_timeout_ms = 1000"]));
    let timed_out = Gauges { open: 1, pre_auth: 0, authenticated: 1 };
    for _ in 0..3 {
        let client = PollingClient::connect(&server, &hs256("silent"));
        timed_out.wait_for(&server);
        // No poll and no pong: the session is over, and so it is for the poll that comes then.
        NOTHING.wait_for(&server);
        let answer = client.poll();
        assert_eq!((answer.status, answer.code()), (400, String::from("1")));
    }
    alive(&server);
}
