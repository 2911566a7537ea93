//! Tests of the gate's options and of its build.
//! Never: built into the server.

use portcullis_model::Roles;

use super::*;
use crate::authorization::event::Replay;
use crate::authorization::event::Rule;
use crate::authorization::rules::{ReplayRules, RoleRules};
use crate::capacity::pools::CapacityOptions;
use crate::content::spam::filter::SpamOptions;
use crate::directory::space::DirectoryLimits;
use crate::tables::rate::Rate;
use crate::tokens::forge::issuers;

fn options() -> GateOptions {
    GateOptions {
        hosts: vec!["myapp.com".into()],
        origins: vec!["https://myapp.com".into()],
        rate_keys_max: 1024,
        ..GateOptions::default()
    }
}

fn build(options: GateOptions) -> Result<Gate, GateError> {
    Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default())))
}

#[test]
fn options_out_of_range_stop_the_start() {
    let nothing = Rate::per(0, 1000);
    let places = CapacityOptions::default();
    let mut spam = SpamOptions::default();
    spam.phrases.push("...".into());
    let cases: [(&str, GateOptions); 17] = [
        ("spam phrase \"...\"", GateOptions { spam, ..options() }),
        ("rate", GateOptions { connect_per_prefix: nothing, ..options() }),
        ("rate", GateOptions { request_per_prefix: nothing, ..options() }),
        ("rate", GateOptions { login_per_prefix: nothing, ..options() }),
        ("rate", GateOptions { login_per_user: nothing, ..options() }),
        ("rate", GateOptions { message_per_user: Rate::per(1, 0), ..options() }),
        ("rate", GateOptions { message_per_connection: Rate::per(1, u64::MAX), ..options() }),
        ("rate", GateOptions { event_per_user: vec![("a".into(), nothing)], ..options() }),
        (
            "connections_total",
            GateOptions { capacity: CapacityOptions { total: 0, ..places }, ..options() },
        ),
        (
            "pre_auth_total",
            GateOptions { capacity: CapacityOptions { pre_auth: 10_001, ..places }, ..options() },
        ),
        (
            "admin_reserve",
            GateOptions {
                capacity: CapacityOptions { admin_reserve: 10_000, ..places },
                ..options()
            },
        ),
        ("\"connect\"", GateOptions { observe: vec!["connect".into()], ..options() }),
        ("connections_per_user", GateOptions { connections_per_user: 0, ..options() }),
        ("rooms_per_connection", GateOptions { rooms_per_connection: 129, ..options() }),
        ("message_max_bytes", GateOptions { message_max_bytes: 1_048_577, ..options() }),
        ("rate_keys_max", GateOptions { rate_keys_max: 0, ..options() }),
        ("no host", GateOptions { hosts: Vec::new(), ..options() }),
    ];
    for (word, options) in cases {
        let error = build(options).unwrap_err().to_string();
        assert!(error.starts_with(word), "{word}: {error}");
    }
    assert!(build(options()).is_ok());
}

#[test]
fn shards_share_the_gate_and_slots_travel() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Gate>();
    shared::<Directory>();
    sent::<crate::AdmittedRequest>();
    sent::<crate::Caller>();
}

#[test]
fn keys_leave_the_options() {
    let gate = build(GateOptions { issuers: issuers(), ..options() }).unwrap();
    assert!(gate.options().issuers.is_empty());
}

#[test]
fn rate_for_an_undeclared_event_is_an_error() {
    let event_per_user = vec![("chat:sned".to_owned(), Rate::per(1, 1000))];
    let mut replay = ReplayRules::default();
    replay.per_event.push((String::from("chat:sned"), Replay::Signed));
    let mut roles = RoleRules::default();
    roles.access.push((String::from("chat:sned"), Roles::user()));
    let cases = [
        GateOptions { event_per_user, ..options() },
        GateOptions { replay, ..options() },
        GateOptions { roles, ..options() },
    ];
    for options in cases {
        let mut gate = build(options).unwrap();
        gate.authorization.declare_rule("/", "chat:send", &Rule::DEFAULT).unwrap();
        let error = GateError::EventUndeclared("chat:sned".into());
        assert_eq!(gate.check_declared(), Err(error));
        gate.authorization.declare_rule("/", "chat:sned", &Rule::DEFAULT).unwrap();
        assert_eq!(gate.check_declared(), Ok(()));
    }
}
