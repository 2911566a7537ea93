//! Why no gate can be built from its options.
//! Never: an error of a client or of a request; those are a `Denial`.

use crate::payload::open_type::OpenType;

/// The reason why no gate can be built from the options, and the remedy.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Not a host name a browser would send.
    #[error(
        "host {0:?} of listen.hosts is not a lower-case name or address with an optional port, \
         like chat.example"
    )]
    Host(String),
    /// No host at all.
    #[error(
        "no host is listed: every request would be rejected; list the server's names in \
         `[listen] hosts`, or with `host` of the builder"
    )]
    NoHost,
    /// Not an origin as browsers serialise it.
    #[error("origin {seen:?} {why}; write it as browsers send it, such as https://myapp.com")]
    Origin {
        /// The text.
        seen: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An option that the running server cannot change.
    #[error("{0} cannot change while the server runs: it needs a restart")]
    NeedsRestart(&'static str),
    /// The machine has no source of randomness.
    #[error("this machine has no source of randomness, which secrets need")]
    Randomness,
    /// Not a network of proxies.
    #[error(
        "proxy {0:?} is neither an address nor a network; write it like \"10.0.0.0/8\", with no \
         bit set behind its length"
    )]
    Proxy(String),
    /// Not a network of clients of the dashboard.
    #[error(
        "admin.from: {0:?} is neither an address nor a network; write it like \"10.0.0.0/8\", with \
         no bit set behind its length"
    )]
    DashboardNetwork(String),
    /// Not the name of a limit.
    #[error("{0:?} is not a limit with an observe mode: use a name of [rate] or [capacity]")]
    Observe(String),
    /// No origin, and nothing else may connect either.
    #[error(
        "no origin is listed: no page could connect; list the pages' origins in `[origin] \
         allowed`, or with `origin` of the builder"
    )]
    NoOrigin,
    /// A rate with a count of 0, or a period that is out of range.
    #[error("rate {0:?} is out of range: its count must be at least 1, its period 1 ms to 24 h")]
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
    /// An issuer that is invalid or ambiguous.
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
    /// An invalid spam phrase.
    #[error("spam phrase {phrase:?}: {why}")]
    SpamPhrase {
        /// The phrase.
        phrase: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An event name outside the grammar.
    #[error("event name {0:?} has to be 1 to 128 characters of A-Z a-z 0-9 _ : . -")]
    EventName(String),
    /// An event name that Socket.IO uses itself.
    #[error("event name {0:?} is reserved by Socket.IO: choose another name")]
    EventReserved(String),
    /// A namespace outside the grammar.
    #[error("namespace {0:?} is not / and A-Z a-z 0-9 / _ - . with at most one * at its end")]
    Namespace(String),
    /// A namespace for a role that is not defined.
    #[error("namespace {0:?} is for a role that is not defined: see RoleTable::define")]
    NamespaceRole(String),
    /// Two rules for one event.
    #[error("event {0:?} is declared twice")]
    EventTwice(String),
    /// A rule for an undeclared event.
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
    /// A rule lists only fields that the payload does not have.
    #[error(
        "event {event:?}: its rule lists the field {field:?}, which no type of its payload has; \
         write it as in JSON (`rename_all`)"
    )]
    EventField {
        /// The event's name.
        event: String,
        /// The name in the rule.
        field: &'static str,
    },
    /// A sealed field of an event and its rule disagree.
    #[error("event {event:?}, sealed field {pointer:?}: {why}")]
    SealedField {
        /// The event's name.
        event: String,
        /// The JSON pointer of the field.
        pointer: String,
        /// The fault and the remedy.
        why: &'static str,
    },
    /// The payload of an event takes members that its type does not declare.
    #[error("event {event:?}, payload {payload}: {fault}")]
    PayloadOpen {
        /// The event's name.
        event: String,
        /// The type of its payload, with its path.
        payload: &'static str,
        /// The type at fault and the remedy.
        fault: OpenType,
    },
}

portcullis_model::debug_as_sentence!(GateError);
