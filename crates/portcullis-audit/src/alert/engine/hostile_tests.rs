//! Attacks on the alerts themselves: floods, storms, alerts that clients cause at will.
//! Never: a thread or a file; time is an argument.

use std::sync::Arc;

use portcullis_model::{Code, CodeClass, ConnectionId, LimitKey};

use super::tests::{MINUTE_MS, World, by_user, failure, lines, login_fail, named};
use crate::alert::input::subject::{Conduct, Privilege, Subject};
use crate::alert::notification::{Alert, AlertSeverity, AlertState};
use crate::record::fields::{Outcome, Record};

fn violation<'a>() -> Subject<'a> {
    Subject { conduct: Conduct::Violation, ..Subject::default() }
}

/// Six rules fire at once.
fn attack(world: &mut World, user: &str) {
    for _ in 0..30 {
        world.record(&login_fail(), &named(user));
        world.record(&failure(Code::WsProtocolViolation), &violation());
        let foreign = Subject { origin: Some("https://evil.example"), ..Subject::default() };
        world.record(&failure(Code::MaliciousCsrf), &foreign);
        world.record(&by_user(failure(Code::SpamDetected), user), &Subject::default());
        let denied = Record { rule: "access", ..by_user(failure(Code::AuthzFail), user) };
        world.record(&denied, &Subject::default());
        world.record(&by_user(failure(Code::AuthnTokenReuse), user), &Subject::default());
    }
}

// T-384
#[test]
fn t384_six_rules_in_five_minutes_are_one_storm_beside_critical_alerts() {
    let mut world = World::new();
    attack(&mut world, "u1");
    world.record(&failure(Code::LogReplaced), &Subject::default());
    let sent = world.turn();
    assert_eq!(lines(&sent), ["A13 log_replaced critical firing", "STORM - high firing"]);
    let storm = sent.last().unwrap();
    let rules: Vec<_> = storm.group.iter().map(|(key, _)| key.value.as_str()).collect();
    for rule in ["A1", "A2", "A5", "A6", "A7", "A9"] {
        assert!(rules.contains(&rule), "{rules:?}");
    }
    assert_eq!(world.run(9 * MINUTE_MS).len(), 0, "nothing while it lasts");
    let later = lines(&world.run(20 * MINUTE_MS));
    assert!(later.contains(&String::from("STORM - high resolved")), "{later:?}");
}

#[test]
fn storm_that_clients_cause_hides_no_change_of_roles() {
    let mut world = World::new();
    attack(&mut world, "u1");
    let made_admin = |user: &str| {
        let record = by_user(failure(Code::PrivilegePermissionsChanged), user);
        Record { rule: "admin_role", outcome: Outcome::Success, ..record }
    };
    world.record(&made_admin("root"), &Subject::default());
    assert_eq!(lines(&world.turn()), ["A14 root high firing", "STORM - high firing"]);
    world.record(&made_admin("thief"), &Subject::default());
    assert_eq!(lines(&world.run(MINUTE_MS)), ["A14 thief high firing"]);
}

#[test]
fn rejections_that_were_never_seen_have_the_budget_of_clients() {
    let mut world = World::new();
    world.record(&failure(Code::WsConnected), &Subject::default());
    assert_eq!(lines(&world.turn()), [""; 0]);
    world.pass(91 * 86_400_000);
    let rejections = Code::ALL.iter().filter(|code| code.class() == CodeClass::Rejection);
    for code in rejections.take(20) {
        world.record(&failure(*code), &Subject::default());
        world.run(MINUTE_MS);
    }
    let firing = |alert: &&Arc<Alert>| alert.state == AlertState::Firing;
    let of_rule =
        |rule: &str| world.sent.iter().filter(firing).filter(|alert| alert.rule == rule).count();
    assert!((1..=8).contains(&of_rule("F3")), "{:?}", lines(&world.sent));
    // What an operator does for the first time is still reported.
    world.record(&failure(Code::SessionCreated), &Subject::default());
    let operation = Code::ALL.iter().find(|code| code.class() == CodeClass::Operation).unwrap();
    world.record(&failure(*operation), &Subject::default());
    let sent = lines(&world.turn());
    assert!(sent.contains(&format!("F3 {} medium firing", operation.name())), "{sent:?}");
}

#[test]
fn fifty_alerts_in_ten_minutes_are_one_storm() {
    let mut world = World::new();
    for number in 0..17 {
        for _ in 0..10 {
            world.record(&login_fail(), &named(&format!("user{number}")));
        }
        let user = format!("u{number}");
        for _ in 0..5 {
            world.record(&by_user(failure(Code::SpamDetected), &user), &Subject::default());
        }
        world.record(&by_user(failure(Code::AuthnTokenReuse), &user), &Subject::default());
    }
    assert_eq!(lines(&world.turn()), ["STORM - high firing"]);
}

// T-387
#[test]
fn t387_flood_of_addresses_is_one_alert_and_the_bound_holds() {
    let mut world = World::new();
    for number in 0..50_000_u32 {
        let record = Record {
            client: Some(std::net::Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).into()),
            limit: Some((LimitKey::Prefix, 1_000)),
            ..failure(Code::ExcessRateLimitExceeded)
        };
        world.record(&record, &Subject::default());
        let broken = Record { limit: None, ..record };
        world.record(&Record { ..broken.clone() }, &violation());
        if number % 100 == 0 {
            let heavy = failure(Code::WsProtocolViolation);
            world.record(&heavy, &violation());
        }
        let mut protocol = failure(Code::WsProtocolViolation);
        protocol.client = broken.client;
        world.record(&protocol, &violation());
        if number % 500 == 499 {
            world.pass(600);
            world.turn();
        }
    }
    let sent = lines(&world.sent);
    let firing = |rule: &str| sent.iter().filter(|line| *line == rule).count();
    assert_eq!(firing("A8 - high firing"), 1, "{sent:?}");
    assert_eq!(firing("A7 203.0.113.7/32 medium firing"), 1, "{sent:?}");
    assert!(world.engine.incidents.by_key.len() <= 1_024);
    assert!(world.sent.len() <= 12, "{sent:?}");
}

// T-388
#[test]
fn t388_dropped_notes_are_counted_and_rules_without_a_key_stay_exact() {
    let mut world = World::new();
    // One thread, so one queue: far more than it holds between two turns.
    for number in 0..200_000_u32 {
        let mut record = failure(Code::WsProtocolViolation);
        record.client = Some(std::net::Ipv4Addr::from_bits(number).into());
        world.record(&record, &violation());
    }
    // The queue keeps space for operations and faults.
    world.record(&failure(Code::LogReplaced), &Subject::default());
    world.turn();
    let dropped = world.queues.dropped();
    assert_eq!(dropped, 200_000 - 4_096 * 5 / 8 / 2);
    let sent: Vec<_> = world.sent.iter().filter(|alert| alert.key.is_none()).collect();
    assert_eq!(sent.iter().map(|alert| alert.counts.events).collect::<Vec<_>>(), [200_000]);
    let lines = lines(&world.sent);
    assert!(lines.contains(&String::from("A13 log_replaced critical firing")), "{lines:?}");
}

#[test]
fn flood_of_one_kind_does_not_hide_another_one() {
    let mut world = World::new();
    for number in 0..20_000_u32 {
        let mut record = failure(Code::WsProtocolViolation);
        record.client = Some(std::net::Ipv4Addr::from_bits(number).into());
        world.record(&record, &violation());
        let token = Record { rule: "token", ..login_fail() };
        world.record(&token, &Subject::default());
        if number % 1_000 == 999 {
            world.record(&login_fail(), &named("ada"));
        }
    }
    let sent = lines(&world.turn());
    assert!(sent.contains(&String::from("A2 ada high firing")), "{sent:?}");
}

#[test]
fn thousands_of_alerts_of_some_rules_do_not_hide_another_rule() {
    let mut world = World::new();
    for number in 0..3_000_u32 {
        let user = format!("u{number}");
        let reused = by_user(failure(Code::AuthnTokenReuse), &user);
        world.record(&reused, &Subject::default());
        let connection = Some(ConnectionId { shard: 1, number: u64::from(number) + 1 });
        let forged = Record {
            rule: "replay",
            reason: "signature",
            connection,
            ..by_user(failure(Code::SequenceFail), &user)
        };
        world.record(&forged, &Subject::default());
        let after = by_user(failure(Code::AuthnLoginSuccessAfterFail), &user);
        world.record(&after, &Subject::default());
        if number % 100 == 99 {
            world.evaluate();
        }
    }
    for _ in 0..10 {
        world.record(&login_fail(), &named("ada"));
    }
    world.turn();
    assert!(world.engine.incidents.by_key.len() <= 1_024);
    let open = world.engine.open_alerts();
    assert!(open.iter().any(|alert| alert.rule == "A2"), "{}", open.len());
    let sent = lines(&world.sent);
    assert_eq!(sent.iter().filter(|line| line.starts_with("A1 -")).count(), 1, "{sent:?}");
}

// T-390
#[test]
fn t390_hour_of_attacks_causes_twelve_messages_at_most_and_none_critical() {
    let mut world = World::new();
    for step in 0..360_u64 {
        // Other accounts and origins every ten minutes, so that keys are new.
        let user = format!("u{}", step / 6);
        attack(&mut world, &user);
        let origin = format!("https://evil{}.example", step / 6);
        for _ in 0..25 {
            let foreign = Subject { origin: Some(&origin), ..Subject::default() };
            world.record(&failure(Code::MaliciousCsrf), &foreign);
        }
        world.turn();
        world.pass(10_000);
    }
    let sent = lines(&world.sent);
    assert!(sent.len() <= 12, "{}: {sent:?}", sent.len());
    assert!(world.sent.iter().all(|alert| alert.severity < AlertSeverity::Critical), "{sent:?}");
    assert!(sent.iter().any(|line| line.starts_with("STORM")), "{sent:?}");
}

#[test]
fn alerts_that_are_spaced_out_stay_within_the_budget_of_an_hour() {
    let mut world = World::new();
    // One alert in two minutes is not a storm by number; the budget still ends after eight.
    for number in 0..120 {
        for _ in 0..10 {
            world.record(&login_fail(), &named(&format!("user{number}")));
        }
        world.turn();
        world.run(2 * MINUTE_MS);
    }
    for from_ms in &world.sent_ms {
        let hour = *from_ms..from_ms + 60 * MINUTE_MS;
        let count = world.sent_ms.iter().filter(|at_ms| hour.contains(at_ms)).count();
        assert!(count <= 12, "{count} {:?}", lines(&world.sent));
    }
}

fn login(address: &str) -> (Record, Subject<'static>) {
    let record = Record {
        outcome: Outcome::Success,
        client: address.parse().ok(),
        ..by_user(failure(Code::AuthnLoginSuccess), "u1")
    };
    (record, Subject { privilege: Privilege::Privileged, ..Subject::default() })
}

// T-394
#[test]
fn t394_administrator_from_a_new_network_twice_is_one_alert() {
    let mut world = World::new();
    let addresses = ["198.51.100.7", "198.51.100.99", "203.0.113.1", "203.0.113.2", "2001:db8::1"];
    let expect = [0, 0, 1, 0, 1];
    for (address, alerts) in addresses.into_iter().zip(expect) {
        let (record, subject) = login(address);
        world.record(&record, &subject);
        let sent = world.turn();
        let firing = sent.iter().filter(|alert| alert.rule == "F1");
        assert!(firing.count() == alerts || address.contains(':'), "{address}: {:?}", lines(&sent));
        world.run(50 * MINUTE_MS);
    }
    let states: Vec<_> = world.sent.iter().map(|alert| (&*alert.rule, alert.state)).collect();
    assert!(states.contains(&("F1", AlertState::Resolved)), "{states:?}");
}

#[test]
fn code_that_was_not_recorded_for_90_days_is_reported_once() {
    let mut world = World::new();
    world.record(&failure(Code::WsConnected), &Subject::default());
    assert_eq!(lines(&world.turn()), [""; 0], "the codes of the first days are learned");
    world.pass(89 * 86_400_000);
    world.record(&failure(Code::WsConnected), &Subject::default());
    assert_eq!(lines(&world.turn()), [""; 0]);
    world.pass(86_400_000);
    world.record(&failure(Code::SessionCreated), &Subject::default());
    world.record(&failure(Code::MaliciousCspViolation), &Subject::default());
    world.record(&failure(Code::WsConnected), &Subject::default());
    assert_eq!(lines(&world.turn()), ["F3 session_created medium firing"]);
}

#[test]
fn names_of_ten_kilobytes_are_cut_and_count_as_one_key() {
    let mut world = World::new();
    for number in 0..10 {
        let name = format!("{}{number}", "<b>\u{202e}a".repeat(1_400));
        world.record(&login_fail(), &named(&name));
    }
    let sent = world.turn();
    assert_eq!(sent.len(), 1, "{:?}", lines(&sent));
    let key = sent[0].key.as_ref().unwrap();
    assert!(key.value.len() <= 64 && key.kind == "name", "{}", key.value.len());
}

#[test]
fn hour_around_the_threshold_is_four_messages_at_most() {
    let mut world = World::new();
    // It reaches the threshold, waits until the alert is resolved, and reaches it again.
    for _ in 0..6 {
        for _ in 0..10 {
            world.record(&login_fail(), &named("ada"));
        }
        world.run(10 * MINUTE_MS + 10_000);
    }
    let hour = world.sent_ms.iter().filter(|at_ms| **at_ms < 60 * MINUTE_MS).count();
    assert!(hour <= 4, "{hour} {:?}", lines(&world.sent));
}

#[test]
fn attack_by_clients_does_not_delay_a_critical_alert() {
    let mut world = World::new();
    for step in 0..60 {
        attack(&mut world, &format!("u{step}"));
        world.turn();
        world.pass(1_000);
    }
    world.record(&failure(Code::LogReplaced), &Subject::default());
    let sent = lines(&world.turn());
    assert!(sent.contains(&String::from("A13 log_replaced critical firing")), "{sent:?}");
}
