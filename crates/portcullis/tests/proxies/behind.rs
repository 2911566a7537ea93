//! The server behind nginx and HAProxy: addresses, TLS, long-lived sockets, polls.
//! Never: a proxy's address blamed for what a client did.

use portcullis_test::{Config, SioClient, hs256, packets};
use serde_json::json;

use crate::started::{Behind, Kind, NAME};

const ALL: [Kind; 3] = [Kind::Nginx, Kind::HaproxyEnds, Kind::HaproxyThrough];

#[test]
fn rates_behind_a_proxy_count_by_client() {
    for kind in ALL {
        let behind = Behind::start(kind, Config::strict_rates());
        let ask = |source, spoofed: &str| {
            let request = behind.upgrade().header("X-Forwarded-For", spoofed);
            request.ask_on(&mut behind.connect(source)).status
        };
        for n in 0..10 {
            assert_eq!(ask([127, 7, 7, 7], &format!("1.2.3.{n}")), 101, "{kind:?} {n}");
        }
        assert_eq!(ask([127, 7, 7, 7], "1.2.3.99"), 429, "{kind:?}");
        assert_eq!(ask([127, 7, 7, 8], "127.7.7.7"), 101, "{kind:?}: others are unaffected");
        let record = behind.server.records.wait_for_rule("connect_per_prefix");
        assert_eq!(record["source"]["ip"], "127.7.7.7", "{kind:?}");
    }
}

#[test]
fn bad_head_behind_a_proxy_does_not_block_other_clients() {
    for kind in [Kind::Nginx, Kind::HaproxyEnds] {
        let mut config = Config::strict_rates();
        config.rate = vec![String::from("penalty_per_prefix = \"3/60s\"")];
        let behind = Behind::start(kind, config);
        let long = format!("/{}", "a".repeat(3_000));
        for n in 0..20 {
            let honest = behind.get("/").ask_on(&mut behind.connect([127, 7, 7, 7]));
            assert_eq!(honest.status, 200, "{kind:?} {n}");
            // What the proxy takes and the server does not, on the connection they keep.
            let refused = behind.get(&long).ask_on(&mut behind.connect([127, 7, 7, 8]));
            assert_eq!(refused.status, 414, "{kind:?} {n}");
        }
        let record = behind.server.records.wait_for_rule("target_size");
        assert_eq!(record["source"]["ip"], "127.0.0.1", "{kind:?}: as far as it is known");
    }
}

#[test]
fn socket_behind_a_proxy_stays_open_and_gets_a_close_frame() {
    for kind in ALL {
        let mut config = Config::default();
        config.transport.push(String::from("ping_interval_ms = 200"));
        let behind = Behind::start(kind, config);
        let source = [127, 7, 7, 7];
        let mut ann = SioClient::over(behind.connect(source), &behind.upgrade());
        ann.sign_in(&hs256("ann"));
        let mut bob = SioClient::over(behind.connect([127, 7, 7, 8]), &behind.upgrade());
        bob.sign_in(&hs256("bob"));
        let room = json!({ "name": "Gate", "visibility": "public" });
        let room = ann.ask("room:create", &room)["room"]["id"].clone();
        assert_eq!(bob.ask("room:join", &json!({ "roomId": room }))["ok"], true, "{kind:?}");
        // Silent, but for a few pings.
        for client in [&mut ann, &mut bob] {
            for _ in 0..4 {
                while client.socket.next_frame().expect("a ping").payload != b"2" {}
                client.send("3");
            }
        }
        let text = "All is quiet at the gate tonight, and the lamp is lit. ".repeat(10);
        let text = text.trim();
        let sent = ann.ask("chat:send", &json!({ "roomId": room, "message": text }));
        assert_eq!(sent["ok"], true, "{kind:?} {sent}");
        assert_eq!(bob.event("chat:message")["message"], text, "{kind:?}");
        // A protocol fault is answered with its close code, through the proxy.
        bob.send("9");
        assert_eq!(bob.close_code(), Some(1002), "{kind:?}");
    }
}

#[test]
fn polling_session_works_over_kept_connections() {
    for kind in ALL {
        let behind = Behind::start(kind, Config::default());
        let ask =
            |request: portcullis_test::Request| request.ask_on(&mut behind.connect([127, 7, 7, 7]));
        let path = "/socket.io/?EIO=4&transport=polling";
        let opened = ask(behind.get(path));
        assert_eq!(opened.status, 200, "{kind:?}");
        let first = packets(&opened).remove(0);
        let open: serde_json::Value = serde_json::from_str(&first[1..]).unwrap();
        let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());
        let connect = format!("40{}", json!({ "token": hs256("ann") }));
        let post = portcullis_test::Request::post(&behind.server, &path, &connect)
            .with("Host", NAME)
            .header("Origin", &format!("https://{NAME}"))
            .with("Content-Type", "text/plain;charset=UTF-8");
        assert_eq!(ask(post).status, 200, "{kind:?}");
        let polled = ask(behind.get(&path));
        assert!(packets(&polled).remove(0).starts_with("40{"), "{kind:?}");
    }
}
