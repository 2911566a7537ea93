//! The rule of every key of the configuration: which values are weaker than the default.
//! Never: a missing key; a test compares this table with the keys of the file.

use super::custom_rules;
use super::rule::Rule::{
    self, Custom, Danger, Faster, LessThan, LessThanPart, MoreThan, Off, On, Rejected, Safe,
    Warned, Words,
};

/// Above this multiple of the default, a limit no longer binds one client. Tests and attacks are
/// measured at the defaults, and sites without attackers differ by less.
const TEN: u64 = 10;
/// The same for rates.
const TENFOLD: u32 = 10;
/// Messages and bytes of one client differ more: a chat needs two a second, a shared cursor sixty.
const HUNDREDFOLD: u32 = 100;
/// Connections in all depend on the machine, from one of 512 MiB to one of 128 GiB.
const HUNDRED: u64 = 100;

const EXACT: &str = "the value is an exact name";
const STRICTER: &str = "other values ask for more than the default";
const A_CHOICE: &str = "all choices protect equally";
const FLOOD: &str = "one client or network can take most of the server";
const GUESSING: &str = "passwords and codes can be guessed faster";
const MEMORY: &str = "attackers can fill more memory than this server was measured with";
const SLOW: &str = "slow and silent clients hold memory and connections for longer";
const STOLEN: &str = "a stolen session works for longer";
const PENALTY: &str = "repeated attacks cost the attacker little";
const SPAM: &str = "spam that the server finds is delivered";
const BOUNDED: &str = "accepted values are within the tested bounds";
const QUEUE: &str = "attackers can fill a longer admission queue";
const FEWER_RECORDS: &str = "an attack that is found later has left no record";

/// All keys, in the order of `docs/configuration.md`.
pub(crate) const KEYS: &[(&str, Rule)] = &[
    ("profile", Safe("development accepts clients of this machine only")),
    ("listen.public", Rejected("plaintext_off_loopback")),
    ("listen.private", Rejected("private_off_loopback")),
    ("listen.private_hosts", Safe(EXACT)),
    ("listen.probe", Safe("it answers one word")),
    ("listen.redirect", Safe("it answers with redirects to TLS only")),
    ("listen.hosts", Safe(EXACT)),
    ("listen.shards", Safe("limits count over all threads")),
    ("listen.trusted_proxies", Custom(custom_rules::trusted_proxies)),
    ("listen.proxy_header", Safe(A_CHOICE)),
    ("listen.proxy_protocol", Safe(A_CHOICE)),
    ("tls.mode", Rejected("plaintext_off_loopback")),
    ("tls.certificate_file", Safe("the certificate is checked")),
    ("tls.key_file", Rejected("a key that others can read")),
    ("tls.client_ca_file", Safe(STRICTER)),
    ("hsts.enabled", Warned),
    ("hsts.max_age_s", Warned),
    ("hsts.include_subdomains", Warned),
    ("hsts.preload", Safe(STRICTER)),
    ("transport.websocket", Rejected("false")),
    ("transport.polling", On("copied URLs of long-polling sessions can be used")),
    (
        "transport.polling_binding",
        Words(&["network"], "a long-polling session is open to all addresses of its network"),
    ),
    (
        "transport.compression",
        On("the length of an event can reveal a secret beside text of other users"),
    ),
    ("transport.ping_interval_ms", MoreThan(TEN, SLOW)),
    ("transport.ping_timeout_ms", MoreThan(TEN, SLOW)),
    ("transport.connect_timeout_ms", MoreThan(TEN, SLOW)),
    ("transport.handshake_timeout_ms", MoreThan(TEN, SLOW)),
    ("transport.receive_grace_ms", MoreThan(TEN, SLOW)),
    ("transport.receive_min_bytes_per_s", LessThanPart(TEN, SLOW)),
    ("transport.assembly_timeout_ms", MoreThan(TEN, SLOW)),
    ("transport.write_stall_ms", MoreThan(TEN, SLOW)),
    ("origin.allowed", Warned),
    (
        "origin.without_origin",
        Safe("browsers always send an origin; clients without one need a bearer token"),
    ),
    (
        "origin.credentials",
        On("a script in any listed page of the same site can take over a session"),
    ),
    ("token.issuer.issuer", Safe(EXACT)),
    ("token.issuer.audience", Safe(EXACT)),
    ("token.issuer.audience_beside", Custom(custom_rules::audience_beside)),
    ("token.issuer.algorithm", Safe("one algorithm, and weak keys are rejected")),
    ("token.issuer.secret_file", Rejected("a secret that can be guessed or read by others")),
    ("token.issuer.secret", Custom(custom_rules::secret_in_environment)),
    ("token.issuer.jwks_file", Safe(EXACT)),
    ("token.issuer.jwks_url", Rejected("jwks_private_addresses")),
    ("token.issuer.jwks_ca_file", Safe(EXACT)),
    ("token.issuer.roles_claim", Custom(custom_rules::roles_claim)),
    ("token.issuer.accept", Warned),
    ("token.issuer.scope", Safe("by default every token for the audience is accepted")),
    ("token.issuer.typ", Safe(STRICTER)),
    ("token.issuer.privileged_amr", Custom(custom_rules::ambiguous_methods)),
    ("token.issuer.amr_claim", Safe(EXACT)),
    ("token.issuer.privileged_acr", Safe("values of one factor are rejected")),
    ("token.issuer.acr_claim", Safe(EXACT)),
    ("capacity.connections_total", MoreThan(HUNDRED, MEMORY)),
    ("capacity.pre_auth_total", Custom(custom_rules::pre_auth_total)),
    ("capacity.admin_reserve", Custom(custom_rules::admin_reserve)),
    ("capacity.pre_auth_per_prefix", MoreThan(TEN, FLOOD)),
    ("capacity.connections_per_prefix", MoreThan(TEN, FLOOD)),
    ("capacity.http_per_prefix", MoreThan(TEN, FLOOD)),
    ("capacity.http_total", MoreThan(TEN, MEMORY)),
    ("capacity.connections_per_user", MoreThan(TEN, FLOOD)),
    ("capacity.when_user_full", Safe(A_CHOICE)),
    ("capacity.rooms_per_user", MoreThan(TEN, MEMORY)),
    ("capacity.members_per_room", MoreThan(TEN, "one message costs a delivery to each member")),
    ("capacity.memberships_per_user", MoreThan(TEN, MEMORY)),
    ("capacity.users_total", MoreThan(TEN, MEMORY)),
    ("capacity.rooms_total", MoreThan(TEN, MEMORY)),
    ("capacity.memberships_total", Safe(BOUNDED)),
    ("rate.connect_per_prefix", Faster(TENFOLD, FLOOD)),
    ("rate.connect_known_per_prefix", Faster(TENFOLD, FLOOD)),
    ("rate.connect_total", Faster(TENFOLD, FLOOD)),
    ("rate.tls_per_prefix", Faster(TENFOLD, FLOOD)),
    ("rate.tls_total", Faster(TENFOLD, FLOOD)),
    ("rate.request_per_prefix", Faster(TENFOLD, FLOOD)),
    ("rate.login_per_prefix", Faster(TENFOLD, GUESSING)),
    ("rate.login_per_user", Faster(TENFOLD, GUESSING)),
    ("rate.login_failed_per_user", Faster(TENFOLD, GUESSING)),
    ("rate.code_failed_per_user", Faster(TENFOLD, GUESSING)),
    ("rate.login_total", Faster(TENFOLD, GUESSING)),
    ("rate.ticket_per_user", Faster(TENFOLD, FLOOD)),
    ("rate.message_per_connection", Faster(HUNDREDFOLD, FLOOD)),
    ("rate.message_per_user", Faster(HUNDREDFOLD, FLOOD)),
    ("rate.message_per_prefix", Faster(HUNDREDFOLD, FLOOD)),
    ("rate.message_total", Faster(TENFOLD, FLOOD)),
    ("rate.event_per_user", Custom(custom_rules::event_rates)),
    ("rate.bytes_per_connection", Faster(HUNDREDFOLD, FLOOD)),
    ("rate.bytes_per_user", Faster(HUNDREDFOLD, FLOOD)),
    ("rate.bytes_per_prefix", Faster(HUNDREDFOLD, FLOOD)),
    ("rate.bytes_total", Faster(TENFOLD, FLOOD)),
    ("rate.namespace_per_connection", Faster(TENFOLD, FLOOD)),
    ("rate.namespace_per_user", Faster(TENFOLD, FLOOD)),
    ("rate.signature_per_connection", Faster(TENFOLD, FLOOD)),
    ("rate.signature_per_user", Faster(TENFOLD, FLOOD)),
    ("rate.penalty_per_prefix", Faster(TENFOLD, PENALTY)),
    ("rate.penalty_per_user", Faster(TENFOLD, PENALTY)),
    ("rate.penalty_s", LessThanPart(TEN, PENALTY)),
    ("rate.penalty_longest_s", LessThanPart(TEN, PENALTY)),
    ("rate.observe", Custom(custom_rules::observed_limits)),
    (
        "overload.state",
        Words(
            &["shedding", "elevated", "normal"],
            "the server does not go to a higher load level under attack",
        ),
    ),
    ("overload.memory_limit_mib", Custom(custom_rules::memory_limit)),
    ("overload.waiting_known", MoreThan(TEN, QUEUE)),
    ("overload.waiting_strangers", MoreThan(TEN, QUEUE)),
    ("overload.waiting_logins", MoreThan(TEN, QUEUE)),
    ("message.size_max_bytes", Safe(BOUNDED)),
    ("message.links", On("a message can show one address and lead to another")),
    ("message.markup", Safe(A_CHOICE)),
    ("message.malicious", Words(&["record"], "messages with scripts are delivered, as text")),
    ("spam.link_in_link", Words(&["record", "off"], SPAM)),
    ("spam.one_character", Words(&["record", "off"], SPAM)),
    ("spam.one_link", Words(&["record", "off"], SPAM)),
    ("spam.phrase_with_link", Words(&["record", "off"], SPAM)),
    ("spam.only_phrases", Words(&["record", "off"], SPAM)),
    ("spam.shouting_with_links", Words(&["record", "off"], SPAM)),
    ("spam.phrase", Safe("off is the default")),
    ("spam.many_links", Safe("off is the default")),
    ("spam.long_run", Safe("off is the default")),
    ("spam.phrases_add", Safe(STRICTER)),
    ("spam.phrases_remove", Custom(custom_rules::phrases_removed)),
    ("store.url", Safe(EXACT)),
    ("store.seal_messages", Off("a copy of the database shows the text of every message")),
    ("store.min_free", Custom(custom_rules::min_free)),
    ("accounts.enabled", Rejected("false")),
    ("accounts.registration", Safe(STRICTER)),
    ("accounts.issuer", Safe(EXACT)),
    ("accounts.second_factor", Rejected("none, except in development")),
    ("accounts.context_words", Safe(STRICTER)),
    ("accounts.password_blocklist_file", Safe(STRICTER)),
    ("accounts.admins_need_totp", Rejected("the old name of second_factor")),
    ("session.idle_s", MoreThan(4, STOLEN)),
    ("session.absolute_s", MoreThan(4, STOLEN)),
    ("session.login_idle_s", MoreThan(2, STOLEN)),
    ("session.login_absolute_s", MoreThan(2, STOLEN)),
    (
        "session.logins_per_user",
        MoreThan(TEN, "users do not notice a stolen session among so many"),
    ),
    ("role.name", Safe(EXACT)),
    ("role.actions", Custom(custom_rules::granted_actions)),
    ("access", Custom(custom_rules::opened_events)),
    ("replay", Custom(custom_rules::replayable_events)),
    ("audit.file", Custom(custom_rules::audit_file)),
    ("audit.stdout", Safe("the file gets the same records")),
    ("audit.segment_mib", Safe(BOUNDED)),
    ("audit.keep_days", LessThan(7, FEWER_RECORDS)),
    ("audit.keep_total_mib", LessThanPart(TEN, FEWER_RECORDS)),
    ("audit.compress", Safe(A_CHOICE)),
    ("audit.unauthenticated_mib_per_day", Custom(custom_rules::unauthenticated_records)),
    ("audit.access_file", Safe("it records more")),
    ("audit.access_total_mib", Safe("these are not security records")),
    ("alert.resolve_after_s", Safe(BOUNDED)),
    ("alert.update_every_s", Safe(BOUNDED)),
    ("alert.storm_keys", Safe(BOUNDED)),
    ("alert.rule", Custom(custom_rules::alert_rules)),
    ("alert.custom", Safe("it alerts more")),
    ("danger.plaintext_off_loopback", Danger),
    ("danger.private_off_loopback", Danger),
    ("danger.jwks_private_addresses", Danger),
];
