//! The rules of the server itself: A1 to A18 and F1 to F3.
//! Never: `critical` for what a client without an account can cause.

use portcullis_model::{Code, CodeClass};

use super::builtin_log;
use super::condition::Condition;
use super::rules::{Cause, Measure, Rule, Trigger, Variety};
use crate::alert::input::key::KeyKind;
use crate::alert::input::note::Flag;
use crate::alert::notification::AlertSeverity::{self, Critical, High, Info, Medium};
use crate::record::fields::Outcome;

pub(super) const MINUTE_S: u64 = 60;
const DAY_S: u64 = 24 * 60 * MINUTE_S;
/// `rule.name` of records of given and changed roles, when one of them is that of administrators.
pub const ADMIN_ROLE: &str = "admin_role";
/// `rule.name` of the record of a clock that was set.
pub(crate) const CLOCK_STEP: &str = "clock_step";

/// All rules of the server, in the order of their names.
pub(crate) fn all() -> Vec<Rule> {
    let mut rules = identity();
    rules.extend(access());
    rules.extend(traffic());
    rules.extend(messages());
    rules.extend(service());
    rules.extend(operation());
    rules.push(flood());
    rules.extend(first_seen());
    rules
}

pub(super) fn rule(id: &str, title: &str, cause: Cause, triggers: Vec<Trigger>) -> Rule {
    Rule { id: String::from(id), title: String::from(title), cause, triggers }
}

fn privileged(trigger: Trigger, severity: AlertSeverity) -> Trigger {
    Trigger { privileged: severity, ..trigger }
}

pub(super) fn gauge(
    severity: AlertSeverity,
    conditions: Vec<Condition>,
    ends: Vec<Condition>,
) -> Trigger {
    let trigger = Trigger::count(KeyKind::Sink, 1, MINUTE_S, severity, conditions);
    Trigger { measure: Measure::Gauge, ends, ..trigger }
}

fn identity() -> Vec<Rule> {
    let warning = Condition::warning;
    let reused = vec![
        warning(Code::AuthnTokenReuse),
        Condition::any(Code::AuthnTokenRevoked).rule("refresh_reuse"),
    ];
    let guesses = || vec![warning(Code::AuthnLoginFail).rule("login").rule("totp")];
    let mut against_one = guesses();
    against_one.extend([warning(Code::AuthnLoginFailMax), warning(Code::AuthnLoginLock)]);
    let spray = Trigger {
        measure: Measure::CountOf(Variety::Names, 20),
        ..Trigger::count(KeyKind::Prefix, 50, 10 * MINUTE_S, High, guesses())
    };
    let after = vec![Condition::any(Code::AuthnLoginSuccessAfterFail)];
    vec![
        rule(
            "A1",
            "A one-time credential was used twice",
            Cause::Clients,
            vec![
                privileged(Trigger::count(KeyKind::Party, 1, MINUTE_S, High, reused), Critical)
                    .of("one-time credentials or refresh tokens that are used twice"),
            ],
        ),
        rule(
            "A2",
            "Password guessing against one account",
            Cause::Clients,
            vec![
                Trigger::count(KeyKind::Name, 10, 10 * MINUTE_S, High, against_one)
                    .of("failed logins to one user name"),
            ],
        ),
        rule(
            "A3",
            "Password guessing against many accounts",
            Cause::Clients,
            vec![
                spray.of("failed logins of one address, to at least 20 user names"),
                Trigger::count(KeyKind::All, 200, 10 * MINUTE_S, High, guesses())
                    .of("failed logins of all addresses"),
            ],
        ),
        rule(
            "A4",
            "A login succeeded after several failures",
            Cause::Clients,
            vec![
                privileged(Trigger::count(KeyKind::User, 1, MINUTE_S, Medium, after), High)
                    .of("logins of one user after several failures"),
            ],
        ),
    ]
}

fn access() -> Vec<Rule> {
    let warning = Condition::warning;
    // A session that ends between the check and the commit is not a probe.
    let denied = || warning(Code::AuthzFail).rule("access").not_reason("ended");
    let foreign = || warning(Code::MaliciousCsrf);
    vec![
        rule(
            "A5",
            "A user requests operations that are not allowed",
            Cause::Clients,
            vec![
                Trigger::count(KeyKind::User, 5, 5 * MINUTE_S, High, vec![denied()])
                    .of("requests of one user that are not allowed"),
                Trigger::count(
                    KeyKind::User,
                    2,
                    5 * MINUTE_S,
                    High,
                    vec![denied().flag(Flag::AdminEvent)],
                )
                .of("requests of one user for operations of administrators"),
            ],
        ),
        rule(
            "A6",
            "Requests from an origin that is not allowed",
            Cause::Clients,
            vec![
                Trigger::count(KeyKind::Origin, 20, 5 * MINUTE_S, High, vec![foreign()])
                    .of("requests from one origin that is not allowed"),
                // The browser of a user sent it: another page acts with the user's session.
                Trigger::count(
                    KeyKind::Origin,
                    1,
                    5 * MINUTE_S,
                    High,
                    vec![foreign().flag(Flag::SessionCookie)],
                )
                .of("requests from such an origin with the session cookie of a user"),
            ],
        ),
    ]
}

fn traffic() -> Vec<Rule> {
    let warning = Condition::warning;
    let broken = || {
        let codes = [Code::WsProtocolViolation, Code::MaliciousExtraneous];
        codes.map(|code| warning(code).flag(Flag::Violation)).to_vec()
    };
    let limited =
        [Code::ExcessRateLimitExceeded, Code::ExcessSessionsExceeded, Code::AuthnLoginFailMax];
    let by = |flag: Flag| limited.map(|code| warning(code).flag(flag)).to_vec();
    let many = Trigger {
        measure: Measure::Distinct(Variety::Prefixes),
        ..Trigger::count(KeyKind::All, 100, MINUTE_S, High, by(Flag::PrefixLimit))
    };
    // Honest clients that the server does not know are rejected as well; so are many at once after
    // a restart.
    let all = Trigger::count(KeyKind::All, 600, MINUTE_S, Medium, by(Flag::TotalLimit));
    vec![
        rule(
            "A7",
            "Clients break the protocol",
            Cause::Clients,
            vec![
                Trigger::count(KeyKind::Prefix, 20, MINUTE_S, Medium, broken())
                    .of("violations of the protocol from one address"),
                Trigger::count(KeyKind::All, 200, MINUTE_S, High, broken())
                    .of("violations of the protocol from all addresses"),
            ],
        ),
        rule(
            "A8",
            "Limits reject many clients",
            Cause::Clients,
            vec![
                many.of("addresses whose clients a limit rejects"),
                all.of("rejections by limits of the whole server"),
            ],
        ),
    ]
}

fn messages() -> Vec<Rule> {
    let warning = Condition::warning;
    let content = || vec![warning(Code::SpamDetected), warning(Code::XssAttempt)];
    let out_of_order = warning(Code::SequenceFail).rule("replay").rule("mid").rule("sequence");
    let forged = warning(Code::SequenceFail).rule("replay").reason("signature");
    vec![
        rule(
            "A9",
            "Spam or markup in messages",
            Cause::Clients,
            vec![
                Trigger::count(KeyKind::User, 5, 10 * MINUTE_S, Medium, content())
                    .of("messages of one user with spam or markup"),
                Trigger::count(KeyKind::Room, 20, 10 * MINUTE_S, Medium, content())
                    .of("messages in one room with spam or markup"),
            ],
        ),
        rule(
            "A10",
            "A connection sends messages again or forges them",
            Cause::Clients,
            vec![
                Trigger::count(KeyKind::Connection, 3, MINUTE_S, High, vec![out_of_order])
                    .of("messages of one connection out of order or sent again"),
                Trigger::count(KeyKind::Connection, 1, MINUTE_S, High, vec![forged])
                    .of("messages of one connection with a forged signature"),
            ],
        ),
    ]
}

fn service() -> Vec<Rule> {
    let any = Condition::any;
    let load = |reason: &str| vec![any(Code::DegradationStateChanged).reason(reason)];
    let lower = || vec![any(Code::DegradationStateChanged).reason("normal").reason("elevated")];
    let panics = vec![any(Code::SysCrash).reason("handler_panic")];
    vec![
        rule(
            "A11",
            "The server is overloaded",
            Cause::Service,
            vec![
                Trigger { key: KeyKind::All, ..gauge(High, load("shedding"), lower()) }
                    .of("the load level is shedding"),
                Trigger { key: KeyKind::All, ..gauge(Critical, load("critical"), lower()) }
                    .of("the load level is critical"),
            ],
        ),
        rule(
            "A12",
            "A handler of the server fails",
            Cause::Service,
            vec![
                Trigger::count(KeyKind::Handler, 1, MINUTE_S, High, vec![any(Code::SysCrash)])
                    .of("failures of one handler"),
                Trigger::count(KeyKind::All, 3, 10 * MINUTE_S, Critical, panics)
                    .of("panics of handlers"),
            ],
        ),
        builtin_log::log(),
    ]
}

fn operation() -> Vec<Rule> {
    let any = Condition::any;
    let once = |key, severity, conditions| Trigger::count(key, 1, MINUTE_S, severity, conditions);
    let done = |code| any(code).outcome(Outcome::Success);
    let roles = || done(Code::PrivilegePermissionsChanged);
    let changed = vec![
        roles().rule(ADMIN_ROLE),
        done(Code::UserCreated).rule(ADMIN_ROLE),
        // A change past the server: by a command, or in the database.
        roles().reason("operator").reason("beside_server"),
        done(Code::KeyRotated),
        done(Code::BackupRestored),
    ];
    let done = vec![any(Code::SysReload), done(Code::AuthzAdmin), roles()];
    let sealed = vec![any(Code::CryptDecryptFail)];
    let clock = vec![Condition::warning(Code::ClockSkew).rule("token")];
    let stepped = vec![Condition::warning(Code::ClockSkew).rule(CLOCK_STEP)];
    let issuer = vec![Condition::warning(Code::IssuerKeys).outcome(Outcome::Failure)];
    let renewal = vec![Condition::warning(Code::CertificateRenewal).outcome(Outcome::Failure)];
    vec![
        rule(
            "A14",
            "Roles, keys, blocks, alerts or the configuration changed",
            Cause::Service,
            vec![
                once(KeyKind::Actor, High, changed).of(
                    "changes of administrators or keys, restored backups, roles changed elsewhere",
                ),
                once(KeyKind::Actor, Medium, vec![any(Code::AlertSilenced)])
                    .of("silences of alerts"),
                once(KeyKind::Actor, Info, done)
                    .of("other changes of roles, operations, and readings of the configuration"),
            ],
        ),
        rule(
            "A15",
            "Sealed fields cannot be opened",
            Cause::Service,
            vec![
                Trigger::count(KeyKind::SealKey, 5, MINUTE_S, High, sealed)
                    .of("sealed fields of one key that cannot be opened"),
            ],
        ),
        rule(
            "A16",
            "A certificate, a clock or keys of an issuer need care",
            Cause::Service,
            vec![
                once(KeyKind::Code, Critical, clock)
                    .of("own tokens from the future: a clock is wrong"),
                once(KeyKind::Code, Medium, stepped).of("steps of the clock by 5 seconds or more"),
                once(KeyKind::Code, Medium, issuer).of("keys of an issuer that cannot be fetched"),
                once(KeyKind::Code, Medium, renewal).of("certificates that ACME did not renew"),
            ],
        ),
        // Other parts of the server raise it.
        rule("A17", "The regular audit found a weakness", Cause::Service, Vec::new()),
    ]
}

/// A rule for every flood, whatever its records: it fires within seconds.
///
/// Many honest clients have an expired token or session at the same moment, so such records count
/// over a minute.
fn flood() -> Rule {
    let of_a7 = [Code::WsProtocolViolation, Code::MaliciousExtraneous];
    let rejections = || {
        let codes = Code::ALL.iter().filter(|code| code.class() == CodeClass::Rejection);
        codes.map(|code| Condition::warning(*code))
    };
    let violations = rejections().filter(|one| !of_a7.contains(&one.code));
    let violations = violations.map(|one| one.flag(Flag::Violation)).collect();
    rule(
        "A18",
        "Many requests are rejected",
        Cause::Clients,
        vec![
            Trigger::count(KeyKind::Code, 100, 10, High, violations)
                .of("rejected requests of one code that an honest client does not send"),
            Trigger::count(KeyKind::Code, 3_000, MINUTE_S, Medium, rejections().collect())
                .of("rejected requests of one code, for any reason"),
        ],
    )
}

fn first_seen() -> Vec<Rule> {
    let logins = || {
        let codes = [Code::AuthnLoginSuccess, Code::AuthnLoginSuccessAfterFail];
        codes.map(|code| Condition::any(code).flag(Flag::Privileged)).to_vec()
    };
    let first_prefix = Trigger {
        measure: Measure::FirstPrefix,
        ..Trigger::count(KeyKind::User, 1, DAY_S, High, logins())
    };
    let new_device = logins().into_iter().map(|login| login.flag(Flag::NewDevice)).collect();
    let first_code = Trigger {
        measure: Measure::FirstCode,
        ..Trigger::count(KeyKind::Code, 1, 90 * DAY_S, Medium, Vec::new())
    };
    vec![
        rule(
            "F1",
            "A privileged user logged in from a new network",
            Cause::Service,
            vec![first_prefix.of("a privileged user logs in from a new network")],
        ),
        rule(
            "F2",
            "A privileged user logged in on a new device",
            Cause::Service,
            vec![
                Trigger::count(KeyKind::User, 1, MINUTE_S, High, new_device)
                    .of("logins of one privileged user on a new device"),
            ],
        ),
        rule(
            "F3",
            "A record that was not seen for 90 days",
            Cause::Service,
            vec![first_code.of("a record was not seen for 90 days")],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_model::{Answer, CodeClass};

    use super::*;

    /// Codes that are recorded beside an answer, and have no row of their own.
    const BESIDE: [Code; 3] =
        [Code::AuthnLoginLock, Code::AuthnPasswordChangeFail, Code::MaliciousCspViolation];

    #[test]
    fn every_rule_of_rejections_names_rows_of_the_table_of_denials() {
        let rows: Vec<_> = (0..=u8::MAX).filter_map(Answer::of_number).collect();
        let rules = all();
        let triggers = rules.iter().flat_map(|rule| &rule.triggers);
        let conditions = triggers.flat_map(|trigger| &trigger.conditions);
        let mut checked = 0;
        for condition in conditions.filter(|one| one.code.class() == CodeClass::Rejection) {
            let of_code = || rows.iter().filter(|row| row.event == condition.code);
            assert!(of_code().count() > 0 || BESIDE.contains(&condition.code), "{condition:?}");
            for rule in &condition.rules {
                assert!(of_code().any(|row| row.rule == rule), "{rule} of {:?}", condition.code);
                checked += 1;
            }
        }
        assert!(checked > 5, "{checked}");
    }

    #[test]
    fn each_threshold_has_words_that_no_other_one_of_its_rule_has() {
        for rule in all() {
            let texts: BTreeSet<_> = rule.triggers.iter().map(|trigger| &trigger.text).collect();
            assert_eq!(texts.len(), rule.triggers.len(), "{}", rule.id);
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", rule.id);
        }
    }

    #[test]
    fn rules_of_clients_are_critical_for_privileged_accounts_only() {
        for rule in all().iter().filter(|rule| rule.cause == Cause::Clients) {
            for trigger in &rule.triggers {
                assert!(trigger.severity < Critical, "{}", rule.id);
                assert!(trigger.privileged < Critical || rule.id == "A1", "{}", rule.id);
            }
        }
    }
}
