//! An hour of attacks by users of a running server, whose clock the test moves.
//! Never: an attack on one rule alone; tests of rules show those.

use portcullis_test::{Config, Person, ShiftedClock, SioClient, counter, sign_in, sign_up, until};
use serde_json::json;

use crate::alert::alerted_server::{AlertedServer, SPAM, room, ticket};
use crate::alert::quiet_hours::{WITHOUT_AUDIT, WITHOUT_OVERLOAD, log_in_memory, pass};

/// Messages that attackers may cause in an hour.
const MESSAGES_MAX: usize = 12;
/// Attackers; each attacks for ten minutes.
const USERS: usize = 6;
/// Attacks of one user, one in a hundred seconds.
const ROUNDS: usize = 6;

/// A used ticket, spam, and operations of moderators.
fn attack(alerted: &AlertedServer, person: &Person) {
    let server = &alerted.server;
    let used = json!({ "ticket": ticket(server, person) }).to_string();
    SioClient::open(server).join_namespace("/", &used).unwrap();
    for _ in 0..3 {
        SioClient::open(server).join_namespace("/", &used).unwrap_err();
    }
    let mut client = SioClient::connect(server, &person.token);
    let hall = room(&mut client);
    for number in 0..7 {
        let text = format!("{SPAM}{}", "!".repeat(number));
        let reply = client.ask("chat:send", &json!({ "roomId": hall, "message": text }));
        assert_eq!(reply["error"]["code"], "SPAM_DETECTED", "{reply}");
    }
    for _ in 0..3 {
        let reply = client.ask("user:ban", &json!({ "userId": person.id, "duration_s": 60 }));
        assert_eq!(reply["error"]["code"], "forbidden", "{reply}");
    }
    let _room_is_left = client.ask("room:delete", &json!({ "roomId": hall }));
    let token = json!({ "token": person.token }).to_string();
    client.join_namespace("/admin", &token).unwrap_err();
}

// T-390
#[test]
fn t390_hour_of_attacks_by_users_sends_twelve_messages_none_critical() {
    let mut config = Config::default();
    let mut clock = ShiftedClock::install(&mut config);
    let _log = log_in_memory(&mut config);
    let alerted = AlertedServer::start(config, &format!("{WITHOUT_OVERLOAD}{WITHOUT_AUDIT}"));
    let server = &alerted.server;
    let names: Vec<_> = (0..USERS).map(|number| format!("user{number}")).collect();
    for name in &names {
        let _person = sign_up(server, name);
    }
    for name in &names {
        for _ in 0..ROUNDS {
            attack(&alerted, &sign_in(server, name));
            pass(server, &mut clock, 100);
        }
    }
    let waiting = || counter(server, "portcullis_alert_messages_waiting");
    until("every message to arrive", || (waiting() == 0).then_some(()));
    let all = alerted.receiver.all();
    let sent: Vec<_> = all
        .iter()
        .map(|message| {
            let data = &message.body["data"];
            format!("{} {} {}", data["rule"], data["severity"], data["state"])
        })
        .collect();
    assert!(sent.len() <= MESSAGES_MAX, "{}: {sent:?}", sent.len());
    assert!(sent.iter().all(|line| !line.contains("critical")), "{sent:?}");
    for rule in ["A1", "A5", "A9"] {
        assert!(sent.iter().any(|line| line.starts_with(&format!("{rule:?}"))), "{rule}: {sent:?}");
    }
    assert_eq!(counter(server, "portcullis_alert_messages_undelivered"), 0);
    assert_eq!(counter(server, "portcullis_log_lost_total"), 0);
}
