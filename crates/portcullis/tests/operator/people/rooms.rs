//! Rooms and users deleted at the command line while clients are connected.
//! Never: a deletion that waits for a restart, or that leaves no record.

use portcullis_test::{Config, SioClient, TestServer, register, set_up, sign_up};
use serde_json::{Value, json};

use crate::{done, refused, start};

fn recorded(server: &TestServer, words: &str) -> Value {
    server.records.wait_for(|record| {
        record["event"]["reason"] == "operator"
            && record["message"].as_str().is_some_and(|message| message.contains(words))
    })
}

fn room(client: &mut SioClient, name: &str) -> String {
    let made = client.ask("room:create", &json!({ "name": name, "visibility": "public" }));
    made["room"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn room_deleted_at_the_command_line_ends_for_its_members() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let (tea, pub_) = (room(&mut client, "Tea"), room(&mut client, "Pub"));
    let response = json!({ "roomId": tea, "message": "hello" });
    assert_eq!(client.ask("chat:send", &response)["ok"], true);

    let list = done(&server, &["room", "list", "--search", "tea"], "");
    assert!(list.contains(&tea) && list.contains("owner \"ann\"  1 member  1 message"), "{list}");
    assert!(!list.contains(&pub_));
    done(&server, &["room", "delete", &tea], "");
    assert_eq!(client.event("room:deleted")["roomId"], json!(tea));
    let record = recorded(&server, &format!("room {tea} deleted"));
    assert_eq!(record["event"]["code"], "authz_admin");
    assert_eq!(client.ask("chat:send", &response)["error"]["code"], "forbidden");
    let response = json!({ "roomId": pub_, "message": "hello" });
    assert_eq!(client.ask("chat:send", &response)["ok"], true);
    let error = refused(&server, &["room", "delete", &tea], "");
    assert!(error.contains("there is no room"), "{error}");
    assert!(!done(&server, &["room", "list"], "").contains(&tea));
}

#[test]
fn user_deleted_at_the_command_line_ends_and_messages_stay() {
    let server = start(&Config::default());
    let _root = set_up(&server, "root");
    let [ann, bob] = ["ann", "bob"].map(|name| sign_up(&server, name));
    let mut hers = SioClient::connect(&server, &ann.token);
    let mut his = SioClient::connect(&server, &bob.token);
    let (tea, pub_) = (room(&mut hers, "Tea"), room(&mut his, "Pub"));
    assert_eq!(hers.ask("room:join", &json!({ "roomId": pub_ }))["ok"], true);
    assert_eq!(hers.ask("chat:send", &json!({ "roomId": pub_, "message": "hello" }))["ok"], true);
    assert_eq!(his.ask("room:join", &json!({ "roomId": tea }))["ok"], true);

    let line = done(&server, &["user", "delete", "ann"], "");
    assert!(line.contains("ann: deleted; 1 room deleted"), "{line}");
    assert_eq!(hers.close_code(), Some(4401));
    assert_eq!(his.event("room:deleted")["roomId"], json!(tea));
    let _record = recorded(&server, "user deleted, 1 room deleted");
    let read = his.ask("chat:history", &json!({ "roomId": pub_ }));
    assert_eq!(read["messages"][0]["username"], "deleted user", "{read}");
    let members = his.ask("room:members", &json!({ "roomId": pub_ }));
    assert_eq!(members["members"].as_array().unwrap().len(), 1, "{members}");
    assert_eq!(
        portcullis_test::login(&server, "ann", "a plain long sentence of my own").status,
        401
    );
    assert!(!done(&server, &["user", "list"], "").contains(&ann.id));
    // The name is free again, and another user takes it.
    assert_eq!(register(&server, "ann", "quite another long sentence").status, 201);

    let kept = done(&server, &["user", "delete", "bob", "--keep-rooms"], "");
    assert!(kept.contains("1 room kept without an owner"), "{kept}");
    assert!(done(&server, &["room", "list"], "").contains(&pub_));
    let cases: [(&[&str], &str); 2] = [
        (&["user", "delete", "root"], "the last administrator"),
        (&["user", "delete", "missing"], "there is no user"),
    ];
    for (arguments, words) in cases {
        let error = refused(&server, arguments, "");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}
