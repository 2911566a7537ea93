//! A commit that the disk fails: the change may be in force, and the answer says so.
//! Never: "failed" for a change that can be in force after a restart.

use portcullis_test::{SioClient, TestServer, sign_up};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::{code, ready, room, send, start, texts};

/// From now on no file of the server grows beyond the log of its database.
fn limit_files(server: &TestServer) {
    let log = std::fs::metadata(server.data().join("portcullis.db-wal")).unwrap().len();
    let id = Pid::from_raw(i32::try_from(server.id()).unwrap());
    let limit = Rlimit { current: Some(log), maximum: None };
    prlimit(id, Resource::Fsize, limit).unwrap();
}

#[test]
fn message_with_a_failed_commit_has_an_unknown_outcome() {
    let server = start();
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    assert_eq!(send(&mut client, &room, "m1")["seq"], 1);
    limit_files(&server);
    let answer = send(&mut client, &room, "m2");
    assert_eq!(code(&answer), "server_busy", "{answer}");
    assert_eq!(answer["error"]["outcome"], "unknown", "{answer}");
    let answer = ready(&server);
    assert_eq!((answer.status, &answer.json()["parts"]["store"]), (503, &"failing".into()));
    // The next one is not tried, which is definite.
    let answer = send(&mut client, &room, "m3");
    assert_eq!(code(&answer), "storage_failed", "{answer}");
    assert!(answer["error"].get("outcome").is_none(), "{answer}");
    // The client finds out by sending it again, also after a crash.
    let server = server.crash_and_restart();
    let mut client = SioClient::connect(&server, &ann.token);
    assert_eq!(send(&mut client, &room, "m2")["seq"], 2);
    assert_eq!(send(&mut client, &room, "m3")["seq"], 3);
    assert_eq!(texts(&mut client, &room), ["text of m1", "text of m2", "text of m3"]);
}
