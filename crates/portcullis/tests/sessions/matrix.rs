//! The table of permissions, compared with the server's own and tried with every role.
//! Never: a row that is not tried; an unknown row fails the test.

use std::collections::BTreeSet;

use portcullis_test::{Config, Person, Request, SioClient, TestServer, hs256, set_up, sign_up};
use serde_json::{Value, json};

use crate::{code, start, unlimited};

const DOCUMENT: &str = include_str!("../../../../docs/matrix.md");

/// The cells of every row of the table whose head begins so.
fn rows<'a>(text: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let table = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells = |line: &'a str| {
        let line = line.strip_prefix("| ").unwrap();
        line.trim_end_matches('|').split('|').map(str::trim).collect()
    };
    table.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn printed(server: &TestServer) -> String {
    let output = server.operate(&["access"], "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn matrix_page_matches_the_output_of_access() {
    let server = start(&Config { issuer: false, ..Config::default() });
    let printed = printed(&server);
    assert!(rows(&printed, "| namespace").len() > 10);
    assert_eq!(
        rows(DOCUMENT, "| namespace"),
        rows(&printed, "| namespace"),
        "docs/matrix.md is not what `portcullis access` prints"
    );
    let names = |text| rows(text, "| request").iter().map(|row| row[0]).collect::<BTreeSet<_>>();
    assert_eq!(names(DOCUMENT), names(&printed), "requests in docs/matrix.md");
}

/// A user, what they hold, and how they stand to the room.
struct Actor {
    name: &'static str,
    roles: &'static [&'static str],
    relation: &'static str,
    person: Person,
}

/// The roles that try each row.
struct Cast {
    actors: Vec<Actor>,
    victim: Person,
}

const SUPPORT: &str = "[[role]]\nname = \"support\"\nactions = [\"user:mute\", \"room:kick:any\"]\n\
                       [[role]]\nname = \"guest\"\n[access]\n\"chat:history\" = [\"user\"]\n";

impl Cast {
    fn new(server: &TestServer) -> Self {
        let parts: [(&str, &[&str], &str); 10] = [
            ("root", &["admin", "user"], "none"),
            ("mona", &["moderator", "user"], "none"),
            ("ada", &["auditor", "user"], "none"),
            ("olga", &["user"], "owner"),
            ("mia", &["user"], "member"),
            ("ina", &["user"], "invited"),
            ("bea", &["user"], "barred"),
            ("eve", &["user"], "none"),
            ("sue", &["user", "support"], "none"),
            ("gus", &["guest"], "none"),
        ];
        let actors = parts.map(|(name, roles, relation)| {
            let person = if name == "root" { set_up(server, name) } else { sign_up(server, name) };
            Actor { name, roles, relation, person }
        });
        for (act, name, role) in [
            ("grant", "mona", "moderator"),
            ("grant", "ada", "auditor"),
            ("grant", "sue", "support"),
            ("grant", "gus", "guest"),
            ("take", "gus", "user"),
        ] {
            let output = server.operate(&["user", act, name, role], "");
            assert_eq!(output.status.code(), Some(0));
        }
        // What was done beside the server is in force once the server has recorded it.
        let in_force = |record: &Value| {
            record["message"]
                .as_str()
                .is_some_and(|response| response.starts_with("roles set to guest,"))
        };
        let _record = server.records.wait_for(in_force);
        Self { actors: actors.into(), victim: sign_up(server, "victim") }
    }

    fn connect(&self, server: &TestServer, name: &str) -> SioClient {
        SioClient::connect(server, &self.person(name).token)
    }

    fn person(&self, name: &str) -> &Person {
        &self.actors.iter().find(|actor| actor.name == name).unwrap().person
    }

    /// A room of Olga's, with each user in the role of the table.
    fn room(&self, server: &TestServer, visibility: &str) -> String {
        let mut olga = self.connect(server, "olga");
        let made = olga.ask("room:create", &json!({ "name": "Room", "visibility": visibility }));
        let room = made["room"]["id"].as_str().unwrap().to_owned();
        for actor in &self.actors {
            let of = json!({ "roomId": room, "userId": actor.person.id });
            let done = |answer: Value| assert_eq!(code(&answer), "ok", "{answer}");
            match actor.relation {
                "invited" => done(olga.ask("room:invite", &of)),
                "barred" => done(olga.ask("room:kick", &of)),
                "member" => {
                    done(olga.ask("room:invite", &of));
                    let mut member = self.connect(server, actor.name);
                    done(member.ask("room:join", &json!({ "roomId": room })));
                }
                _ => {}
            }
        }
        room
    }

    /// Tries an operation of administrators with each user who may connect to `/admin`.
    fn try_operation(&self, server: &TestServer, row: &[&str]) {
        for actor in &self.actors {
            let mut client = self.connect(server, actor.name);
            let token = json!({ "token": actor.person.token }).to_string();
            let joined = client.join_namespace("/admin", &token).is_ok();
            assert_eq!(joined, one_of("admin auditor", actor.roles), "{}", actor.name);
            if joined {
                let payload = self.operation(row[1]);
                let answer = client.ask_in("/admin", row[1], &payload);
                let may = code(&answer) != "forbidden";
                assert_eq!(may, one_of(row[2], actor.roles), "{} {}: {answer}", row[1], actor.name);
            }
        }
    }

    /// A payload of an operation that is as it declares; without an effect where possible.
    fn operation(&self, event: &str) -> Value {
        let victim = &self.victim.id;
        let more = match event {
            "admin:overview" | "admin:state" | "admin:timeline" | "admin:alerts"
            | "admin:blocks" | "admin:offenders" | "admin:affected" | "admin:events"
            | "admin:users" | "admin:doctor" | "admin:unwatch" | "admin:connections"
            | "admin:invitations" => {
                return json!({});
            }
            "admin:connection" => return json!({ "id": "0-1" }),
            "admin:user" => return json!({ "user": victim }),
            "admin:watch" => return json!({ "streams": ["overview"] }),
            "admin:limits" => return json!({ "address": "203.0.113.7" }),
            "alert:acknowledge" | "alert:unsilence" => {
                return json!({ "id": "1", "reason": "a test" });
            }
            "alert:silence" => return json!({ "rule": "A2", "reason": "a test" }),
            "address:block" | "address:unblock" => json!({ "prefix": "203.0.113.7" }),
            "connection:close" => json!({ "id": "0-1" }),
            "invitation:create" => json!({}),
            "invitation:revoke" => json!({ "id": "0011223344556677" }),
            "limits:unlock" => json!({ "address": "203.0.113.7" }),
            "session:end" => json!({ "user": victim, "session": "s" }),
            "state:pin" => json!({ "state": "normal" }),
            "state:unpin" => json!({}),
            "user:ban" | "user:kick" | "user:logout" | "user:mute" => json!({ "user": victim }),
            "user:disable" => json!({ "user": victim, "disabled": true }),
            "user:role" => json!({ "user": victim, "roles": ["user"] }),
            other => panic!("{other} is new: say here what it takes"),
        };
        let mut payload = json!({ "reason": "a test", "dry_run": true });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload
    }

    /// A payload that is as the event declares.
    fn payload(&self, event: &str, room: &str, token: &str) -> Value {
        let victim = &self.victim.id;
        match event {
            "auth:refresh" => json!({ "token": token }),
            "admin:broadcast" => json!({ "message": "hello" }),
            "chat:send" => json!({ "roomId": room, "message": "hello" }),
            "room:create" => json!({ "name": "Mine", "visibility": "public" }),
            "room:list" => json!({}),
            "chat:history" | "room:delete" | "room:join" | "room:leave" | "room:members" => {
                json!({ "roomId": room })
            }
            "room:invite" | "room:kick" => json!({ "roomId": room, "userId": victim }),
            "user:ban" | "user:mute" => json!({ "userId": victim, "duration_s": 0 }),
            "user:kick" => json!({ "userId": victim }),
            "user:role" => json!({ "userId": victim, "roles": ["user"] }),
            other => panic!("{other} is new: say here what it takes"),
        }
    }
}

fn one_of(list: &str, roles: &[&str]) -> bool {
    list.split(' ').any(|role| roles.contains(&role))
}

/// The permission of a role in a row of the table.
fn may(row: &[&str], actor: &Actor, visibility: &str) -> bool {
    let related = match row[3] {
        "-" => true,
        "member" => ["member", "owner"].contains(&actor.relation),
        "owner" => actor.relation == "owner",
        "public, invited or member; not barred" => match actor.relation {
            "owner" | "member" | "invited" => true,
            "none" => visibility == "public",
            _ => false,
        },
        other => panic!("{other} is new: say here what it means"),
    };
    one_of(row[2], actor.roles) && (related || one_of(row[4], actor.roles))
}

#[test]
fn t063_t064_t069_every_event_is_tried_by_every_role() {
    let server = start(&Config { more: String::from(SUPPORT), ..unlimited() });
    let cast = Cast::new(&server);
    let printed = printed(&server);
    let table = rows(&printed, "| namespace");
    assert!(table.iter().any(|row| row[1] == "room:kick" && row[4].ends_with("support")));
    for row in table.iter().filter(|row| row[0] == "/admin") {
        cast.try_operation(&server, row);
    }
    for visibility in ["public", "private"] {
        for row in &table {
            let [namespace, event] = [row[0], row[1]];
            if namespace == "/admin" {
                continue;
            }
            assert!(["every", "/"].contains(&namespace), "{namespace} is new");
            for actor in &cast.actors {
                let room =
                    if row[3] == "-" { String::new() } else { cast.room(&server, visibility) };
                let mut client = cast.connect(&server, actor.name);
                let payload = cast.payload(event, &room, &actor.person.token);
                let answer = client.ask(event, &payload);
                let expect = if may(row, actor, visibility) { "ok" } else { "forbidden" };
                assert_eq!(code(&answer), expect, "{event} {} {visibility}: {answer}", actor.name);
            }
        }
    }
}

#[test]
fn t064_t069_missing_and_forbidden_targets_get_equal_answers() {
    let server = start(&unlimited());
    let cast = Cast {
        actors: ["olga", "eve"]
            .map(|name| Actor {
                name,
                roles: &["user"],
                relation: if name == "olga" { "owner" } else { "none" },
                person: sign_up(&server, name),
            })
            .into(),
        victim: sign_up(&server, "victim"),
    };
    let room = cast.room(&server, "private");
    let table = rows(DOCUMENT, "| namespace");
    for row in table.iter().filter(|row| row[3] != "-") {
        let answers = [room.as_str(), "nowhere"].map(|room| {
            let mut eve = cast.connect(&server, "eve");
            let mut answer = eve.ask(row[1], &cast.payload(row[1], room, ""));
            assert_eq!(code(&answer), "forbidden", "{} {answer}", row[1]);
            assert!(answer["error"]["ref"].take().is_string());
            answer
        });
        assert_eq!(answers[0], answers[1], "{}", row[1]);
    }
    let record = server.records.wait_for_rule("access");
    assert_eq!(record["event"]["code"], "authz_fail");
}

#[test]
fn event_before_authentication_is_rejected() {
    let server = start(&unlimited());
    for row in rows(DOCUMENT, "| namespace") {
        let mut no_user = SioClient::open(&server);
        no_user.send(&format!("420[{:?},{{}}]", row[1]));
        assert_eq!(no_user.close_code(), Some(1002), "{}", row[1]);
        assert!(no_user.seen.is_empty(), "{:?}", no_user.seen);
    }
    let _record = server.records.wait_for_rule("sequence");
}

/// A request with a body as its route reads it, or as nearly as it can be without effect.
fn request(server: &TestServer, name: &str) -> Request {
    let (method, path) = name.split_once(' ').unwrap();
    match method {
        "GET" => Request::get(server, path),
        "POST" => Request::post(server, path, "{}"),
        other => panic!("{other} is new"),
    }
}

#[test]
fn every_request_is_tried_by_every_role() {
    let server = start(&unlimited());
    let root = set_up(&server, "root");
    let ann = sign_up(&server, "ann");
    // Of a user who has connected: known here, and signed in elsewhere.
    let foreign = hs256("foreign");
    drop(SioClient::connect(&server, &foreign));
    for (number, row) in rows(DOCUMENT, "| request").into_iter().enumerate() {
        let (name, subject, beside) = (row[0], row[1], row[2]);
        let ask = |token: Option<&str>| {
            let request = request(&server, name);
            let request = match token {
                Some(token) => request.header("Authorization", &format!("Bearer {token}")),
                None => request,
            };
            request.ask(&server).status
        };
        let (bare, wrong) = (ask(None), ask(Some(&ann.token.replace('.', "x."))));
        match subject {
            "none" => assert!(bare != 401 && bare != 403, "{name}: {bare}"),
            "secret" => assert_eq!(bare, 400, "{name}"),
            "cookie" => assert_eq!((bare, wrong), (401, 401), "{name}"),
            "token" | "recent" => {
                assert_eq!((bare, wrong), (401, 401), "{name}");
                // A permitted role passes authorization, and fails later at the content.
                let log_out = name.contains("logout");
                let leaves = format!("leaves{number}");
                let own = if log_out { sign_up(&server, &leaves).token } else { ann.token.clone() };
                let admin = beside.contains("`admin`");
                let mine = ask(Some(&own));
                let expect = if admin { vec![403] } else { vec![200, 400] };
                if !log_out || mine != 200 {
                    assert!(expect.contains(&mine), "{name}: {mine}");
                }
                if admin {
                    assert_eq!(ask(Some(&root.token)), 201, "{name}");
                }
                let theirs = if log_out { hs256(&leaves) } else { foreign.clone() };
                if log_out {
                    drop(SioClient::connect(&server, &theirs));
                }
                let expect =
                    if beside.contains("of other issuers too") { [200, 200] } else { [401, 400] };
                let theirs = ask(Some(&theirs));
                assert!(expect.contains(&theirs), "{name}: {theirs}");
            }
            other => panic!("{other} is new: say here what it means"),
        }
    }
}
