//! A server that examines itself, while other programs open and close its database.
//! Never: a lock of the database that the examination drops.

use portcullis_test::{SioClient, TestServer, sign_up};

use crate::{room, send, start, texts};

/// Runs a command of the operator, whatever it finds.
fn run(server: &TestServer, arguments: &[&str]) -> String {
    let output = server.operate(arguments, "");
    let code = output.status.code().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!([0, 3, 4].contains(&code), "{arguments:?}: {code} {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn change_after_an_examination_by_the_server_survives_its_crash() {
    let server = start();
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    let report: serde_json::Value =
        serde_json::from_str(&run(&server, &["doctor", "--json"])).unwrap();
    assert_eq!(report["server"], true, "{report}");
    // Another process opens and closes the database. It would be the last connection, and remove
    // the log, if the examination had dropped the locks of the server.
    assert_eq!(run(&server, &["block", "list"]), "");
    assert!(server.data().join("portcullis.db-wal").exists());
    assert_eq!(send(&mut client, &room, "m1")["seq"], 1);
    let server = server.crash_and_restart();
    let mut client = SioClient::connect(&server, &ann.token);
    assert_eq!(texts(&mut client, &room), ["text of m1"]);
}
