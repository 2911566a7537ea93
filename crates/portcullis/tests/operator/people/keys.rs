//! Keys changed at the command line while tokens of the old ones are in use.
//! Never: a key printed.

use portcullis_test::{
    Answer, Config, Request, SioClient, TestServer, login, set_up, sign_in, sign_up,
};
use serde_json::{Value, json};

use crate::{done, refused, start};

/// The ids of one ring's keys, in the order they were made.
fn ids(list: &str, ring: &str) -> Vec<String> {
    let lines = list.lines().filter(|line| line.starts_with(ring));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
}

fn rotated(server: &TestServer, mark: usize) {
    let is_it = |record: &Value| record["event"]["code"] == "key_rotated";
    let _record = server.records.wait_after(mark, is_it);
}

#[test]
fn rotation_keeps_old_tokens_and_revocation_ends_them() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    let mut old = SioClient::connect(&server, &ann.token);
    let listed = done(&server, &["keys", "list"], "");
    let first = ids(&listed, "token").remove(0);
    let error = refused(&server, &["keys", "revoke", &first], "");
    assert!(error.contains("signs new tokens and cannot be revoked"), "{error}");

    let mark = server.records.mark();
    done(&server, &["keys", "rotate"], "");
    rotated(&server, mark);
    let keys = ids(&done(&server, &["keys", "list"], ""), "token");
    assert_eq!((keys.len(), &keys[0]), (2, &first));
    // What the old key signed is good to its end; what is signed now, is signed by the new one.
    assert_eq!(old.ask("room:list", &json!({}))["ok"], true);
    let _still = SioClient::connect(&server, &ann.token);
    let text = "the signing keys have changed";
    let _record = server.records.wait_after(mark, |record| record["message"] == text);
    let fresh = sign_in(&server, "ann");
    assert!(done(&server, &["token", "explain"], &fresh.token).contains(&keys[1]));
    let mut new = SioClient::connect(&server, &fresh.token);

    done(&server, &["keys", "revoke", &first], "");
    assert_eq!(old.close_code(), Some(4401));
    let explained = done(&server, &["token", "explain"], &ann.token);
    assert!(explained.contains("rejected (key)"), "{explained}");
    assert_eq!(new.ask("room:list", &json!({}))["ok"], true);
    let error = refused(&server, &["keys", "revoke", &first], "");
    assert!(error.contains("no key has the id"), "{error}");
}

#[test]
fn fields_are_resealed_while_the_server_runs() {
    let server = start(&Config::default());
    let root = set_up(&server, "root");
    let mut client = SioClient::connect(&server, &root.token);
    let room = client.ask("room:create", &json!({ "name": "Tea", "visibility": "public" }));
    let room = room["room"]["id"].clone();
    let send = |client: &mut SioClient, text: &str| {
        let answer = client.ask("chat:send", &json!({ "roomId": room, "message": text }));
        assert_eq!(answer["ok"], true, "{answer}");
    };
    send(&mut client, "under the first key");
    let first = ids(&done(&server, &["keys", "list"], ""), "field").remove(0);
    let error = refused(&server, &["keys", "revoke", &first], "");
    assert!(error.contains("is the key in use"), "{error}");
    let mark = server.records.mark();
    done(&server, &["keys", "rotate", "field"], "");
    rotated(&server, mark);
    let error = refused(&server, &["keys", "revoke", &first], "");
    assert!(error.contains("only just created"), "{error}");
    let sealed = done(&server, &["keys", "reencrypt"], "");
    let count: u64 = sealed.split_whitespace().next().unwrap().parse().unwrap();
    assert!(count >= 1, "{sealed}");
    send(&mut client, "after it");
    let history = client.ask("chat:history", &json!({ "roomId": room }));
    let texts: Vec<_> =
        history["messages"].as_array().unwrap().iter().map(|one| &one["message"]).collect();
    assert_eq!(texts.len(), 2, "{history}");
    assert!(texts.contains(&&json!("under the first key")), "{history}");
}

#[test]
fn field_key_of_an_application_is_revoked_only_with_consent() {
    let server = start(&Config::default());
    let first = ids(&done(&server, &["keys", "list"], ""), "field").remove(0);
    done(&server, &["keys", "rotate", "field"], "");
    portcullis_seal::application_mark::set(&server.data()).unwrap();
    let error = refused(&server, &["keys", "revoke", &first], "");
    for part in ["is not removed", "unreadable for good", "FieldKeys::is_current", "--yes"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(ids(&done(&server, &["keys", "list"], ""), "field").contains(&first));
    // The next check is reached: the rotation is too recent.
    let error = refused(&server, &["keys", "revoke", &first, "--yes"], "");
    assert!(error.contains("only just created"), "{error}");
}

/// The refresh cookie of an answer.
fn refresh_cookie(answer: &Answer) -> String {
    let cookies = answer.values("set-cookie");
    let cookie = cookies.iter().find(|cookie| cookie.starts_with("__Host-rt=")).unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn rotated_session_secret_keeps_sessions_until_revoked() {
    let server = start(&Config::default());
    let _ann = sign_up(&server, "ann");
    let log_in = || refresh_cookie(&login(&server, "ann", "a plain long sentence of my own"));
    let refresh = |cookie: &str| {
        Request::post(&server, "/auth/refresh", "{}")
            .header("Origin", &server.origin)
            .header("Cookie", cookie)
            .ask(&server)
    };
    let (before, unused) = (log_in(), log_in());
    let first = ids(&done(&server, &["keys", "list"], ""), "session").remove(0);
    let error = refused(&server, &["keys", "revoke", &first], "");
    assert!(error.contains("is in use and cannot be revoked"), "{error}");
    let changed = "the session secrets have changed";
    let taken = |mark: usize| {
        server.records.wait_after(mark, |record| record["message"].to_string().contains(changed))
    };

    let mark = server.records.mark();
    done(&server, &["keys", "rotate", "session"], "");
    let record = taken(mark);
    assert_eq!(record["event"]["code"], "key_rotated");
    assert_eq!(ids(&done(&server, &["keys", "list"], ""), "session")[0], first);
    let answer = refresh(&before);
    assert_eq!(answer.status, 200);
    let renewed = refresh_cookie(&answer);
    assert_eq!(refresh(&renewed).status, 200);
    assert!(
        done(&server, &["state", "show"], "").contains("normal"),
        "the operator's key is the new one"
    );

    let mark = server.records.mark();
    done(&server, &["keys", "revoke", &first], "");
    let _record = taken(mark);
    assert_eq!(refresh(&unused).status, 401);
    assert_eq!(refresh(&log_in()).status, 200);
}
