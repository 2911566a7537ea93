//! Files of the data directory: they reveal no secret, and changes to them are detected.
//! Never: a text, a factor or a token in the clear; a changed field that is read.

use std::path::Path;

use portcullis_test::{SioClient, TestServer, set_up, sign_up};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{code, room, start, unlimited};

const TEXT: &str = "zq7canary of a message";

/// Whether any file below a directory holds these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|part| part == bytes)
    })
}

fn sql(server: &TestServer) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(server.data().join("portcullis.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    database
}

#[test]
fn t150_t155_neither_texts_nor_factors_nor_tokens_lie_in_the_clear() {
    let server = start(&unlimited());
    let _ann = sign_up(&server, "ann");
    let browser = Browser::log_in(&server, "ann");
    let started = browser.post(&server, "/auth/totp/begin", &json!({})).json();
    let secret = started["secret"].as_str().unwrap().to_owned();
    let mut client = SioClient::connect(&server, &browser.token);
    let hall = room(&mut client, "public");
    let response = client.ask("chat:send", &json!({ "roomId": hall, "message": TEXT }));
    assert_eq!(code(&response), "ok");
    let formatted = format!("<b>{TEXT}</b>");
    let response = client.ask("chat:send", &json!({ "roomId": hall, "message": formatted }));
    assert_eq!(code(&response), "ok");
    let data = server.data();
    assert!(holds(&data, hall.as_bytes()), "the search finds what is there");
    for hidden in [TEXT, &secret, &browser.token, &browser.refresh, "a plain long sentence"] {
        assert!(!holds(&data, hidden.as_bytes()), "{hidden}");
    }
    let server = server.restart();
    assert!(!holds(&server.data(), TEXT.as_bytes()));
    let mut client = SioClient::connect(&server, &Browser::log_in(&server, "ann").token);
    let history = client.ask("chat:history", &json!({ "roomId": hall }));
    assert_eq!(history["messages"][0]["message"], TEXT, "{history}");
}

#[test]
fn t151_t156_moved_or_changed_value_does_not_open_and_is_recorded() {
    let server = start(&unlimited());
    let root = set_up(&server, "root");
    let mut client = SioClient::connect(&server, &root.token);
    let halls =
        [room(&mut client, "public"), room(&mut client, "public"), room(&mut client, "public")];
    for (number, hall) in halls.iter().enumerate() {
        let payload = json!({ "roomId": hall, "message": format!("text {number}") });
        assert_eq!(code(&client.ask("chat:send", &payload)), "ok");
    }
    let database = sql(&server);
    let sealed: Vec<(i64, Vec<u8>)> = database
        .prepare("SELECT number, sealed FROM messages ORDER BY number")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(sealed.len(), 3);
    let put = |number: i64, value: &[u8]| {
        let statement = "UPDATE messages SET sealed = ?2 WHERE number = ?1";
        assert_eq!(database.execute(statement, (number, value)).unwrap(), 1);
    };
    let history =
        |client: &mut SioClient, hall: &str| client.ask("chat:history", &json!({ "roomId": hall }));
    put(sealed[0].0, &sealed[1].1);
    let moved: Value = history(&mut client, &halls[0]);
    assert_eq!(code(&moved), "INTERNAL", "{moved}");
    assert!(!moved.to_string().contains("text 1"));
    let record = server.records.wait_for(|record| record["event"]["code"] == "crypt_decrypt_fail");
    assert_eq!(record["rule"]["name"], "seal");
    let mut changed = sealed[1].1.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    for value in [&changed[..], &sealed[1].1[..last], &[]] {
        put(sealed[1].0, value);
        assert_eq!(code(&history(&mut client, &halls[1])), "INTERNAL");
    }
    // The rest goes on, and what is put back can be read.
    let rest = history(&mut client, &halls[2]);
    assert_eq!(rest["messages"][0]["message"], "text 2", "{rest}");
    put(sealed[0].0, &sealed[0].1);
    assert_eq!(history(&mut client, &halls[0])["messages"][0]["message"], "text 0");
}

#[test]
fn t153_missing_keyring_of_sealed_values_stops_the_start() {
    let mut server = start(&unlimited());
    let root = set_up(&server, "root");
    let mut client = SioClient::connect(&server, &root.token);
    let hall = room(&mut client, "public");
    let payload = json!({ "roomId": hall, "message": TEXT });
    assert_eq!(code(&client.ask("chat:send", &payload)), "ok");
    assert!(server.terminate().success());
    let ring = server.data().join("field-keys.ring");
    let kept = std::fs::read(&ring).unwrap();
    std::fs::remove_file(&ring).unwrap();
    let output = server.operate(&["serve"], "");
    assert_eq!(output.status.code(), Some(2));
    let response = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        response.contains("field-keys.ring is not in") && response.contains("put it back"),
        "{response}"
    );
    assert!(!ring.exists(), "no new ring is made in its place");
    // Nor with one that is cut, or another's.
    std::fs::write(&ring, &kept[..kept.len() / 2]).unwrap();
    assert_ne!(server.operate(&["serve"], "").status.code(), Some(0));
}
