//! The first certificate: by both challenges, with bad nonces, slow or absent authorities.
//! Never: a restart between the start and the certificate.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use portcullis_test::{ShiftedClock, counter, until};
use serde_json::json;

use crate::authority::Authority;
use crate::client::{
    Challenge, NAME, attempt, config, contains, is_issued, ready, shown, start, wait_until_ready,
};

#[test]
fn first_certificate_needs_no_restart_and_is_kept_for_the_next_start() {
    for challenge in [Challenge::Http, Challenge::TlsAlpn] {
        let mut authority = Authority::start(&[]);
        let server = start(&config(&authority, challenge));
        wait_until_ready(&server);
        let record = attempt(&server, 0, "success");
        assert!(record["message"].as_str().unwrap().contains(NAME), "{record}");
        let first = shown(&server);
        assert!(is_issued(&first) && contains(&first, NAME.as_bytes()), "{challenge:?}");
        for file in ["acme-account.json", "acme-certificate.pem"] {
            let mode = std::fs::metadata(server.data().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        assert!(counter(&server, "portcullis_acme_last_success_seconds") > 1_700_000_000);
        let next = counter(&server, "portcullis_acme_next_attempt_seconds");
        let left = counter(&server, "portcullis_certificate_expiry_seconds");
        assert!(next > 1_700_000_000 && left > 80 * 24 * 3_600, "{next} {left}");
        // The next start needs no authority.
        authority.stop();
        let server = server.restart();
        assert_eq!(ready(&server).status, 200);
        assert_eq!(shown(&server), first, "{challenge:?}");
        assert_eq!(counter(&server, "portcullis_acme_last_failure_seconds"), 0);
    }
}

#[test]
fn bad_nonces_and_slow_validations_only_delay_the_certificate() {
    for variables in [
        [("PEBBLE_WFE_NONCEREJECT", "50"), ("PEBBLE_AUTHZREUSE", "0")],
        [("PEBBLE_VA_NOSLEEP", ""), ("PEBBLE_VA_SLEEPTIME", "3")],
    ] {
        let authority = Authority::start(&variables);
        let server = start(&config(&authority, Challenge::Http));
        wait_until_ready(&server);
        assert!(is_issued(&shown(&server)), "{variables:?}");
    }
}

#[test]
fn server_is_not_ready_until_its_authority_answers() {
    let mut authority = Authority::stopped();
    let mut config = config(&authority, Challenge::Http);
    let mut clock = ShiftedClock::install(&mut config);
    let server = start(&config);
    let record = attempt(&server, 0, "failure");
    let message = record["message"].as_str().unwrap();
    assert!(message.contains("cannot connect") && message.contains("next attempt"), "{message}");
    until("the same in the operational log", || {
        server.records.errors().contains("cannot connect").then_some(())
    });
    let answer = ready(&server);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["parts"]["certificate"], json!("not_issued"));
    let temporary = shown(&server);
    assert!(!is_issued(&temporary) && contains(&temporary, b"Portcullis temporary certificate"));
    let failed = counter(&server, "portcullis_acme_last_failure_seconds");
    assert!(failed > 0);
    // The next attempt is minutes later, also after a restart.
    let server = server.restart();
    let next = until("the plan", || {
        Some(counter(&server, "portcullis_acme_next_attempt_seconds")).filter(|next| *next > 0)
    });
    assert!((85..=125).contains(&(next - failed)), "{next} {failed}");
    assert_eq!(counter(&server, "portcullis_acme_last_failure_seconds"), 0, "none since the start");
    authority.run(&[]);
    clock.pass(Duration::from_secs(3 * 60));
    wait_until_ready(&server);
    assert!(is_issued(&shown(&server)));
    assert_eq!(ready(&server).json()["parts"]["certificate"], json!("ok"));
}

#[test]
fn rejected_name_is_reported_and_keeps_no_other_name_from_its_certificate() {
    const WRONG: &str = "eu.chat.example";
    let authority = Authority::start(&[]);
    // No server listens at this address.
    authority.set_address(WRONG, Some([127, 0, 0, 2].into()));
    let mut config = config(&authority, Challenge::Http);
    config.listen.push(format!("hosts = [{NAME:?}, {WRONG:?}]"));
    let mut clock = ShiftedClock::install(&mut config);
    let server = start(&config);
    let record = attempt(&server, 0, "failure");
    let message = record["message"].as_str().unwrap();
    assert!(message.contains("cannot validate eu.chat.example"), "{message}");
    assert!(message.contains("(connection)"), "{message}");
    let issued = attempt(&server, 0, "success");
    assert!(!issued["message"].as_str().unwrap().contains(WRONG), "{issued}");
    assert_eq!(ready(&server).status, 200);
    let partial = shown(&server);
    assert!(is_issued(&partial) && contains(&partial, NAME.as_bytes()));
    assert!(!contains(&partial, WRONG.as_bytes()));
    // The next start has it, and tries again with all names; while it has the others, they need
    // no further order.
    let server = server.restart();
    let mark = server.records.mark();
    clock.pass(Duration::from_secs(3 * 60));
    let _failed = attempt(&server, mark, "failure");
    assert_eq!(shown(&server), partial);
    authority.set_address(WRONG, None);
    let mark = server.records.mark();
    clock.pass(Duration::from_secs(15 * 60));
    let _complete = attempt(&server, mark, "success");
    assert!(contains(&shown(&server), WRONG.as_bytes()));
}

#[test]
fn server_without_an_accepted_name_has_no_certificate() {
    let authority = Authority::start(&[]);
    authority.set_address(NAME, Some([127, 0, 0, 2].into()));
    let server = start(&config(&authority, Challenge::Http));
    let record = attempt(&server, 0, "failure");
    assert!(record["message"].as_str().unwrap().contains("cannot validate"), "{record}");
    assert!(!server.data().join("acme-certificate.pem").exists());
    assert_eq!(ready(&server).status, 503);
}
