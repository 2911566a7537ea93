//! A file of the database that is moved or removed while the server runs.
//! Never: an acknowledged change that is lost with it.

use portcullis_test::{SioClient, sign_up, until};
use serde_json::json;

use crate::{code, ready, room, send, start, texts};

#[test]
fn moved_database_rejects_changes_until_it_is_put_back() {
    let server = start();
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    assert_eq!(send(&mut client, &room, "m1")["seq"], 1);
    for name in ["portcullis.db", "portcullis.db-wal"] {
        let (path, away) = (server.data().join(name), server.data().join("away"));
        std::fs::rename(&path, &away).unwrap();
        // Noticed without a change as well.
        until("a server that is not ready", || {
            let answer = ready(&server);
            (answer.status == 503 && answer.json()["parts"]["store"] == "moved").then_some(())
        });
        let answer = send(&mut client, &room, "m2");
        assert_eq!(code(&answer), "storage_failed", "{answer}");
        assert_eq!(code(&client.ask("room:delete", &json!({ "roomId": room }))), "storage_failed");
        assert_eq!(texts(&mut client, &room), ["text of m1"], "reads go on");
        let changed = server.records.wait_for(|record| record["event"]["reason"] == "moved");
        assert_eq!(changed["event"]["code"], "storage_state_changed");
        std::fs::rename(&away, &path).unwrap();
        until("a server that is ready", || (ready(&server).status == 200).then_some(()));
    }
    assert_eq!(send(&mut client, &room, "m2")["seq"], 2);
    let server = server.crash_and_restart();
    let mut client = SioClient::connect(&server, &ann.token);
    assert_eq!(texts(&mut client, &room), ["text of m1", "text of m2"]);
}

#[test]
fn change_after_the_database_was_removed_is_rejected_at_once() {
    let server = start();
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    std::fs::remove_file(server.data().join("portcullis.db")).unwrap();
    let answer = send(&mut client, &room, "m1");
    assert_eq!(code(&answer), "storage_failed", "{answer}");
}
