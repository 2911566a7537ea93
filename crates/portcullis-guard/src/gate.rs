//! The gate: every option and snapshot the three doors decide with, built once.
//! Never: changed while it is shared, or built from a rule it cannot read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::admission::admission_token::{Admissions, fresh_key};
use crate::admission::host::Hosts;
use crate::admission::origin::Origins;
use crate::admission::proxy::Proxies;
use crate::authentication::first_key::FirstKeys;
use crate::authentication::proof::Proofs;
use crate::authentication::ticket::Tickets;
use crate::authorization::event::{Access, DeclaredFacts, Replay};
use crate::content::spam::filter::SpamFilter;
use crate::directory::tables::Directory;
use crate::gate_options::{GateOptions, check_numbers, check_rates};
use crate::limits::attempt::Trace;
use crate::limits::capacity::Capacity;
use crate::limits::observe::Observed;
use crate::limits::rate::Rate;
use crate::limits::rates::Rates;
use crate::limits::slots::CapacityCounts;
use crate::load::shedding::Pressed;
use crate::payload::open_type::OpenType;
use crate::payload::sealed::FieldSealer;
use crate::tokens::key::Issuer;
use crate::tokens::token::Tokens;

/// Why no gate can be built from the options, and how to mend it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Not a host name a browser would send.
    #[error("host {0:?} is not a lower-case name or address with an optional port")]
    Host(String),
    /// No host at all.
    #[error("no host is listed: every request would be refused; list the server's names")]
    NoHost,
    /// Not an origin as browsers serialise it.
    #[error("origin {seen:?} {why}; write it as browsers send it, such as https://myapp.com")]
    Origin {
        /// The text.
        seen: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The machine gives no randomness.
    #[error("this machine gives no randomness; nothing can be kept secret without")]
    Randomness,
    /// Not a network of proxies.
    #[error(
        "proxy {0:?} is neither an address nor a network; write it like \"10.0.0.0/8\", with no \
         bit set behind its length"
    )]
    Proxy(String),
    /// Not the name of a limit.
    #[error(
        "{0:?} is no limit that could be observed; write it as it stands in [rate] or [capacity]"
    )]
    Observe(String),
    /// No origin, and nothing else may connect either.
    #[error("no origin is listed: no page could connect; list the pages' origins")]
    NoOrigin,
    /// A rate that lets nothing pass, or whose period is out of range.
    #[error("rate {0:?} must let something pass, in 1 ms to 24 h")]
    Rate(String),
    /// A number out of range.
    #[error("{option} is {seen}, which is out of range: it must be {need}")]
    Range {
        /// The option's name.
        option: &'static str,
        /// Its value.
        seen: u64,
        /// What it must be.
        need: &'static str,
    },
    /// An issuer that cannot be told apart or checked.
    #[error("token issuer {issuer:?}: {why}")]
    Issuer {
        /// Its name.
        issuer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A secret an attacker could guess.
    #[error("the secret of token issuer {issuer:?} {why}; make 32 random bytes or more")]
    WeakSecret {
        /// The issuer's name.
        issuer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A phrase of spam that cannot be looked for.
    #[error("spam phrase {phrase:?}: {why}")]
    SpamPhrase {
        /// The phrase.
        phrase: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An event name outside the grammar, or a reserved one.
    #[error("event name {0:?} is not 1 to 128 of A-Z a-z 0-9 _ : . - or is reserved")]
    EventName(String),
    /// A namespace outside the grammar.
    #[error("namespace {0:?} is not / and A-Z a-z 0-9 / _ - . with at most one * at its end")]
    Namespace(String),
    /// Two rules for one event.
    #[error("event {0:?} is declared twice")]
    EventTwice(String),
    /// A rule for an event nobody declares.
    #[error("event {0:?} has a rule but is not declared: is the name spelled right?")]
    EventUndeclared(String),
    /// An event's rule contradicts itself or a hard limit.
    #[error("event {event:?}: {why}")]
    EventRule {
        /// The event's name.
        event: String,
        /// What is wrong with its rule.
        why: &'static str,
    },
    /// A sealed field of an event and its rule disagree.
    #[error("event {event:?}, sealed field {pointer:?}: {why}")]
    SealedField {
        /// The event's name.
        event: String,
        /// The JSON pointer of the field.
        pointer: String,
        /// What is wrong, and how to mend it.
        why: &'static str,
    },
    /// The payload of an event takes members that its type does not declare.
    #[error("event {event:?}, payload {payload}: {fault}")]
    PayloadOpen {
        /// The event's name.
        event: String,
        /// The type of its payload, with its path.
        payload: &'static str,
        /// Which type of it is at fault, and how to mend it.
        fault: OpenType,
    },
}

portcullis_model::debug_as_sentence!(GateError);

/// A declared event and who may send it: one row of the table of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The namespace, a name or a pattern.
    pub namespace: String,
    /// The event.
    pub event: &'static str,
    /// What relation to the room it asks for.
    pub access: Access,
    /// Who holds one of these roles may send it at all.
    pub roles: Vec<String>,
    /// Who holds one of these needs no relation to the room.
    pub anywhere: Vec<String>,
    /// What a second copy is told by.
    pub replay: Replay,
    /// How often one user may send it, if that is limited by itself.
    pub rate: Option<Rate>,
    /// The same without the operator's options.
    pub usual: UsualAction,
}

/// What an event declares under the profile, before `[access]`, `[replay]` and `[rate]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsualAction {
    /// Users with one of these roles may send it.
    pub roles: Vec<String>,
    /// What a copy is recognized by.
    pub replay: Replay,
    /// How often one user may send it, if that is limited by itself.
    pub rate: Option<Rate>,
}

/// Every security decision, behind three doors: `admit`, `authenticate`, `permit`.
pub struct Gate {
    pub(crate) options: GateOptions,
    pub(crate) directory: Arc<Directory>,
    pub(crate) rates: Rates,
    pub(crate) proxies: Proxies,
    pub(crate) hosts: Hosts,
    pub(crate) origins: Origins,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) tickets: Tickets,
    pub(crate) proofs: Proofs,
    pub(crate) first_keys: FirstKeys,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) observed: Observed,
    pub(crate) admissions: Admissions,
    pub(crate) pressed: Pressed,
    pub(crate) spam: SpamFilter,
    /// Where what limits count is written down, if anybody wants it.
    pub(crate) trace: Option<Trace>,
    /// The keys for fields of events that are sealed.
    pub(crate) sealer: Option<Arc<dyn FieldSealer>>,
    connections: AtomicU64,
    /// The declared events, each with its namespace.
    pub(crate) declared: Vec<DeclaredFacts>,
}

impl Gate {
    /// Checks every option and builds the gate.
    ///
    /// # Errors
    /// [`GateError`] names the first option that cannot be kept; nothing is skipped.
    pub fn build(mut options: GateOptions, directory: Arc<Directory>) -> Result<Self, GateError> {
        check_rates(&options)?;
        check_numbers(&options)?;
        let proxies = Proxies::parse(&options.proxies)?;
        let hosts = Hosts::parse(&options.hosts, &options.danger)?;
        let origins = Origins::parse(&options.origins, options.without_origin, &options.danger)?;
        // The keys move out, so that no copy of a secret stays behind in the options.
        let tokens = Tokens::build(std::mem::take(&mut options.issuers))?;
        let tokens = Arc::new(tokens.awaiting(std::mem::take(&mut options.awaited)));
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| GateError::Randomness)?;
        let tickets = Tickets::new(&secret, &options.ticket_per_user);
        let tickets = tickets.ok_or(GateError::Randomness)?;
        let proofs = Proofs::new(&secret);
        let capacity = Capacity::new(options.places);
        let observed = Observed::parse(&options.observe)?;
        let admissions = match options.admission_key.take() {
            Some(key) => Admissions::new(&key),
            None => Admissions::new(&fresh_key().ok_or(GateError::Randomness)?),
        };
        let spam = SpamFilter::build(options.spam.clone())
            .map_err(|(phrase, why)| GateError::SpamPhrase { phrase, why })?;
        let rates = Rates::new(options.rate_keys_max);
        let declared = Vec::new();
        let pressed = Pressed::pinned_to(options.load);
        Ok(Self {
            options,
            directory,
            rates,
            proxies,
            hosts,
            origins,
            tokens,
            tickets,
            proofs,
            first_keys: FirstKeys::new(),
            capacity,
            observed,
            admissions,
            pressed,
            spam,
            trace: None,
            sealer: None,
            connections: AtomicU64::new(0),
            declared,
        })
    }

    /// The number of the next connection, for traces.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Checks that every option about an event names a declared one.
    ///
    /// To be called once all events are declared.
    ///
    /// # Errors
    /// [`GateError::EventUndeclared`] with the first name that no event has.
    pub fn check_declared(&self) -> Result<(), GateError> {
        let options = &self.options;
        let rated = options.event_per_user.iter().map(|(name, _)| name.as_str());
        let copied = options.replay.per_event.iter().map(|(name, _)| name.as_str());
        let mut names = rated.chain(copied).chain(options.roles.names());
        let known = |name: &str| self.declared.iter().any(|facts| facts.name == name);
        match names.find(|name| !known(name)) {
            Some(name) => Err(GateError::EventUndeclared(String::from(name))),
            None => Ok(()),
        }
    }

    /// Puts other keys in the place of all of one issuer's; connections opened with a key that is
    /// gone end.
    ///
    /// # Errors
    /// [`GateError`] when the keys cannot be told apart or checked; those in force stay.
    pub fn replace_keys(&self, issuer: &str, keys: Vec<Issuer>) -> Result<(), GateError> {
        self.tokens.replace(issuer, keys)?;
        self.directory.authority().changed();
        Ok(())
    }

    /// Every declared event and who may send it, in the order of the declarations.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let table = &self.options.roles.table;
        let names = |roles| table.names(roles).into_iter().map(String::from).collect();
        let action = |facts: &DeclaredFacts| Action {
            namespace: facts.namespace.clone(),
            event: facts.name,
            access: facts.allowed.access,
            roles: names(facts.allowed.roles),
            anywhere: names(facts.allowed.anywhere),
            replay: facts.replay,
            rate: facts.rate,
            usual: UsualAction {
                roles: names(facts.usual.allowed.roles),
                replay: facts.usual.replay,
                rate: facts.usual.rate,
            },
        };
        self.declared.iter().map(action).collect()
    }

    /// Users, rooms and memberships.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// What the gate was built from, without the issuers.
    ///
    /// Their keys have moved into the gate.
    pub fn options(&self) -> &GateOptions {
        &self.options
    }

    /// How many connections there are.
    pub fn counts(&self) -> CapacityCounts {
        self.capacity.counts()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gate").field("declared", &self.declared).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Roles;

    use super::*;
    use crate::authorization::event::Rule;
    use crate::authorization::rules::{ReplayRules, RoleRules};
    use crate::content::spam::filter::SpamOptions;
    use crate::directory::tables::DirectoryLimits;
    use crate::limits::capacity::Places;
    use crate::limits::rate::Rate;
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
        let places = Places::default();
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
                GateOptions { places: Places { total: 0, ..places }, ..options() },
            ),
            (
                "pre_auth_total",
                GateOptions { places: Places { pre_auth: 10_001, ..places }, ..options() },
            ),
            (
                "admin_reserve",
                GateOptions { places: Places { admin_reserve: 10_000, ..places }, ..options() },
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
        sent::<crate::Admitted>();
        sent::<crate::Caller>();
    }

    #[test]
    fn keys_leave_the_options() {
        let gate = build(GateOptions { issuers: issuers(), ..options() }).unwrap();
        assert!(gate.options().issuers.is_empty());
    }

    #[test]
    fn a_rate_for_an_event_nobody_declares_is_an_error() {
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
            gate.declare_rule("/", "chat:send", &Rule::DEFAULT).unwrap();
            let error = GateError::EventUndeclared("chat:sned".into());
            assert_eq!(gate.check_declared(), Err(error));
            gate.declare_rule("/", "chat:sned", &Rule::DEFAULT).unwrap();
            assert_eq!(gate.check_declared(), Ok(()));
        }
    }
}
