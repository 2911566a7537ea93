//! Every type of a public option can be named by a program of one's own.
//! Never: an option that only the server binary can set.

use std::sync::Arc;

use portcullis::{
    Algorithm, CapacityOptions, ConnectAnswer, Credentials, Danger, GateOptions, Issuer, LoadState,
    Malicious, Markup, OperatorKeys, Options, Penalty, PollingBinding, ProxyProtocol, ProxyRules,
    QueueLimits, Rate, ReferenceKey, Replay, ReplayRules, Role, RoleRules, RoleTable,
    SecondFactorRule, Secret, SessionTimeouts, SpamAction, SpamOptions, SpamRule, StrictTransport,
    WhenUserFull, WithoutOrigin,
};

fn set<T>(option: &mut T, value: T) {
    *option = value;
}

#[test]
fn options_of_the_guards_can_all_be_set() {
    let mut guards = GateOptions::default();
    set::<ProxyRules>(&mut guards.proxies, ProxyRules::default());
    set::<WithoutOrigin>(&mut guards.without_origin, WithoutOrigin::Token);
    set::<PollingBinding>(&mut guards.polling_binding, PollingBinding::Token);
    set::<Rate>(&mut guards.connect_total, Rate::per(1, 1));
    set::<Penalty>(&mut guards.penalty, Penalty::default());
    set::<CapacityOptions>(&mut guards.capacity, CapacityOptions::default());
    set::<WhenUserFull>(&mut guards.when_user_full, WhenUserFull::EvictOldest);
    set::<Option<Arc<Secret<[u8; 32]>>>>(&mut guards.admission_key, None);
    set::<Option<LoadState>>(&mut guards.load, Some(LoadState::Normal));
    set::<Vec<Issuer>>(&mut guards.issuers, Vec::new());
    set::<Vec<Algorithm>>(&mut guards.expected_algorithms, vec![Algorithm::Es256]);
    set::<SecondFactorRule>(&mut guards.second_factor, SecondFactorRule::default());
    set::<SessionTimeouts>(
        &mut guards.session_timeouts,
        SessionTimeouts { idle_ms: 1, absolute_ms: 2 },
    );
    let mut table = RoleTable::default();
    let support: Role = table.define("support").unwrap();
    let grants = vec![(support, String::from("user:mute"))];
    set::<RoleRules>(&mut guards.roles, RoleRules { table, grants, access: Vec::new() });
    let per_event = vec![(String::from("order:place"), Replay::MidRequired)];
    set::<ReplayRules>(&mut guards.replay, ReplayRules { per_event, strict: false });
    set::<Markup>(&mut guards.markup, Markup::Strip);
    set::<Malicious>(&mut guards.malicious, Malicious::Refuse);
    let mut spam = SpamOptions::default();
    spam.set(SpamRule::ALL[0], SpamAction::Off);
    set::<SpamOptions>(&mut guards.spam, spam);
    set::<Danger>(&mut guards.danger, Danger::default());
}

#[test]
fn options_of_the_engine_can_all_be_set() {
    let mut engine = Options::default();
    set::<Option<OperatorKeys>>(&mut engine.operator_keys, None);
    set::<Option<ReferenceKey>>(&mut engine.reference_key, None);
    set::<Option<StrictTransport>>(&mut engine.hsts, None);
    set::<ProxyProtocol>(&mut engine.proxy_protocol, ProxyProtocol::default());
    set::<QueueLimits>(&mut engine.queue_limits, QueueLimits::default());
    set::<ConnectAnswer>(&mut engine.connect_answer, ConnectAnswer::default());
    set::<Credentials>(&mut engine.credentials, Credentials::default());
}
