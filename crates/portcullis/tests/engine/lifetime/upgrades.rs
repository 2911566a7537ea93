//! T-178, T-180: a WebSocket takes over a polling session, once, and nothing else changes.
//! Never: harm to the session by what goes wrong on the way.

use portcullis_test::{
    Answer, ClientFrame, Config, Gauges, PollingClient, RawWebSocket, Request, SioClient, counter,
    frame_bytes, hs256, packets, until,
};
use serde_json::json;

use crate::clients::{
    NOTHING, alive, public_room, room_id, socket_packet, socket_sign_in, socket_works, start,
    transport, waiting_poll, wide,
};

/// The session still polls, posts and is answered.
fn works(client: &mut PollingClient<'_>) {
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
}

/// The WebSocket is closed; nothing was said on it but the probe's answer.
fn assert_closed(mut socket: RawWebSocket, what: &str) {
    while let Some(frame) = socket.next_frame() {
        if frame.opcode == 8 {
            return;
        }
        assert_eq!(frame.text(), "3probe", "{what}");
    }
}

fn assert_no_session(answer: &Answer, code: &str, what: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (400, code), "{what}");
}

#[test]
fn t_178_session_upgrades_once_and_its_polling_ends() {
    for config in [Config::plaintext(), Config::default()] {
        let server = start(&config);
        let mut client = PollingClient::connect(&server, &hs256("ann"));
        works(&mut client);
        let mut waiting = waiting_poll(&server, &client);
        let mut socket = client.probe();
        let noop = Answer::read(&mut waiting);
        assert_eq!((noop.status, packets(&noop)), (200, vec![String::from("6")]));
        socket.send_text("5");
        socket_works(&mut socket);
        assert_no_session(&client.poll(), "3", "poll after the upgrade");
        assert_no_session(&client.post("1"), "3", "post after the upgrade");
        socket_works(&mut socket);
        assert_closed(client.open_upgrade(), "a second upgrade");
        let mut second = client.open_upgrade();
        second.send_text("2probe");
        assert_closed(second, "a second upgrade that probes");
        socket_works(&mut socket);
        Gauges { open: 1, pre_auth: 0, authenticated: 1 }.wait_for(&server);
        socket.send_text("1");
        assert_eq!(socket.close_code(), Some(1000));
        NOTHING.wait_for(&server);
        until("the id to be nobody's", || (client.poll().code() == "1").then_some(()));
    }
}

#[test]
fn t_178_second_simultaneous_upgrade_is_closed_and_the_first_continues() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let mut first = client.probe();
    for _ in 0..5 {
        let mut second = client.open_upgrade();
        second.send_text("2probe");
        assert_closed(second, "while one runs");
    }
    let mut early = client.open_upgrade();
    early.send_text("5");
    assert_closed(early, "switching in place of the first");
    works(&mut client);
    first.send_text("5");
    socket_works(&mut first);
    // Many at the same moment: exactly one takes over.
    let client = PollingClient::connect(&server, &hs256("bob"));
    let mut sockets: Vec<RawWebSocket> = (0..8).map(|_| client.open_upgrade()).collect();
    for socket in &mut sockets {
        socket.send_text("2probe");
        socket.send_text("5");
    }
    let mut taken = 0;
    for mut socket in sockets {
        socket.send_text("42777[\"room:list\",{}]");
        let mut won = false;
        while let Some(frame) = socket.next_frame() {
            if frame.opcode == 8 {
                break;
            }
            if frame.text().starts_with("43777[") {
                won = true;
                break;
            }
        }
        taken += usize::from(won);
        if won {
            socket_works(&mut socket);
        }
    }
    assert_eq!(taken, 1);
    alive(&server);
}

#[test]
fn t_180_fault_in_a_probe_ends_only_that_websocket() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let text = |text: &str| frame_bytes(0x81, text.as_bytes());
    let attempts: [(&str, Vec<u8>); 22] = [
        ("a switch without a probe", text("5")),
        ("a probe of another word", text("2prob")),
        ("a longer word", text("2probes")),
        ("a word in capitals", text("2PROBE")),
        ("a bare ping", text("2")),
        ("a pong", text("3probe")),
        ("two probes", [text("2probe"), text("2probe")].concat()),
        ("a message", text("40{}")),
        ("an event", text("42[\"room:list\",{}]")),
        ("a message between", [text("2probe"), text("42[\"room:list\",{}]"), text("5")].concat()),
        ("a close packet", text("1")),
        ("an open packet", text("0")),
        ("nothing", text("")),
        ("an unknown type", text("7")),
        ("a switch with data", [text("2probe"), text("5x")].concat()),
        ("binary", frame_bytes(0x82, b"2probe")),
        ("bad UTF-8", frame_bytes(0x81, b"\xff")),
        ("a close frame", frame_bytes(0x88, b"")),
        ("no mask", ClientFrame::new(0x81, b"2probe").unmasked().bytes()),
        ("a reserved bit", frame_bytes(0xc1, b"2probe")),
        ("a long one", frame_bytes(0x81, &[b'2'; 12_000])),
        ("fragments", frame_bytes(0x01, b"2").repeat(2)),
    ];
    for (what, bytes) in &attempts {
        let mut socket = client.open_upgrade();
        socket.connection.send(bytes);
        assert_closed(socket, what);
        works(&mut client);
    }
    // Nothing was done for those events, nothing was left behind, and a good one still works.
    Gauges { open: 1, pre_auth: 0, authenticated: 1 }.wait_for(&server);
    let mut socket = client.upgrade();
    socket_works(&mut socket);
    alive(&server);
}

#[test]
fn t_224_flooding_probe_is_ended_and_recorded() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let ping = frame_bytes(0x89, b"p");
    let mut socket = client.open_upgrade();
    socket.connection.send(&ping.repeat(5_000));
    let mut pongs = 0;
    while let Some(frame) = socket.next_frame() {
        if frame.opcode == 10 {
            pongs += 1;
        }
    }
    assert!((1..=25).contains(&pongs), "{pongs} answers");
    let record = server.records.wait_for_rule("control_rate");
    assert_eq!(record["source"]["ip"], "127.0.0.1", "{record}");
    works(&mut client);
    // As many as may come at once are answered, and the probe goes on.
    let mut socket = client.open_upgrade();
    socket.connection.send(&ping.repeat(10));
    for _ in 0..10 {
        assert_eq!(socket.next_frame().unwrap().payload, b"p");
    }
    socket.send_text("2probe");
    assert_eq!(socket.next_frame().unwrap().text(), "3probe");
    socket.send_text("5");
    socket_works(&mut socket);
    alive(&server);
}

#[test]
fn t_180_silent_or_lost_probe_leaves_the_session_polling() {
    let server = start(&transport(&["connect_timeout_ms = 700"]));
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    assert_closed(client.open_upgrade(), "nothing said");
    works(&mut client);
    assert_closed(client.probe(), "nothing said after the probe");
    works(&mut client);
    client.probe().connection.reset();
    works(&mut client);
    client.open_upgrade().connection.reset();
    let half = client.open_upgrade();
    half.connection.half_close();
    works(&mut client);
    // An invalid handshake.
    let refused: [(Request, u16); 5] = [
        (client.upgrade_request().with("Sec-WebSocket-Version", "8"), 426),
        (client.upgrade_request().without("Sec-WebSocket-Key"), 400),
        (client.upgrade_request().with("Connection", "close"), 400),
        (client.upgrade_request().with("Upgrade", "h2c"), 400),
        (client.upgrade_request().header("Content-Length", "1").body(b"x"), 400),
    ];
    for (index, (request, status)) in refused.iter().enumerate() {
        assert_eq!(client.send(request).status, *status, "{index}");
    }
    works(&mut client);
    // Whatever was left open is over by now, and the next one may try.
    let mut socket = until("a free turn", || {
        let mut socket = client.open_upgrade();
        socket.send_text("2probe");
        let answer = socket.next_frame()?;
        (answer.payload == b"3probe").then_some(socket)
    });
    socket.send_text("5");
    socket_works(&mut socket);
}

#[test]
fn t_180_while_it_is_probed_a_session_goes_on() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let mut socket = client.open_upgrade();
    works(&mut client);
    socket.send_text("2probe");
    assert_eq!(socket.next_frame().unwrap().text(), "3probe");
    works(&mut client);
    // What was posted before the switch is answered after it, once.
    client.say("425[\"room:list\",{}]");
    socket.send_text("5");
    let answer = socket_packet(&mut socket, "43");
    assert!(answer.starts_with("435["), "{answer}");
    socket_works(&mut socket);
    // A ping on the WebSocket below the probe is answered and changes nothing.
    let client = PollingClient::connect(&server, &hs256("bob"));
    let mut socket = client.open_upgrade();
    socket.send_frame(&ClientFrame::new(0x89, b"hello"));
    let pong = socket.next_frame().unwrap();
    assert_eq!((pong.opcode, pong.payload.as_slice()), (10, b"hello".as_slice()));
    socket.send_text("2probe");
    assert_eq!(socket.next_frame().unwrap().text(), "3probe");
    socket.send_text("5");
    socket_works(&mut socket);
    // Probe, switch and what follows in one segment.
    let client = PollingClient::connect(&server, &hs256("cat"));
    let mut socket = client.open_upgrade();
    let all = ["2probe", "5", "421[\"room:list\",{}]", "422[\"room:list\",{}]"];
    let bytes: Vec<u8> = all.iter().flat_map(|text| frame_bytes(0x81, text.as_bytes())).collect();
    socket.connection.send(&bytes);
    assert!(socket_packet(&mut socket, "43").starts_with("431["));
    assert!(socket_packet(&mut socket, "43").starts_with("432["));
}

#[test]
fn t_180_limits_identity_and_deadlines_carry_over() {
    let mut config = transport(&["connect_timeout_ms = 1500"]);
    config.rate.push("message_per_connection = \"5/60s\"".into());
    let server = start(&config);
    // Before CONNECT: the deadline counts from the first request, and no user is signed in.
    let client = PollingClient::open(&server);
    let mut socket = client.upgrade();
    Gauges { open: 1, pre_auth: 1, authenticated: 0 }.wait_for(&server);
    assert_eq!(socket.close_code(), Some(4408));
    let client = PollingClient::open(&server);
    let mut socket = client.upgrade();
    socket.send_text("42[\"room:list\",{}]");
    assert_eq!(socket.close_code(), Some(1002), "an event before CONNECT");
    // Pongs without a ping count together.
    let client = PollingClient::open(&server);
    client.say(&["3"; 50].join("\u{1e}"));
    let mut socket = client.upgrade();
    (0..11).for_each(|_| socket.send_text("3"));
    assert_eq!(socket.close_code(), Some(1008), "sixty on both transports");
    // After CONNECT: the same user, no second CONNECT, the same bucket.
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    for _ in 0..4 {
        works(&mut client);
    }
    let mut socket = client.upgrade();
    socket_works(&mut socket);
    socket.send_text("429[\"room:list\",{}]");
    let limited = socket_packet(&mut socket, "439[");
    assert!(limited.contains("RATE_LIMIT_EXCEEDED"), "{limited}");
    socket.send_text(&format!("40{}", json!({ "token": hs256("root") })));
    assert_eq!(socket.close_code(), Some(1002), "a second CONNECT");
    NOTHING.wait_for(&server);
    // CONNECT on the WebSocket, after an upgrade that came first.
    let client = PollingClient::open(&server);
    let mut socket = client.upgrade();
    socket_sign_in(&mut socket, &hs256("bob"));
    socket_works(&mut socket);
    alive(&server);
}

#[test]
fn t_180_upgrade_loses_and_duplicates_no_packet() {
    let server = start(&wide(Config::plaintext()));
    let mut sender = SioClient::connect(&server, &hs256("sender"));
    let room = room_id(&sender.ask("room:create", &public_room()));
    let mut client = PollingClient::connect(&server, &hs256("reader"));
    assert_eq!(client.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    let say = |sender: &mut SioClient, number: u64| {
        let payload = json!({ "roomId": room, "message": format!("number {number}") });
        assert_eq!(sender.ask("chat:send", &payload)["seq"], number);
    };
    let mut received = Vec::new();
    (1..=10).for_each(|number| say(&mut sender, number));
    received.push(sequence(&client.event("chat:message")));
    let mut socket = client.open_upgrade();
    (11..=20).for_each(|number| say(&mut sender, number));
    socket.send_text("2probe");
    assert_eq!(socket.next_frame().unwrap().text(), "3probe");
    (21..=30).for_each(|number| say(&mut sender, number));
    while received.len() < 25 {
        received.push(sequence(&client.event("chat:message")));
    }
    let left = std::mem::take(&mut client.seen);
    socket.send_text("5");
    (31..=40).for_each(|number| say(&mut sender, number));
    for packet in left.iter().filter(|packet| packet.contains("chat:message")) {
        let arguments: serde_json::Value = serde_json::from_str(&packet[2..]).unwrap();
        received.push(sequence(&arguments[1]));
    }
    while received.len() < 40 {
        let packet = socket_packet(&mut socket, "42[\"chat:message\"");
        let arguments: serde_json::Value = serde_json::from_str(&packet[2..]).unwrap();
        received.push(sequence(&arguments[1]));
    }
    assert_eq!(received, (1..=40).collect::<Vec<u64>>());
}

fn sequence(message: &serde_json::Value) -> u64 {
    message["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {message}"))
}

#[test]
fn t_178_repeated_upgrades_leave_no_memory_or_files() {
    let server = start(&wide(Config::plaintext()));
    let round = || {
        let client = PollingClient::connect(&server, &hs256("ann"));
        let mut socket = client.upgrade();
        socket_works(&mut socket);
        let failed = client.open_upgrade();
        drop(failed);
        socket.send_text("1");
        assert_eq!(socket.close_code(), Some(1000));
    };
    (0..20).for_each(|_| round());
    NOTHING.wait_for(&server);
    let (before, files) = (server.resident_kib(), portcullis_test::open_files(&server));
    (0..200).for_each(|_| round());
    NOTHING.wait_for(&server);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 6 * 1024, "{grown} KiB more");
    until("files to be closed", || {
        (portcullis_test::open_files(&server) <= files + 4).then_some(())
    });
    alive(&server);
}

#[test]
fn t_180_running_post_is_processed_before_the_switch() {
    let server = start(&wide(Config::plaintext()));
    let client = PollingClient::connect(&server, &hs256("ann"));
    let mut socket = client.probe();
    let body: Vec<String> = (0..100)
        .map(|number| {
            format!("42{number}[\"room:create\",{{\"name\":\"r\",\"visibility\":\"private\"}}]")
        })
        .collect();
    let mut posting = client.connection();
    let request = client.post_request(body.join("\u{1e}").as_bytes());
    let requests = || counter(&server, "portcullis_http_requests_total");
    let before = requests();
    posting.send(&request.bytes());
    until("the post to be taken up", || (requests() > before).then_some(()));
    socket.send_text("5");
    socket.send_text("42100[\"room:list\",{}]");
    for number in 0..=100 {
        let answer = socket_packet(&mut socket, "43");
        let expect = format!("43{number}[");
        assert!(answer.starts_with(&expect), "each once, in order: {answer:.40} is not {number}");
    }
    let answer = Answer::read(&mut posting);
    assert!([200, 400].contains(&answer.status), "{}", answer.status);
    socket_works(&mut socket);
}

#[test]
fn t_178_polling_request_that_ends_after_the_switch_has_no_effect() {
    let server = start(&Config::plaintext());
    let bodies = [
        ("a good packet", "3"),
        ("an event", "42[\"room:list\",{}]"),
        ("a close", "1"),
        ("a bad one", "9"),
        ("none", "\u{1e}"),
    ];
    for (what, body) in bodies {
        let client = PollingClient::connect(&server, &hs256("ann"));
        let bytes = client.post_request(body.as_bytes()).bytes();
        let (head, rest) = bytes.split_at(bytes.len() - body.len());
        let mut posting = client.connection();
        posting.send(head);
        let mut socket = client.upgrade();
        socket_works(&mut socket);
        posting.send(rest);
        let answer = Answer::read(&mut posting);
        assert_no_session(&answer, "3", what);
        socket_works(&mut socket);
        socket.send_text("1");
        assert_eq!(socket.close_code(), Some(1000), "{what}");
    }
    NOTHING.wait_for(&server);
    alive(&server);
}
