//! Rooms with many users: full lists, moderation by rank, muted users.
//! Never: two clients whose order the test does not know.

use std::net::IpAddr;

use portcullis_test::{Config, Connection, Request, SioClient, TestServer, hs256, set_up, sign_up};
use serde_json::{Value, json};

use crate::{code, room, start, unlimited};

/// A client at another loopback address.
fn connect_from(server: &TestServer, source: &str, name: &str) -> SioClient {
    let source: IpAddr = source.parse().unwrap();
    let path = "/socket.io/?EIO=4&transport=websocket";
    let request = Request::upgrade(server, path);
    let mut client = SioClient::over(Connection::open_from(server, source), &request);
    client.sign_in(&hs256(name));
    client
}

fn create(client: &mut SioClient, name: &str) -> Value {
    client.ask("room:create", &json!({ "name": name, "visibility": "public" }))
}

fn with_capacity(lines: &[&str]) -> Config {
    let mut config = unlimited();
    config.capacity.extend(lines.iter().map(ToString::to_string));
    config
}

/// Every page of the list, one after another.
fn listed(client: &mut SioClient, search: Option<&str>) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut payload = json!({});
        if let Some(after) = &after {
            payload["after"] = json!(after);
        }
        if let Some(search) = search {
            payload["search"] = json!(search);
        }
        let answer = client.ask("room:list", &payload);
        assert_eq!(code(&answer), "ok", "{answer}");
        let rooms = answer["rooms"].as_array().unwrap();
        ids.extend(rooms.iter().map(|room| room["id"].as_str().unwrap().to_owned()));
        match answer["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return ids,
        }
    }
}

#[test]
fn full_share_of_rooms_rejects_one_address_and_no_other() {
    let server = start(&with_capacity(&["rooms_total = 10"]));
    let mut ann = connect_from(&server, "127.0.0.1", "ann");
    for number in 0..5 {
        assert_eq!(code(&create(&mut ann, &format!("room {number}"))), "ok");
    }
    let rejected = create(&mut ann, "one more");
    assert_eq!(code(&rejected), "limit_reached", "{rejected}");
    // Another account at the same address shares its address's rooms.
    let mut eve = connect_from(&server, "127.0.0.1", "eve");
    assert_eq!(code(&create(&mut eve, "one more")), "limit_reached");
    let record = server.records.wait_for_rule("room_limit");
    assert_eq!(record["event"]["reason"], "rooms_per_prefix");

    // What was acknowledged is in force; a rejected room is nowhere.
    let mut bob = connect_from(&server, "127.0.0.2", "bob");
    let made = create(&mut bob, "of another address");
    assert_eq!(code(&made), "ok", "{made}");
    let id = made["room"]["id"].as_str().unwrap();
    let sent = bob.ask("chat:send", &json!({ "roomId": id, "message": "hello" }));
    assert_eq!(code(&sent), "ok", "{sent}");
    assert_eq!(listed(&mut bob, None).len(), 6);
    // A deleted room makes space.
    let rooms = listed(&mut ann, Some("room 0"));
    assert_eq!(code(&ann.ask("room:delete", &json!({ "roomId": rooms[0] }))), "ok");
    assert_eq!(code(&create(&mut ann, "again")), "ok");
}

#[test]
fn full_table_of_rooms_is_recorded_and_measured() {
    let server = start(&with_capacity(&["rooms_total = 10"]));
    for (source, name, count) in
        [("127.0.0.1", "ann", 5), ("127.0.0.2", "bob", 3), ("127.0.0.3", "cat", 1)]
    {
        let mut client = connect_from(&server, source, name);
        for number in 0..count {
            assert_eq!(code(&create(&mut client, &format!("{name} {number}"))), "ok");
        }
    }
    let record = server.records.wait_for(|record| {
        record["event"]["code"] == "table_nearly_full"
            && record["rule"]["name"] == "directory_rooms"
    });
    let detail = record["message"].as_str().unwrap();
    assert!(detail.contains("of 10 entries") && detail.contains("made 5 of them"), "{detail}");
    assert_eq!(record["labels"]["party"], "127.0.0.1");
    let used =
        portcullis_test::counter(&server, "portcullis_table_entries{table=\"directory_rooms\"}");
    assert_eq!(used, 9);
}

#[test]
fn full_share_of_users_rejects_new_ones_of_one_address() {
    let server = start(&with_capacity(&["users_total = 10"]));
    for number in 0..5 {
        connect_from(&server, "127.0.0.1", &format!("ann{number}"));
    }
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut open = SioClient::over(
        Connection::open_from(&server, "127.0.0.1".parse().unwrap()),
        &Request::upgrade(&server, path),
    );
    open.send(&format!("40{}", json!({ "token": hs256("ann5") })));
    let rejected = open.wait_packet(|packet| packet.starts_with("44"));
    assert!(rejected.contains("limit_reached"), "{rejected}");
    // Known users come back, and other addresses are not affected.
    connect_from(&server, "127.0.0.1", "ann0");
    let mut bob = connect_from(&server, "127.0.0.2", "bob");
    assert_eq!(code(&create(&mut bob, "tea")), "ok");
}

#[test]
fn user_of_many_rooms_reaches_their_own_limit_and_leaves_make_space() {
    let server = start(&with_capacity(&["memberships_per_user = 3"]));
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let rooms: Vec<_> = (0..3).map(|_| room(&mut ann, "public")).collect();
    let full = create(&mut ann, "one more");
    assert_eq!(code(&full), "limit_reached");
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    let other = room(&mut bob, "public");
    let join = json!({ "roomId": other });
    assert_eq!(code(&ann.ask("room:join", &join)), "limit_reached");
    assert_eq!(code(&ann.ask("room:join", &json!({ "roomId": rooms[0] }))), "ok", "a member");
    assert_eq!(code(&ann.ask("room:leave", &json!({ "roomId": rooms[0] }))), "ok");
    assert_eq!(code(&ann.ask("room:join", &join)), "ok");
}

#[test]
fn room_list_shows_rooms_of_others_beside_those_of_owners_of_many() {
    let server = start(&unlimited());
    let mut mallory = SioClient::connect(&server, &hs256("mallory"));
    let mut olga = SioClient::connect(&server, &hs256("olga"));
    let old = room(&mut olga, "public");
    for number in 0..120 {
        assert_eq!(code(&create(&mut mallory, &format!("M\u{e4}rz {number}"))), "ok");
    }
    let mut eve = SioClient::connect(&server, &hs256("eve"));
    let first = eve.ask("room:list", &json!({}));
    let rooms = first["rooms"].as_array().unwrap();
    assert_eq!(rooms.len(), 100);
    assert!(rooms[..4].iter().any(|room| room["id"] == json!(old)), "{first}");
    assert_eq!(listed(&mut eve, None).len(), 121);
    assert_eq!(listed(&mut eve, Some("m\u{c4}RZ 1")).len(), 31);
    assert_eq!(listed(&mut eve, Some("nothing")), Vec::<String>::new());
    for (field, value) in [("after", "x"), ("after", "p:0:1:../r"), ("search", "\u{202e}x")] {
        let answer = eve.ask("room:list", &json!({ field: value }));
        assert_eq!(answer["error"]["field"], field, "{answer}");
    }
}

#[test]
fn room_members_are_listed_page_by_page() {
    let server = start(&unlimited());
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let tea = room(&mut ann, "public");
    let all = ann.ask("room:members", &json!({ "roomId": tea }));
    assert!(all.get("next").is_none() && all["members"][0]["external"] == true, "{all}");
    let id = all["members"][0]["id"].clone();
    let rest = ann.ask("room:members", &json!({ "roomId": tea, "after": id }));
    assert_eq!(rest["members"], json!([]), "{rest}");
}

#[test]
fn users_of_other_issuers_are_marked_and_own_ones_are_not() {
    let server = start(&unlimited());
    let own = sign_up(&server, "olga");
    let mut olga = SioClient::connect(&server, &own.token);
    let tea = room(&mut olga, "public");
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    assert_eq!(code(&ann.ask("room:join", &json!({ "roomId": tea }))), "ok");
    let joined = olga.event("room:member");
    assert_eq!((&joined["username"], &joined["external"]), (&json!("ann"), &json!(true)));
    ann.ask("chat:send", &json!({ "roomId": tea, "message": "hello" }));
    olga.ask("chat:send", &json!({ "roomId": tea, "message": "hello" }));
    let [of_ann, of_olga] = [olga.event("chat:message"), olga.event("chat:message")];
    assert_eq!(of_ann["external"], true);
    assert!(of_olga.get("external").is_none());
    let read = olga.ask("chat:history", &json!({ "roomId": tea }));
    let marks: Vec<_> =
        read["messages"].as_array().unwrap().iter().map(|row| row.get("external")).collect();
    assert_eq!(marks, [Some(&json!(true)), None]);
}

/// Olga, Mona who moderates, and Root who administers; all own users.
fn order(server: &TestServer) -> [(String, SioClient); 3] {
    let root = set_up(server, "root");
    let people = [sign_up(server, "olga"), sign_up(server, "mona"), root];
    let output = server.operate(&["user", "grant", "mona", "moderator"], "");
    assert_eq!(output.status.code(), Some(0));
    let granted = |record: &Value| record["event"]["reason"] == "operator";
    let _in_force = server.records.wait_for(granted);
    people.map(|person| {
        let client = SioClient::connect(server, &person.token);
        (person.id, client)
    })
}

#[test]
fn moderator_cannot_act_on_an_administrator_anywhere() {
    let server = start(&unlimited());
    let [(olga_id, mut olga), (mona_id, mut mona), (root_id, mut root)] = order(&server);
    let (hers, monas, roots) =
        (room(&mut olga, "public"), room(&mut mona, "public"), room(&mut root, "public"));
    for client in [&mut mona, &mut root] {
        assert_eq!(code(&client.ask("room:join", &json!({ "roomId": hers }))), "ok");
    }
    assert_eq!(code(&root.ask("room:join", &json!({ "roomId": monas }))), "ok");
    let kick = |room: &str, user: &str| json!({ "roomId": room, "userId": user });
    for room in [&hers, &monas] {
        assert_eq!(code(&mona.ask("room:kick", &kick(room, &root_id))), "forbidden", "{room}");
    }
    for user in [&root_id, &mona_id] {
        assert_eq!(code(&olga.ask("room:kick", &kick(&hers, user))), "forbidden", "{user}");
    }
    for event in ["user:kick", "user:mute", "user:ban"] {
        assert_eq!(code(&mona.ask(event, &json!({ "userId": root_id }))), "forbidden", "{event}");
    }
    assert_eq!(code(&mona.ask("room:delete", &json!({ "roomId": roots }))), "forbidden");
    let sent = root.ask("chat:send", &json!({ "roomId": hers, "message": "still here" }));
    assert_eq!(code(&sent), "ok");
    assert_eq!(code(&mona.ask("room:kick", &kick(&roots, &olga_id))), "ok");
    assert_eq!(code(&root.ask("room:kick", &kick(&hers, &mona_id))), "ok");
    assert_eq!(code(&mona.ask("room:delete", &json!({ "roomId": hers }))), "ok");
    let record = server.records.wait_for(|record| {
        record["event"]["code"] == "authz_admin" && record["event"]["action"] == "room:delete"
    });
    assert_eq!(record["user"]["id"], json!(mona_id));
}

#[test]
fn moderator_in_a_private_room_is_recorded_and_announced() {
    let server = start(&unlimited());
    let [(_, mut olga), (mona_id, mut mona), _] = order(&server);
    let den = room(&mut olga, "private");
    assert_eq!(code(&mona.ask("room:join", &json!({ "roomId": den }))), "forbidden");
    let invite = json!({ "roomId": den, "userId": mona_id });
    assert_eq!(code(&mona.ask("room:invite", &invite)), "ok");
    assert_eq!(code(&mona.ask("room:join", &json!({ "roomId": den }))), "ok");
    let joined = olga.event("room:member");
    assert_eq!((&joined["userId"], &joined["byRole"]), (&json!(mona_id), &json!(true)));
    let record = server.records.wait_for(|record| {
        record["event"]["code"] == "authz_admin" && record["event"]["action"] == "room:join"
    });
    assert_eq!(record["user"]["id"], json!(mona_id));

    // The owner's own invitation is nothing to announce.
    assert_eq!(code(&mona.ask("room:leave", &json!({ "roomId": den }))), "ok");
    assert_eq!(code(&olga.ask("room:invite", &invite)), "ok");
    assert_eq!(code(&mona.ask("room:invite", &invite)), "ok");
    assert_eq!(code(&mona.ask("room:join", &json!({ "roomId": den }))), "ok");
    let again = std::iter::repeat_with(|| olga.event("room:member"))
        .find(|event| event["change"] == "joined")
        .unwrap();
    assert!(again.get("byRole").is_none(), "{again}");
}

#[test]
fn muted_user_reaches_others_by_no_text() {
    let server = start(&unlimited());
    let [(olga_id, mut olga), _, (root_id, mut root)] = order(&server);
    let tea = room(&mut olga, "public");
    let mute = json!({ "userId": olga_id, "duration_s": 600 });
    assert_eq!(code(&root.ask("user:mute", &mute)), "ok");
    let invite = json!({ "roomId": tea, "userId": root_id });
    let response = json!({ "roomId": tea, "message": "hello" });
    assert_eq!(code(&create(&mut olga, "something to say")), "forbidden");
    assert_eq!(code(&olga.ask("room:invite", &invite)), "forbidden");
    assert_eq!(code(&olga.ask("chat:send", &response)), "forbidden");
    let token = portcullis_test::sign_in(&server, "olga").token;
    let renamed = Request::post(&server, "/auth/profile", r#"{"username":"i.say.this"}"#)
        .header("Authorization", &format!("Bearer {token}"))
        .ask(&server);
    assert_eq!(renamed.status, 403);
    // After the unmute, her messages are delivered again.
    assert_eq!(code(&root.ask("user:mute", &json!({ "userId": olga_id, "duration_s": 0 }))), "ok");
    assert_eq!(code(&create(&mut olga, "tea")), "ok");
}
