//! `/ready` reports the state of the store and of the threads that serve.
//! Never: ready while the database is damaged.

use std::io::{Seek, SeekFrom, Write};

use portcullis_test::{SioClient, sign_up, until};
use serde_json::json;

use crate::{code, ready, room, send, start};

#[test]
fn healthy_server_names_its_parts() {
    let server = start();
    let answer = ready(&server);
    let parts = json!({ "shards": "ok", "sessions": "ok", "security_log": "ok", "store": "ok" });
    assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ready", "parts": parts })));
}

#[test]
fn damaged_database_makes_the_server_not_ready_and_keeps_its_connections() {
    let server = start();
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    let path = server.data().join("portcullis.db");
    // The log is folded into the file first, so that no sound copy of the pages is left.
    let other = rusqlite::Connection::open(&path).unwrap();
    until("the checkpoint", || {
        let done = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        (done == Ok(0_i64)).then_some(())
    });
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length - 4096).unwrap()]).unwrap();
    drop(other);
    // What the writer has in its cache is sound until another connection has written.
    let answer = until("a failing write", || {
        let answer = send(&mut client, &room, "m1");
        (code(&answer) != "ok").then_some(answer)
    });
    assert_eq!(code(&answer), "storage_failed", "{answer}");
    let answer = ready(&server);
    assert_eq!((answer.status, &answer.json()["parts"]["store"]), (503, &json!("corrupt")));
    assert_eq!(code(&client.ask("room:list", &json!({}))), "ok", "the connection goes on");
}
