//! Each rule that a client or an operator can cause, from its cause to the receiver of the alert.
//! Never: a rule whose cause is a clock or 90 days; tests of the engine show those.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_test::{
    Config, Connection, Request, SioClient, TestServer, now_s, register, set_up, sign_in, sign_up,
    timed, until,
};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use crate::alert::alerted_server::{AlertedServer, SPAM, room, ticket};
use crate::alert::alerts::guess;
use crate::done;

const PASSWORD: &str = "a plain long sentence of my own";

#[test]
fn a1_ticket_that_is_used_twice_alerts() {
    let watched = AlertedServer::new("");
    let ann = sign_up(&watched.server, "ann");
    let ticket = json!({ "ticket": ticket(&watched.server, &ann) }).to_string();
    SioClient::open(&watched.server).join_namespace("/", &ticket).unwrap();
    SioClient::open(&watched.server).join_namespace("/", &ticket).unwrap_err();
    // A used ticket names no user any more.
    assert_eq!(watched.fires("A1", "high", "prefix"), "127.0.0.1/32");
}

#[test]
fn a2_to_a4_failed_logins_alert_by_name_and_address_and_success_after_them() {
    let watched = AlertedServer::new("[alert.rule.A3]\ncount = 30\n");
    assert_eq!(register(&watched.server, "ann", PASSWORD).status, 201);
    guess(&watched.server, "ann", 10);
    assert_eq!(watched.fires("A2", "high", "name"), "ann");
    let body = json!({ "username": "ann", "password": PASSWORD }).to_string();
    assert_eq!(
        Request::post(&watched.server, "/auth/login", &body).ask(&watched.server).status,
        200
    );
    assert!(!watched.fires("A4", "medium", "user").is_empty());
    for number in 0..20 {
        guess(&watched.server, &format!("user{number}"), 1);
    }
    assert_eq!(watched.fires("A3", "high", "prefix"), "127.0.0.1/32");
}

#[test]
fn a5_user_probing_operations_of_moderators_alerts() {
    let watched = AlertedServer::new("");
    let ann = sign_up(&watched.server, "ann");
    let mut client = SioClient::connect(&watched.server, &ann.token);
    for _ in 0..2 {
        let reply = client.ask("user:ban", &json!({ "userId": ann.id, "duration_s": 60 }));
        assert_eq!(reply["error"]["code"], "forbidden", "{reply}");
    }
    assert_eq!(watched.fires("A5", "high", "user"), ann.id);
}

#[test]
fn a6_foreign_origin_alerts_at_20_requests_or_at_one_with_a_cookie() {
    let watched = AlertedServer::new("");
    let server = &watched.server;
    assert_eq!(register(server, "ann", PASSWORD).status, 201);
    let body = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let login = Request::post(server, "/auth/login", &body).header("Origin", &server.origin);
    let login = login.ask(server);
    let cookies = login.values("set-cookie");
    let cookie = cookies.iter().find(|cookie| cookie.starts_with("__Host-adm=")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let ask = |origin: &str, cookie: &str| {
        let request = Request::upgrade(server, "/ws").with("Origin", origin);
        assert_eq!(request.header("Cookie", cookie).ask(server).status, 403);
    };
    ask("https://silent.example", &format!("{cookie}x"));
    ask("https://sub.chat.example", cookie);
    assert_eq!(watched.fires("A6", "high", "origin"), "https: //sub.chat.example");
    for _ in 0..20 {
        ask("https://evil.example", "");
    }
    until("the other origin", || {
        let all = watched.receiver.all();
        let keys: Vec<_> = all.iter().map(|one| one.body["data"]["key"]["value"].clone()).collect();
        assert!(!keys.contains(&json!("https: //silent.example")), "{keys:?}");
        keys.contains(&json!("https: //evil.example")).then_some(())
    });
}

#[test]
fn a7_client_that_breaks_the_protocol_alerts() {
    let watched = AlertedServer::new("[alert.rule.A7]\ncount = 5\n");
    let ann = sign_up(&watched.server, "ann");
    let mut client = SioClient::connect(&watched.server, &ann.token);
    for _ in 0..5 {
        let reply = client.ask("no:such:event", &json!({}));
        assert_eq!(reply["error"]["code"], "UNKNOWN_EVENT", "{reply}");
    }
    assert_eq!(watched.fires("A7", "medium", "prefix"), "127.0.0.1/32");
}

#[test]
fn a8_limit_of_many_addresses_alerts_without_a_key() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("request_per_prefix"));
    config.rate.push(String::from("request_per_prefix = \"2/600s\""));
    let watched = AlertedServer::start(config, "[alert.rule.A8]\ncount = 3\n");
    for last in 2..=5 {
        let from = IpAddr::from([127, 0, 0, last]);
        let statuses = (0..4).map(|_| {
            let mut connection = Connection::open_from(&watched.server, from);
            Request::get(&watched.server, "/missing").ask_on(&mut connection).status
        });
        assert!(statuses.collect::<Vec<_>>().contains(&429), "{last}");
    }
    watched.fires("A8", "high", "all");
}

#[test]
fn a9_spam_alerts_by_user_and_by_room() {
    let watched = AlertedServer::new("");
    let root = set_up(&watched.server, "root");
    let mut client = SioClient::connect(&watched.server, &root.token);
    let hall = room(&mut client);
    for name in ["ann", "bob", "cyd"] {
        let person = sign_up(&watched.server, name);
        let mut client = SioClient::connect(&watched.server, &person.token);
        assert_eq!(client.ask("room:join", &json!({ "roomId": hall }))["ok"], true);
        for number in 0..7 {
            let text = format!("{SPAM}{}", "!".repeat(number));
            let reply = client.ask("chat:send", &json!({ "roomId": hall, "message": text }));
            assert_eq!(reply["error"]["code"], "SPAM_DETECTED", "{reply}");
        }
    }
    assert!(!watched.fires("A9", "medium", "user").is_empty());
    assert_eq!(watched.fires("A9", "medium", "room"), hall);
    let record = watched.server.records.wait_for(|it| it["event"]["code"] == "spam_detected");
    assert_eq!(record["labels"]["room"], json!(hall));
}

#[test]
fn a18_forged_tokens_alert_with_the_code_of_their_records() {
    let watched = AlertedServer::new("[alert.rule.A18]\ncount = 5\n");
    let forged = json!({ "token": "eyJhbGciOiJIUzI1NiJ9.e30.AAAA" }).to_string();
    for _ in 0..5 {
        SioClient::open(&watched.server).join_namespace("/", &forged).unwrap_err();
    }
    assert_eq!(watched.fires("A18", "high", "code"), "authn_login_fail");
}

/// All files of the data directory that a person reads or that hold alerts.
fn readable_files(server: &TestServer) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(server.data()).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let read = |entry: std::fs::DirEntry| {
        let bytes = std::fs::read(entry.path()).unwrap();
        (entry.file_name().into_string().unwrap(), String::from_utf8_lossy(&bytes).into_owned())
    };
    files.map(read).filter(|(name, _)| !name.contains(".db") && !name.contains("key")).collect()
}

#[test]
fn t380_no_secret_is_in_the_log_the_spool_or_an_alert() {
    let watched = AlertedServer::new("[alert.rule.A9]\ncount = 2\n");
    let server = &watched.server;
    let ann = sign_up(server, "ann");
    let mut client = SioClient::connect(server, &ann.token);
    let hall = room(&mut client);
    for text in ["the sparrow flies at midnight", SPAM, SPAM, SPAM] {
        let reply = client.ask("chat:send", &json!({ "roomId": hall, "message": text }));
        assert_eq!(reply["ok"], json!(text != SPAM), "{reply}");
    }
    guess(server, "ann", 12);
    let ticket = ticket(server, &ann);
    let payload = json!({ "ticket": ticket }).to_string();
    SioClient::open(server).join_namespace("/", &payload).unwrap();
    SioClient::open(server).join_namespace("/", &payload).unwrap_err();
    let _in_url = Request::get(server, &format!("/rooms?token={}", ann.token)).ask(server);
    for (rule, severity, kind) in
        [("A9", "medium", "user"), ("A2", "high", "name"), ("A1", "high", "prefix")]
    {
        watched.fires(rule, severity, kind);
    }
    let bodies = watched.receiver.all().into_iter();
    let mut places: Vec<_> =
        bodies.map(|message| (String::from("a body"), message.body.to_string())).collect();
    places.push((String::from("standard output"), server.records.text()));
    places.push((String::from("standard error"), server.records.errors()));
    places.extend(readable_files(server));
    for name in ["security.log", "alerts.spool", "a body"] {
        assert!(places.iter().any(|(place, _)| place == name), "{name}: {:?}", names(&places));
    }
    let signature = ann.token.rsplit('.').next().unwrap();
    let secrets =
        [PASSWORD, "a sentence that no user chose", signature, &ticket, "sparrow", "!!!!!!!!!!"];
    for (place, text) in &places {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
}

fn names(places: &[(String, String)]) -> Vec<&str> {
    places.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a10_message_that_is_sent_again_changed_alerts() {
    let watched = AlertedServer::new("");
    let root = set_up(&watched.server, "root");
    let mut client = SioClient::connect(&watched.server, &root.token);
    let hall = room(&mut client);
    for number in 0..4 {
        let payload = json!({ "roomId": hall, "message": format!("text {number}") });
        client.ask_arguments(&json!(["chat:send", payload, { "mid": "m-1" }]));
    }
    assert!(watched.fires("A10", "high", "connection").contains('-'));
}

#[test]
fn a11_overload_that_is_measured_alerts() {
    let overload = vec![String::from("memory_limit_mib = 1")];
    let watched = AlertedServer::start(Config { overload, ..Config::default() }, "");
    watched.fires("A11", "critical", "all");
}

#[test]
fn a11_load_level_that_a_command_pins_alerts_until_the_pin_ends() {
    let watched = AlertedServer::new("");
    let pin =
        |arguments: &[&str]| done(&watched.server, &[&["state", "pin"], arguments].concat(), "");
    let shown = pin(&["shedding", "--for", "2h", "--reason", "a flood of clients"]);
    assert!(shown.starts_with("state: shedding\nmeasured: "), "{shown}");
    watched.fires("A11", "high", "all");
    let records = &watched.server.records;
    let record = records.wait_for(|record| record["event"]["action"] == "state:pin");
    assert_eq!(record["event"]["code"], "authz_admin", "{record}");
    assert_eq!(record["event"]["reason"], "operator", "{record}");
    assert_eq!(record["labels"]["stated_reason"], "a flood of clients", "{record}");
    pin(&["critical"]);
    watched.alert("A11", "critical", "updated", "all");
    // The level in force counts, not the measured one.
    let of_pin = |record: &Value| {
        record["event"]["code"] == "degradation_state_changed"
            && record["event"]["reason"] == "critical"
    };
    let record = records.wait_for(of_pin);
    let expect = "an operator pinned the load level to critical: critical now";
    assert_eq!(record["message"], expect, "{record}");
    pin(&["auto"]);
    watched.alert("A11", "critical", "resolved", "all");
    // Without a pin, the command changes and records nothing.
    assert!(pin(&["auto"]).contains("pinned: -"));
    let unpins = records.all();
    let unpins = unpins.iter().filter(|record| record["event"]["action"] == "state:unpin");
    assert_eq!(unpins.count(), 1);
}

#[test]
fn a13_deleted_log_alerts() {
    let watched = AlertedServer::new("");
    std::fs::remove_file(watched.server.data().join("security.log")).unwrap();
    assert_eq!(watched.fires("A13", "critical", "code"), "log_replaced");
}

#[test]
fn a14_administrator_key_and_other_role_alert_by_their_weight() {
    let watched = AlertedServer::new("");
    let root = set_up(&watched.server, "root");
    // The first administrator is one.
    assert_eq!(watched.fires("A14", "high", "user"), root.id);
    done(&watched.server, &["keys", "rotate", "session"], "");
    assert_eq!(watched.fires("A14", "high", "actor"), "operator");
}

#[test]
fn a14_moderator_by_an_administrator_is_info_and_an_administrator_is_high() {
    let watched = AlertedServer::new("");
    let _root = set_up(&watched.server, "root");
    let names = ["ann", "bob"].map(|name| sign_up(&watched.server, name).id);
    done(&watched.server, &["user", "grant", "ann", "admin"], "");
    // The server has read the change.
    assert_eq!(watched.fires("A14", "high", "actor"), "operator");
    let ann = sign_in(&watched.server, "ann");
    let mut client = SioClient::connect(&watched.server, &ann.token);
    let mut set = |roles: &[&str]| {
        let reply = client.ask("user:role", &json!({ "userId": names[1], "roles": roles }));
        assert_eq!(reply["ok"], true, "{reply}");
    };
    set(&["user", "moderator"]);
    assert_eq!(watched.fires("A14", "info", "user"), ann.id);
    set(&["user", "admin"]);
    assert_eq!(watched.alert("A14", "high", "updated", "user"), ann.id);
}

#[test]
fn a15_text_that_cannot_be_opened_alerts() {
    let watched = AlertedServer::new("[alert.rule.A15]\ncount = 1\n");
    let root = set_up(&watched.server, "root");
    let mut client = SioClient::connect(&watched.server, &root.token);
    let hall = room(&mut client);
    client.ask("chat:send", &json!({ "roomId": hall, "message": "text" }));
    let path = watched.server.data().join("portcullis.db");
    let database = rusqlite::Connection::open(path).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database.execute("UPDATE messages SET sealed = substr(sealed, 1, 40)", ()).unwrap();
    let reply: Value = client.ask("chat:history", &json!({ "roomId": hall }));
    assert_eq!(reply["error"]["code"], "INTERNAL", "{reply}");
    watched.fires("A15", "high", "key");
}

// T-396
#[test]
fn t396_a16_certificate_alerts_gets_worse_and_is_resolved_by_renewal() {
    let watched = AlertedServer::start(Config::default().production(), "");
    let server = &watched.server;
    let directory = server.data().parent().unwrap().to_path_buf();
    let renew = |days: u64| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![String::from("chat.example")]).unwrap();
        let end_s = u64::try_from(now_s()).unwrap() + days * 86_400;
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end_s);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
        server.signal("HUP");
    };
    renew(20);
    watched.fires("A16", "medium", "host");
    renew(6);
    watched.alert("A16", "critical", "updated", "host");
    renew(90);
    watched.alert("A16", "critical", "resolved", "host");
}

#[test]
fn f1_and_f2_administrator_elsewhere_alerts() {
    let watched = AlertedServer::new("");
    let root = set_up(&watched.server, "root");
    for source in [[127, 0, 1, 7], [127, 0, 2, 7]] {
        let body = json!({ "username": "root", "password": PASSWORD }).to_string();
        let mut connection = Connection::open_from(&watched.server, IpAddr::from(source));
        let request = Request::post(&watched.server, "/auth/login", &body);
        assert_eq!(request.ask_on(&mut connection).status, 200);
    }
    assert_eq!(watched.fires("F1", "high", "user"), root.id);
    assert_eq!(watched.fires("F2", "high", "user"), root.id);
}

#[test]
fn ordinary_user_cannot_join_the_namespace_of_alerts() {
    let watched = AlertedServer::new("");
    let ann = sign_up(&watched.server, "ann");
    let mut client = SioClient::connect(&watched.server, &ann.token);
    let payload = json!({ "token": ann.token }).to_string();
    let rejected = client.join_namespace("/admin", &payload).unwrap_err();
    assert_eq!(rejected["data"]["code"], "forbidden", "{rejected}");
}

#[test]
fn webhook_gets_the_alert_within_five_seconds_of_the_first_request() {
    let watched = AlertedServer::new("");
    let ((), took) = timed(|| {
        for _ in 0..20 {
            let request = Request::upgrade(&watched.server, "/ws");
            let request = request.with("Origin", "https://evil.example");
            assert_eq!(request.ask(&watched.server).status, 403);
        }
        watched.fires("A6", "high", "origin");
    });
    assert!(took <= Duration::from_secs(5), "{took:?}");
}
