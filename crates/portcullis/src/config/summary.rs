//! The settings in force, as a configuration file with the same effect.
//! Never: a secret.

use portcullis_guard::{Action, LoadState, Rate, SpamOptions, SpamRule, WithoutOrigin};
use portcullis_model::Role;
use portcullis_server::{Credentials, ProxyProtocol};
use toml::{Table, Value};

use crate::config::audit::MIB;
use crate::config::danger::Danger;
use crate::config::identity::token::KeySource;
use crate::config::limits::capacity::WHEN_USER_FULL;
use crate::config::limits::message::{MALICIOUS, MARKUP};
use crate::config::network::listen::PROXY_HEADERS;
use crate::config::network::tls::TlsSettings;
use crate::config::read::table::{number, section};
use crate::config::settings::Settings;

/// All keys with their values in force, as a configuration file.
///
/// `actions` are the events that the products declare.
pub(crate) fn summary(settings: &Settings, actions: &[Action]) -> String {
    let table = table(settings, actions);
    let mut text = format!("# data directory: {}\n", settings.storage.data.display());
    let mut settled = settings.clone();
    settled.settle(settings.server.public);
    text.push_str(&format!("# host names: {}\n", settled.gate.hosts.join(" ")));
    text.push_str(&format!("# pages: {}\n", settled.gate.origins.join(" ")));
    let dashboard = &settled.gate.dashboard;
    if !dashboard.hosts.is_empty() {
        text.push_str(&format!("# host names of the dashboard: {}\n", dashboard.hosts.join(" ")));
    }
    for issuer in &settings.identity.issuers {
        if issuer.source == KeySource::Environment {
            let issuer = &issuer.issuer;
            text.push_str(&format!("# the secret of {issuer} is set in the environment\n"));
        }
    }
    for danger in &settings.dangers {
        text.push_str(&format!("# danger: {danger}\n"));
    }
    text.push_str(&toml::to_string(&table).unwrap_or_default());
    text
}

/// All keys with their values in force, as a table.
pub(crate) fn table(settings: &Settings, actions: &[Action]) -> Table {
    let summary = Summary { settings };
    let mut table = Table::new();
    table.insert(String::from("profile"), settings.profile.name().into());
    for (name, section) in summary.sections(actions) {
        table.insert(String::from(name), Value::Table(section));
    }
    table.insert(String::from("role"), summary.roles());
    table
}

/// The sections of the file, from the settings in force.
struct Summary<'a> {
    settings: &'a Settings,
}

impl Summary<'_> {
    fn sections(&self, actions: &[Action]) -> Vec<(&'static str, Table)> {
        vec![
            ("listen", self.listen()),
            ("tls", self.tls()),
            ("hsts", self.hsts()),
            ("transport", self.transport()),
            ("origin", self.origin()),
            ("token", self.token()),
            ("capacity", self.capacity()),
            ("rate", self.rate(actions)),
            ("overload", self.overload()),
            ("message", self.message()),
            ("spam", self.spam()),
            (
                "store",
                section([
                    ("url", format!("sqlite:{}", self.settings.storage.database.display()).into()),
                    ("seal_messages", self.settings.storage.seal_messages.into()),
                    ("min_free", self.settings.min_free().into()),
                ]),
            ),
            ("session", self.session()),
            ("access", self.access(actions)),
            ("replay", replay(actions)),
            ("accounts", self.accounts()),
            ("audit", self.audit()),
            ("alert", self.settings.audit.alert.table()),
            ("admin", self.settings.identity.admin.table()),
            ("doctor", self.settings.storage.doctor.table()),
            ("danger", self.danger()),
        ]
    }

    fn listen(&self) -> Table {
        let mut listen = section([
            ("public", self.settings.server.public.to_string().into()),
            ("shards", number(self.settings.server.shards as u64)),
        ]);
        if let Some(private) = self.settings.server.private {
            listen.insert(String::from("private"), private.to_string().into());
        }
        let private_hosts = &self.settings.server.private_hosts;
        listen.insert(String::from("private_hosts"), private_hosts.clone().into());
        if let Some(probe) = self.settings.server.probe {
            listen.insert(String::from("probe"), probe.to_string().into());
        }
        if let Some(redirect) = self.settings.server.redirect {
            listen.insert(String::from("redirect"), redirect.to_string().into());
        }
        if let Some(hosts) = &self.settings.origins.hosts {
            listen.insert(String::from("hosts"), hosts.clone().into());
        }
        let proxies = &self.settings.gate.proxies;
        if !proxies.trusted.is_empty() {
            let header = PROXY_HEADERS.iter().find(|(_, header)| *header == proxies.header);
            let header = header.map_or("none", |(name, _)| name);
            let spoken = self.settings.server.proxy_protocol == ProxyProtocol::Required;
            listen.insert(String::from("trusted_proxies"), proxies.trusted.clone().into());
            listen.insert(String::from("proxy_header"), header.into());
            listen.insert(String::from("proxy_protocol"), spoken.into());
        }
        listen
    }

    fn tls(&self) -> Table {
        let mode = ("mode", self.settings.tls.mode().into());
        match &self.settings.tls {
            TlsSettings::Development | TlsSettings::Off => section([mode]),
            TlsSettings::Acme(acme) => section([mode].into_iter().chain(acme.summary())),
            TlsSettings::Files(files) => {
                let clients = files.client_ca.as_ref().map(|file| ("client_ca_file", file));
                let named = [("certificate_file", &files.certificate), ("key_file", &files.key)];
                let named = named.into_iter().chain(clients);
                let named = named.map(|(key, file)| (key, file.display().to_string().into()));
                section([mode].into_iter().chain(named))
            }
        }
    }

    fn hsts(&self) -> Table {
        let hsts = self.settings.server.hsts.unwrap_or_default();
        section([
            ("enabled", self.settings.server.hsts.is_some().into()),
            ("max_age_s", number(hsts.max_age_s)),
            ("include_subdomains", hsts.include_subdomains.into()),
            ("preload", hsts.preload.into()),
        ])
    }

    fn transport(&self) -> Table {
        section([
            ("websocket", true.into()),
            ("polling", self.settings.gate.polling.into()),
            ("polling_binding", self.settings.gate.polling_binding.name().into()),
            ("compression", self.settings.server.compression.into()),
            ("ping_interval_ms", number(self.settings.server.ping_interval_ms)),
            ("ping_timeout_ms", number(self.settings.server.ping_timeout_ms)),
            ("connect_timeout_ms", number(self.settings.server.connect_timeout_ms)),
            ("handshake_timeout_ms", number(self.settings.server.handshake_timeout_ms)),
            ("receive_grace_ms", number(self.settings.server.receive_grace_ms)),
            ("receive_min_bytes_per_s", number(self.settings.server.receive_min_bytes_per_s)),
            ("assembly_timeout_ms", number(self.settings.server.assembly_timeout_ms)),
            ("write_stall_ms", number(self.settings.server.write_stall_ms)),
        ])
    }

    fn origin(&self) -> Table {
        let without = match self.settings.origins.without {
            WithoutOrigin::Reject => "refuse",
            WithoutOrigin::Token => "token",
        };
        section([
            ("allowed", self.settings.origins.allowed.clone().into()),
            ("without_origin", without.into()),
            ("credentials", (self.settings.server.credentials == Credentials::Allowed).into()),
        ])
    }

    fn token(&self) -> Table {
        let issuers = self.settings.identity.issuers.iter().map(|facts| {
            let mut issuer = section([
                ("issuer", facts.issuer.clone().into()),
                ("audience", facts.audience.clone().into()),
                ("audience_beside", facts.audience_beside.clone().into()),
                ("algorithm", facts.algorithm.name().into()),
            ]);
            if let Some(claim) = &facts.roles_claim {
                issuer.insert(String::from("roles_claim"), claim.clone().into());
            }
            issuer.extend(facts.rules_in_force());
            let mut set = |key: &str, value: String| {
                issuer.insert(String::from(key), value.into());
            };
            match &facts.source {
                KeySource::Environment => {}
                KeySource::SecretFile(path) => set("secret_file", path.display().to_string()),
                KeySource::JwksFile(path) => set("jwks_file", path.display().to_string()),
                KeySource::JwksUrl { url, authorities } => {
                    set("jwks_url", url.clone());
                    if let Some(path) = authorities {
                        set("jwks_ca_file", path.display().to_string());
                    }
                }
            }
            Value::Table(issuer)
        });
        section([("issuer", Value::Array(issuers.collect()))])
    }

    fn session(&self) -> Table {
        let seconds = |seconds: i64| number(u64::try_from(seconds).unwrap_or(0));
        section([
            ("idle_s", number(self.settings.gate.session_timeouts.idle_ms / 1000)),
            ("absolute_s", number(self.settings.gate.session_timeouts.absolute_ms / 1000)),
            ("login_idle_s", seconds(self.settings.identity.times.idle_s)),
            ("login_absolute_s", seconds(self.settings.identity.times.absolute_s)),
            ("logins_per_user", number(self.settings.identity.times.per_user_max)),
        ])
    }

    fn access(&self, actions: &[Action]) -> Table {
        section(actions.iter().map(|action| (action.event, action.roles.clone().into())))
    }

    fn danger(&self) -> Table {
        let is_set = |key| self.settings.dangers.iter().any(|danger| danger.key == key);
        section(Danger::ALL.map(|danger| (danger.key, is_set(danger.key).into())))
    }

    /// The configured roles, each with its events.
    fn roles(&self) -> Value {
        let rules = &self.settings.gate.roles;
        let custom = rules.table.all().filter(|role| matches!(role, Role::Custom(_)));
        let roles = custom.map(|role| {
            let granted = rules.grants.iter().filter(|(holder, _)| *holder == role);
            let actions: Vec<_> = granted.map(|(_, action)| action.clone()).collect();
            let name = rules.table.name(role);
            Value::Table(section([("name", name.into()), ("actions", actions.into())]))
        });
        Value::Array(roles.collect())
    }

    fn capacity(&self) -> Table {
        let (gate, capacity) = (&self.settings.gate, &self.settings.gate.capacity);
        let when = WHEN_USER_FULL.iter().find(|(_, when)| *when == gate.when_user_full);
        section([
            ("connections_total", number(capacity.total)),
            ("pre_auth_total", number(capacity.pre_auth)),
            ("admin_reserve", number(capacity.admin_reserve)),
            ("pre_auth_per_prefix", number(capacity.pre_auth_per_prefix)),
            ("connections_per_prefix", number(capacity.per_prefix)),
            ("http_per_prefix", number(capacity.http_per_prefix)),
            ("http_total", number(self.settings.server.http_connections_max as u64)),
            ("connections_per_user", number(gate.connections_per_user)),
            ("when_user_full", when.map_or("refuse", |(name, _)| name).into()),
            ("rooms_per_user", number(self.settings.chat.rooms_per_user_max)),
            ("members_per_room", number(self.settings.chat.members_per_room_max)),
            ("memberships_per_user", number(self.settings.chat.memberships_per_user_max)),
            ("users_total", number(self.settings.directory.users_max as u64)),
            ("rooms_total", number(self.settings.directory.rooms_max as u64)),
            ("memberships_total", number(self.settings.directory.memberships_max as u64)),
        ])
    }

    fn accounts(&self) -> Table {
        let accounts = &self.settings.identity.accounts;
        let mut table = section([
            ("enabled", true.into()),
            ("registration", accounts.registration_name().into()),
            ("issuer", accounts.issuer.clone().into()),
            ("second_factor", accounts.second_factor.name().into()),
            ("context_words", accounts.context_words.clone().into()),
        ]);
        if let Some(file) = &accounts.password_blocklist {
            table
                .insert(String::from("password_blocklist_file"), file.display().to_string().into());
        }
        table
    }

    fn audit(&self) -> Table {
        let mut audit = section([
            ("file", self.settings.audit.file.display().to_string().into()),
            ("stdout", self.settings.audit.stdout.into()),
            ("segment_mib", number(self.settings.audit.segment_bytes / MIB)),
            ("keep_days", number(self.settings.audit.keep_days)),
            ("personal_days", number(self.settings.audit.personal.days)),
            ("addresses", self.settings.audit.personal.addresses.name().into()),
            ("keep_total_mib", number(self.settings.audit.keep_total_bytes / MIB)),
            ("compress", self.settings.audit.compress.into()),
            (
                "unauthenticated_mib_per_day",
                number(self.settings.audit.unauthenticated_day_bytes / MIB),
            ),
        ]);
        if let Some(syslog) = &self.settings.audit.syslog {
            audit.insert(String::from("syslog"), syslog.url.clone().into());
            if let Some(path) = &syslog.authorities {
                audit.insert(String::from("syslog_ca"), path.display().to_string().into());
            }
        }
        if let Some(file) = &self.settings.audit.access_file {
            audit.insert(String::from("access_file"), file.display().to_string().into());
            let total = number(self.settings.audit.access_total_bytes / MIB);
            audit.insert(String::from("access_total_mib"), total);
        }
        audit
    }

    fn message(&self) -> Table {
        let gate = &self.settings.gate;
        let markup = MARKUP.iter().find(|(_, markup)| *markup == gate.markup);
        let malicious = MALICIOUS.iter().find(|(_, malicious)| *malicious == gate.malicious);
        section([
            ("size_max_bytes", number(gate.message_max_bytes)),
            ("links", gate.links_allowed.into()),
            ("markup", markup.map_or("escape", |(name, _)| name).into()),
            ("malicious", malicious.map_or("refuse", |(name, _)| name).into()),
        ])
    }

    fn spam(&self) -> Table {
        let options = &self.settings.gate.spam;
        let usual = SpamOptions::default();
        let beside = |list: &[String], other: &[String]| {
            let beside = list.iter().filter(|phrase| !other.contains(phrase));
            Value::from(beside.cloned().collect::<Vec<_>>())
        };
        let actions = SpamRule::ALL.map(|rule| (rule.name(), options.action(rule).name().into()));
        section(actions.into_iter().chain([
            ("phrases_add", beside(&options.phrases, &usual.phrases)),
            ("phrases_remove", beside(&usual.phrases, &options.phrases)),
        ]))
    }

    fn overload(&self) -> Table {
        let waits = &self.settings.server.queue_limits;
        let mut overload = section([
            ("state", self.settings.gate.load.map_or("auto", LoadState::name).into()),
            ("waiting_known", number(waits.returning_max)),
            ("waiting_strangers", number(waits.unauthenticated_max)),
            ("waiting_logins", number(waits.logins_max)),
        ]);
        let bytes = match self.settings.server.memory_limit_bytes {
            0 => portcullis_server::memory_max_bytes(),
            configured => configured,
        };
        let mebibytes = bytes / (1024 * 1024);
        if mebibytes > 0 {
            overload.insert(String::from("memory_limit_mib"), number(mebibytes));
        }
        overload
    }

    fn rate(&self, actions: &[Action]) -> Table {
        let gate = &self.settings.gate;
        let events = actions.iter();
        let events = events.filter_map(|action| Some((action.event, spelled(action.rate?))));
        let rates = gate.rates().into_iter().map(|(limit, rate)| (limit.name(), spelled(rate)));
        section(rates.chain([
            ("penalty_s", number(gate.penalty.length_ms / 1000)),
            ("penalty_longest_s", number(gate.penalty.longest_ms / 1000)),
            ("event_per_user", Value::Table(section(events))),
            ("observe", gate.observe.clone().into()),
        ]))
    }
}

fn replay(actions: &[Action]) -> Table {
    section(actions.iter().map(|action| (action.event, action.replay.name().into())))
}

/// A rate in its largest whole unit.
fn spelled(rate: Rate) -> Value {
    let units = [(3_600_000, "h"), (1_000, "s"), (1, "ms")];
    let whole = units.into_iter().find(|(unit_ms, _)| rate.period_ms.is_multiple_of(*unit_ms));
    let (unit_ms, unit) = whole.unwrap_or((1, "ms"));
    Value::String(format!("{}/{}{unit}", rate.count, rate.period_ms / unit_ms))
}
