//! A disk that is nearly full: content is rejected, everything else goes on.
//! Never: a connection that ends for it, or an acknowledged message that is lost.

use portcullis_test::{Person, SioClient, TestServer, login, register, set_up, sign_in, sign_up};
use serde_json::{Value, json};

use crate::{code, ready, room, send, start, texts};

const PASSWORD: &str = "a plain long sentence of my own";

/// Starts the server again with a reserve that is larger than what is free, by so many times.
fn fill(server: TestServer, times: f64) -> TestServer {
    let disk = rustix::fs::statvfs(server.data()).unwrap();
    let free_kib = disk.f_bavail * disk.f_frsize / 1024;
    let file = server.data().with_file_name("portcullis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "any size between two others"
    )]
    let min_free_kib = (free_kib as f64 * times) as u64;
    let section = format!("\n[store]\nmin_free = \"{min_free_kib}KiB\"\n");
    std::fs::write(&file, text + &section).unwrap();
    server.restart()
}

/// A server with a full disk; on it an administrator, two users, a room and a message.
fn full(times: f64) -> (TestServer, Person, [Person; 2], String) {
    let server = start();
    let root = set_up(&server, "root");
    let people = ["ann", "bob"].map(|name| sign_up(&server, name));
    let mut client = SioClient::connect(&server, &people[0].token);
    let room = room(&mut client);
    assert_eq!(send(&mut client, &room, "m1")["seq"], 1);
    (fill(server, times), root, people, room)
}

#[test]
fn full_disk_rejects_content_and_leaves_connections_reads_and_bans() {
    let (server, root, [ann, bob], room) = full(2.0);
    let mut client = SioClient::connect(&server, &ann.token);
    let mut victim = SioClient::connect(&server, &bob.token);
    let rejected: [(&str, Value); 3] = [
        ("chat:send", json!({ "roomId": room, "message": "x" })),
        ("room:create", json!({ "name": "Two", "visibility": "public" })),
        ("room:invite", json!({ "roomId": room, "userId": bob.id })),
    ];
    for (event, payload) in rejected {
        let answer = client.ask(event, &payload);
        assert_eq!(code(&answer), "storage_full", "{event}: {answer}");
        assert_eq!(answer["error"]["retry_after_s"], 30, "{event}");
    }
    let answer = register(&server, "eve", PASSWORD);
    assert_eq!((answer.status, answer.code().as_str()), (503, "storage_full"));

    // What was acknowledged is there, and is acknowledged again.
    assert_eq!(send(&mut client, &room, "m1")["seq"], 1);
    assert_eq!(texts(&mut client, &room), ["text of m1"]);
    // A member subscribes, live events are delivered, and a login opens a session.
    assert_eq!(code(&client.ask("room:join", &json!({ "roomId": room }))), "ok");
    assert_eq!(login(&server, "ann", PASSWORD).status, 200);
    let mut admin = SioClient::connect(&server, &sign_in(&server, "root").token);
    assert_eq!(code(&admin.ask("admin:broadcast", &json!({ "message": "disk is full" }))), "ok");
    assert_eq!(client.event("announcement")["message"], "disk is full");

    // Authority and content are taken away.
    assert_eq!(code(&admin.ask("user:ban", &json!({ "userId": bob.id }))), "ok");
    assert_eq!(victim.close_code(), Some(4401));
    let banned = server.operate(&["user", "ban", "ann"], "");
    assert!(banned.status.success());
    assert_eq!(client.close_code(), Some(4401));
    let _recorded = server.records.wait_for(|record| record["event"]["reason"] == "operator");

    assert_eq!(ready(&server).json()["parts"]["store"], "full");
    let changed =
        server.records.wait_for(|record| record["event"]["code"] == "storage_state_changed");
    assert_eq!(
        (&changed["event"]["reason"], &changed["log"]["level"]),
        (&json!("full"), &json!("critical"))
    );
    drop(root);
}

#[test]
fn room_can_be_left_and_deleted_while_the_disk_is_full() {
    let (server, _root, [ann, _bob], room) = full(2.0);
    let mut client = SioClient::connect(&server, &ann.token);
    for event in ["room:leave", "room:delete"] {
        assert_eq!(code(&client.ask(event, &json!({ "roomId": room }))), "ok", "{event}");
    }
}

#[test]
fn last_quarter_of_the_reserve_is_kept_for_bans() {
    let (server, root, [_ann, bob], _room) = full(8.0);
    let answer = login(&server, "ann", PASSWORD);
    assert_eq!((answer.status, answer.code().as_str()), (503, "storage_full"));
    let mut admin = SioClient::connect(&server, &root.token);
    let mut victim = SioClient::connect(&server, &bob.token);
    assert_eq!(code(&admin.ask("user:ban", &json!({ "userId": bob.id }))), "ok");
    assert_eq!(victim.close_code(), Some(4401));
}
