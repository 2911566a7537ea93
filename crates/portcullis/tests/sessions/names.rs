//! Names of users of other issuers, as other users see them.
//! Never: a user who is rejected because of a name.

use portcullis_test::{
    Config, SECRET, SioClient, TestServer, claims, forge_hs256, register, sign_up,
};
use serde_json::{Value, json};

use crate::{code, room, start, unlimited};

/// A token of the other issuer; `roles` come with it.
fn token(subject: &str, name: &str, roles: Option<&[&str]>) -> String {
    let mut claims: Value = claims(subject);
    claims["name"] = json!(name);
    if let Some(roles) = roles {
        claims["roles"] = json!(roles);
    }
    let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    forge_hs256(&header, &claims.to_string(), SECRET.as_bytes())
}

/// What others in a room read as the user's name.
fn shown(server: &TestServer, token: &str) -> String {
    let mut client = SioClient::connect(server, token);
    let tea = room(&mut client, "private");
    let members = client.ask("room:members", &json!({ "roomId": tea }));
    members["members"][0]["username"].as_str().unwrap().to_owned()
}

#[test]
fn names_that_deceive_are_replaced_and_their_users_connect() {
    let server = start(&unlimited());
    let _alice = sign_up(&server, "alice");
    let names = [
        "alice",
        "ALICE",
        "\u{430}lice",
        "a.l.i.c.e",
        "al\u{69}\u{307}ce",
        "aIice",
        "Moderator",
        "admin",
        "Portcullis",
        "M0derat0r",
        "\u{41c}oderator",
        "system",
        "Zo\u{335}\u{335}\u{335}e",
        "ann\u{200b}lee",
        "ann\u{202e}lee",
    ];
    for (number, name) in names.into_iter().enumerate() {
        assert_eq!(shown(&server, &token(&format!("s{number}"), name, None)), format!("s{number}"));
    }
    // The subject follows the same rules.
    let neutral = shown(&server, &token("alice", "Moderator", None));
    assert!(neutral.starts_with("guest "), "{neutral}");
    assert_eq!(shown(&server, &token("77", "Ann O'Neil", None)), "Ann O'Neil");
}

#[test]
fn own_user_with_a_name_displaces_its_look_alikes() {
    let server = start(&unlimited());
    let mut client = SioClient::connect(&server, &token("77", "b\u{f6}b", None));
    let tea = room(&mut client, "public");
    let name = |client: &mut SioClient| {
        let members = client.ask("room:members", &json!({ "roomId": tea }));
        members["members"][0]["username"].as_str().unwrap().to_owned()
    };
    assert_eq!(name(&mut client), "b\u{f6}b");
    let _bob = sign_up(&server, "Bob");
    let neutral = name(&mut client);
    assert!(neutral.starts_with("guest "), "{neutral}");
    let record = server.records.wait_for(|record| record["event"]["reason"] == "name_replaced");
    assert_eq!(record["event"]["code"], "user_updated");
    for office in ["moderator", "Adm1n", "portcullis"] {
        let answer = register(&server, office, "a plain long sentence of my own");
        assert_eq!(answer.status, 409, "{office}");
    }
}

#[test]
fn muted_user_takes_no_other_name_with_a_new_token() {
    // A key of the issuer's table, which stands last.
    let trusted = String::from("roles_claim = [\"roles\"]\n");
    let server = start(&Config { more: trusted, ..unlimited() });
    let mut client = SioClient::connect(&server, &token("77", "Ann", Some(&[])));
    let tea = room(&mut client, "public");
    let members = client.ask("room:members", &json!({ "roomId": tea }));
    let id = members["members"][0]["id"].as_str().unwrap().to_owned();
    let output = server.operate(&["user", "mute", &id], "");
    assert_eq!(output.status.code(), Some(0));
    let _in_force = server.records.wait_for(|record| record["event"]["reason"] == "operator");
    // A change of roles takes over what else the token says.
    let roles: [&[&str]; 2] = [&["moderator"], &[]];
    let response = token("77", "I say this", Some(roles[0]));
    assert_eq!(shown_in(&server, &response, &tea), "Ann");
    assert_eq!(server.operate(&["user", "unmute", &id], "").status.code(), Some(0));
    let lifted = |record: &Value| {
        record["message"].as_str().is_some_and(|message| message.starts_with("mute lifted"))
    };
    let _in_force = server.records.wait_for(lifted);
    assert_eq!(shown_in(&server, &token("77", "Ann Lee", Some(roles[1])), &tea), "Ann Lee");
}

fn shown_in(server: &TestServer, token: &str, tea: &str) -> String {
    let mut client = SioClient::connect(server, token);
    let members = client.ask("room:members", &json!({ "roomId": tea }));
    assert_eq!(code(&members), "ok");
    members["members"][0]["username"].as_str().unwrap().to_owned()
}
