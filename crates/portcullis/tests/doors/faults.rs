//! T-264: faults of the server, and the answers to peers.
//! Never: a detail of the server's internals in an answer.

use portcullis_test::{Config, Request, SioClient, TestServer, login, sign_up};
use serde_json::{Value, json};

use crate::browsers::headers::check;
use crate::clients::{alive, start};

const PASSWORD: &str = "a plain long sentence of my own";

/// What no peer has to know.
const WITHIN: [&str; 10] =
    ["sql", "table", "overflow", "broken", "portcullis", "store", "::", ".rs", "panic", "/"];

/// Changes the database behind the server's back.
fn change(server: &TestServer, statement: &str) {
    let database = rusqlite::Connection::open(server.data().join("portcullis.db")).unwrap();
    database.busy_timeout(portcullis_test::WAIT).unwrap();
    database.execute_batch(statement).unwrap();
}

/// Makes a table read-only, so that reads and other users are not affected.
fn fail_writes(server: &TestServer, table: &str) {
    // No integer is that large: SQLite understands the statement, and fails while it writes.
    let act = "BEGIN SELECT abs(-9223372036854775808); END";
    change(server, &format!("CREATE TRIGGER broken BEFORE INSERT ON {table} {act}"));
}

fn mend(server: &TestServer) {
    change(server, "DROP TRIGGER broken");
}

/// The answer is generic, and its reference leads the operator to the fault in the records.
fn check_answer(server: &TestServer, refusal: &Value) {
    let text = refusal.to_string().to_lowercase();
    for word in WITHIN {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(refusal["code"], "INTERNAL", "{refusal}");
    assert_eq!(refusal["message"], "Internal error", "{refusal}");
    let reference = refusal["ref"].as_str().unwrap();
    let record = server.records.wait_for(|record| record["trace"]["id"] == reference);
    assert_eq!(record["event"]["code"], "sys_crash", "{record}");
}

#[test]
fn t260_t264_request_with_an_internal_fault_gets_only_a_reference() {
    for config in [Config::default(), Config::plaintext()] {
        let server = start(&config);
        let _ann = sign_up(&server, "ann");
        fail_writes(&server, "sessions");
        let failed = login(&server, "ann", PASSWORD);
        check(&failed, 500, false);
        check_answer(&server, &failed.json());
        assert_eq!(failed.header("set-cookie"), None);
        mend(&server);
        assert_eq!(login(&server, "ann", PASSWORD).status, 200);
        alive(&server);
    }
}

#[test]
fn t264_event_with_an_internal_fault_gets_only_a_reference() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let made = client.ask("room:create", &json!({ "name": "R", "visibility": "public" }));
    let id = made["room"]["id"].as_str().unwrap();
    let message = json!({ "roomId": id, "message": "hello" });
    fail_writes(&server, "messages");
    check_answer(&server, &client.ask("chat:send", &message)["error"]);
    mend(&server);
    let sent = client.ask("chat:send", &message);
    assert_eq!(sent["seq"], 1, "nothing was counted that failed: {sent}");
    assert_eq!(Request::get(&server, "/").ask(&server).status, 200);
    alive(&server);
}
