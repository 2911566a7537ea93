//! Second factors of users of other issuers, and of all users if the operator requires it.
//! Never: a role in force with a password alone.

use portcullis_test::{
    Config, Request, SECRET, SioClient, TestServer, authenticator_code, claims, forge_hs256,
    set_up, sign_up,
};
use serde_json::{Value, json};

use crate::{is_accepted, start};

const PASSWORD: &str = "a plain long sentence of my own";

/// A token of the other issuer for a user, with more claims.
fn token(subject: &str, more: &Value) -> String {
    let mut all = claims(subject);
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    forge_hs256(&header, &all.to_string(), SECRET.as_bytes())
}

fn production(issuer: &str, more: &str) -> TestServer {
    // Keys of the issuer's table, which stands last.
    start(&Config { more: format!("{issuer}\n{more}"), ..Config::plaintext().production() })
}

fn post(server: &TestServer, path: &str, token: &str, body: &Value) -> portcullis_test::Answer {
    let bearer = format!("Bearer {token}");
    Request::post(server, path, &body.to_string()).header("Authorization", &bearer).ask(server)
}

fn code(answer: &Value) -> &str {
    if answer["ok"] == true { "ok" } else { answer["error"]["code"].as_str().unwrap_or("?") }
}

#[test]
fn administrator_of_another_issuer_needs_a_second_factor_in_the_token() {
    let server = production("roles_claim = [\"roles\"]\nprivileged_amr = [\"mfa\"]", "");
    let weak = token("root", &json!({ "roles": ["admin"], "amr": ["pwd"] }));
    let strong = token("root", &json!({ "roles": ["admin"], "amr": ["pwd", "mfa"] }));
    let payload = |token: &str| json!({ "token": token }).to_string();
    let connect = |token: &str| {
        let mut client = SioClient::open(&server);
        let answer = client.join_namespace("/", &payload(token)).unwrap();
        (client, answer)
    };
    let say = json!({ "message": "hello" });
    let (mut client, answer) = connect(&weak);
    assert_eq!(answer["roles_withheld"], json!(["admin"]));
    assert_eq!(code(&client.ask("admin:broadcast", &say)), "second_factor_required");
    assert_eq!(code(&client.ask("room:list", &json!({}))), "ok", "an ordinary user");
    let refused = client.join_namespace("/admin", &payload(&weak)).unwrap_err();
    assert_eq!(refused["data"]["code"], "second_factor_required");
    let record = server.records.wait_for(|record| {
        record["event"]["code"] == "ws_connected"
            && record["event"]["reason"] == "second_factor_missing"
    });
    assert!(record["message"].as_str().unwrap().contains("admin"), "{record}");

    // Another connection with two factors has the role; the first one does not gain it.
    let (mut proven, answer) = connect(&strong);
    assert!(answer["roles_withheld"].is_null());
    assert_eq!(code(&proven.ask("admin:broadcast", &say)), "ok");
    assert!(proven.join_namespace("/admin", &payload(&strong)).is_ok());
    assert_eq!(code(&client.ask("admin:broadcast", &say)), "second_factor_required");
    // A ticket of a weak token opens nothing more.
    let request = Request::post(&server, "/auth/ticket", "{}").with("Origin", Config::PAGE);
    let ticket = request.header("Authorization", &format!("Bearer {weak}")).ask(&server).json();
    let mut by_ticket = SioClient::open(&server);
    let shown = json!({ "ticket": ticket["ticket"] }).to_string();
    let answer = by_ticket.join_namespace("/", &shown).unwrap();
    assert_eq!(answer["roles_withheld"], json!(["admin"]));

    // A newer token steps up in place, and a weaker one down, out of the namespace too.
    assert_eq!(code(&client.ask("auth:refresh", &json!({ "token": strong }))), "ok");
    assert_eq!(code(&client.ask("admin:broadcast", &say)), "ok");
    assert_eq!(code(&proven.ask("auth:refresh", &json!({ "token": weak }))), "ok");
    assert_eq!(code(&proven.ask("admin:broadcast", &say)), "second_factor_required");
    let _left = proven.wait_packet(|packet| packet.starts_with("41/admin"));
}

#[test]
fn removed_role_stays_removed_for_tokens_issued_before() {
    let server = production("roles_claim = [\"roles\"]\nprivileged_amr = [\"mfa\"]", "");
    let issued = |ago_s: i64, roles: &[&str]| {
        let mut more = json!({ "roles": roles, "amr": ["mfa"] });
        more["iat"] = json!(claims("max")["iat"].as_i64().unwrap() - ago_s);
        token("max", &more)
    };
    let strong = issued(60, &["admin"]);
    let mut first = SioClient::connect(&server, &strong);
    let say = json!({ "message": "hello" });
    assert_eq!(code(&first.ask("admin:broadcast", &say)), "ok");
    let users = server.operate(&["user", "list"], "");
    let text = String::from_utf8_lossy(&users.stdout).into_owned();
    let id = text.split_whitespace().find(|word| word.starts_with("x_")).unwrap();
    // The only administrator, whose issuer can give the role again.
    assert_eq!(server.operate(&["user", "take", id, "admin"], "").status.code(), Some(0));
    let _in_force = server.records.wait_for(|record| record["event"]["reason"] == "operator");
    assert_eq!(code(&first.ask("admin:broadcast", &say)), "forbidden");
    let mut again = SioClient::connect(&server, &strong);
    let refreshed = again.ask("auth:refresh", &json!({ "token": strong }));
    assert_eq!(code(&refreshed), "ok", "{refreshed}");
    for client in [&mut first, &mut again] {
        assert_eq!(code(&client.ask("admin:broadcast", &say)), "forbidden");
    }
    // A token issued since gives the role again, and one issued before does not take it.
    let mut newer = SioClient::connect(&server, &issued(-2, &["admin"]));
    assert_eq!(code(&newer.ask("admin:broadcast", &say)), "ok");
    let _older = SioClient::connect(&server, &issued(30, &[]));
    assert_eq!(code(&newer.ask("admin:broadcast", &say)), "ok");
}

#[test]
fn t054_token_of_another_kind_is_rejected_and_the_record_names_it() {
    let server = start(&Config { more: String::from("scope = [\"chat\"]"), ..Config::plaintext() });
    let scoped = |more: Value| {
        let mut all = json!({ "scope": "openid chat" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token("ann", &all)
    };
    assert!(is_accepted(&server, &scoped(json!({}))));
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let detail = json!([{ "type": "payment_initiation" }]);
    // Five of one rule and source are recorded a minute.
    let cases = [
        (json!({ "nonce": "n-0S6" }), "id_token"),
        (json!({ "events": event }), "other_token"),
        (json!({ "typ": "Refresh" }), "other_token"),
        (json!({ "scope": "billing:read" }), "scope"),
        (json!({ "authorization_details": detail }), "authorization_details"),
    ];
    for (more, reason) in cases {
        let mark = server.records.mark();
        assert!(!is_accepted(&server, &scoped(more.clone())), "{more}");
        let rejected = |record: &Value| record["event"]["code"] == "authn_login_fail";
        let record = server.records.wait_after(mark, rejected);
        assert_eq!(record["event"]["reason"], reason, "{more}");
    }
}

#[test]
fn role_of_another_issuer_without_a_rule_is_inert_wherever_it_was_granted() {
    let server = production("", "");
    let token = token("max", &json!({ "amr": ["mfa"] }));
    let mut client = SioClient::connect(&server, &token);
    let users = server.operate(&["user", "list"], "");
    let text = String::from_utf8_lossy(&users.stdout).into_owned();
    let id = text.split_whitespace().find(|word| word.starts_with("x_")).unwrap();
    assert_eq!(server.operate(&["user", "grant", id, "moderator"], "").status.code(), Some(0));
    let _in_force = server.records.wait_for(|record| record["event"]["reason"] == "operator");
    let mute = json!({ "userId": "u_missing", "duration_s": 60 });
    assert_eq!(code(&client.ask("user:mute", &mute)), "second_factor_required");
}

#[test]
fn user_without_a_required_factor_can_only_add_one() {
    let all = "[accounts]\nsecond_factor = \"all\"\n";
    let server = production("privileged_acr = [\"2\"]", all);
    let ann = sign_up(&server, "ann");
    let log_in = |totp: Option<&str>| {
        let mut body = json!({ "username": "ann", "password": PASSWORD });
        if let Some(totp) = totp {
            body["totp"] = json!(totp);
        }
        Request::post(&server, "/auth/login", &body.to_string()).ask(&server).json()
    };
    let answer = log_in(None);
    assert_eq!(
        (&answer["totp_setup_required"], &answer["totp_setup_only"]),
        (&json!(true), &json!(true))
    );
    let connect = |token: &str| {
        let mut client = SioClient::open(&server);
        let payload = json!({ "token": token }).to_string();
        client.join_namespace("/", &payload).map(|_| client)
    };
    let refused = connect(&ann.token).err().unwrap();
    assert_eq!(refused["data"]["code"], "second_factor_required", "{refused}");
    for (path, body) in [
        ("/auth/ticket", json!({})),
        ("/auth/door", json!({})),
        ("/auth/profile", json!({ "username": "anna" })),
        ("/auth/sessions/end", json!({ "id": "x" })),
    ] {
        let answer = post(&server, path, &ann.token, &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "second_factor_required"),
            "{path}"
        );
    }
    let started = post(&server, "/auth/totp/begin", &ann.token, &json!({})).json();
    let secret = started["secret"].as_str().unwrap();
    let confirmed = post(
        &server,
        "/auth/totp/confirm",
        &ann.token,
        &json!({ "code": authenticator_code(secret, 0) }),
    );
    assert_eq!(confirmed.status, 200);
    let mut client = connect(&ann.token).expect("the token that added it works from now on");
    let answer = log_in(Some(&authenticator_code(secret, 1)));
    assert!(answer["totp_setup_only"].is_null(), "{answer}");

    // Without the factor again, the connection ends.
    assert_eq!(server.operate(&["user", "remove-totp", "ann"], "").status.code(), Some(0));
    assert_eq!(client.close_code(), Some(4401));

    // Users of the other issuer are held to its rule.
    let mark = server.records.mark();
    let refused = connect(&token("eve", &json!({ "acr": "1" }))).err().unwrap();
    assert_eq!(refused["data"]["code"], "second_factor_required", "{refused}");
    let is_it = |record: &Value| record["event"]["reason"] == "issuer";
    let record = server.records.wait_after(mark, is_it);
    let (user, issuer) = (&record["user"]["id"], &record["labels"]["issuer"]);
    assert!(user.is_string() && issuer.is_string(), "{record}");
    assert!(connect(&token("eve", &json!({ "acr": "2" }))).is_ok());
}

#[test]
fn moderator_without_a_factor_is_an_ordinary_user_where_staff_needs_one() {
    let server = production("", "[accounts]\nsecond_factor = \"staff\"\n");
    let _root = set_up(&server, "root");
    let max = sign_up(&server, "max");
    let mut client = SioClient::connect(&server, &max.token);
    assert_eq!(server.operate(&["user", "grant", "max", "moderator"], "").status.code(), Some(0));
    let _in_force = server.records.wait_for(|record| record["event"]["reason"] == "operator");
    let mute = json!({ "userId": "u_missing", "duration_s": 60 });
    assert_eq!(code(&client.ask("user:mute", &mute)), "second_factor_required");
    let started = post(&server, "/auth/totp/begin", &max.token, &json!({})).json();
    let secret = started["secret"].as_str().unwrap();
    let body = json!({ "code": authenticator_code(secret, 0) });
    assert_eq!(post(&server, "/auth/totp/confirm", &max.token, &body).status, 200);
    assert_eq!(code(&client.ask("user:mute", &mute)), "forbidden", "there is no such user");
}
