//! The configuration file; each section has a file of its own.
//! Never: defaults; absent keys are `None`, and the profile decides.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::admin::AdminSection;
use crate::config::alert::AlertSection;
use crate::config::audit::AuditSection;
use crate::config::danger::DangerSection;
use crate::config::doctor::DoctorSection;
use crate::config::identity::accounts::AccountsSection;
use crate::config::identity::roles::RoleSection;
use crate::config::identity::session::SessionSection;
use crate::config::identity::token::TokenSection;
use crate::config::limits::capacity::CapacitySection;
use crate::config::limits::message::MessageSection;
use crate::config::limits::overload::OverloadSection;
use crate::config::limits::rate::RateSection;
use crate::config::limits::spam::SpamSection;
use crate::config::network::hsts::HstsSection;
use crate::config::network::listen::ListenSection;
use crate::config::network::origin::OriginSection;
use crate::config::network::tls::TlsSection;
use crate::config::network::transport::TransportSection;
use crate::config::store::StoreSection;

/// `portcullis.toml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    /// The set of defaults. `development` is for this machine only, `production` is for the
    /// internet, and `strict` also requires a proof of the key of each client.
    #[schemars(extend("enum" = ["development", "production", "strict"]))]
    #[schemars(extend("x-default" = "development"))]
    pub(crate) profile: Option<String>,
    /// The addresses and names of the server.
    pub(crate) listen: ListenSection,
    /// The certificate of the server.
    pub(crate) tls: TlsSection,
    /// Whether browsers use HTTPS only (RFC 6797).
    pub(crate) hsts: HstsSection,
    /// Transports and their timeouts.
    pub(crate) transport: TransportSection,
    /// The pages that can connect.
    pub(crate) origin: OriginSection,
    /// Issuers of tokens beside this server.
    pub(crate) token: TokenSection,
    /// Limits of how many there are at the same time. A prefix is an IPv4 address or an IPv6 /64.
    pub(crate) capacity: CapacitySection,
    /// Limits of how often: a count and a period in `ms`, `s`, `m` or `h`, such as `10/60s`. The
    /// count is also the burst.
    pub(crate) rate: RateSection,
    /// The memory limit, the load level, and the admission queues.
    pub(crate) overload: OverloadSection,
    /// The size and the text of messages.
    pub(crate) message: MessageSection,
    /// Each rule is `refuse`, `record` or `off`.
    pub(crate) spam: SpamSection,
    /// The database.
    pub(crate) store: StoreSection,
    /// Registration, second factors, and rules for passwords.
    pub(crate) accounts: AccountsSection,
    /// Lifetimes of connections and logins.
    pub(crate) session: SessionSection,
    /// A role of your own beside `admin`, `moderator`, `auditor` and `user`; at most 24.
    pub(crate) role: Vec<RoleSection>,
    /// The roles that can send an event, in place of those that it declares.
    #[schemars(extend("x-default-text" = "the roles that each event declares"))]
    #[schemars(extend("examples" = [{ "room:create": ["moderator", "admin"] }]))]
    pub(crate) access: BTreeMap<String, Vec<String>>,
    /// What makes a copy of an event harmless, in place of what it declares.
    #[schemars(extend("x-default-text" = "as each event declares"))]
    #[schemars(extend("examples" = [{ "chat:send": "seq+mid" }]))]
    #[schemars(extend(
        "x-items" = { "enum": ["none", "mid-optional", "mid", "seq+mid", "signed"] }
    ))]
    pub(crate) replay: BTreeMap<String, String>,
    /// The security log: its files and their retention.
    pub(crate) audit: AuditSection,
    /// When administrators get alerts.
    pub(crate) alert: AlertSection,
    /// The dashboard for administrators and auditors.
    pub(crate) admin: AdminSection,
    /// The regular audit.
    pub(crate) doctor: DoctorSection,
    /// Each key weakens a security guarantee, and is recorded at every start. `strict` accepts
    /// none.
    pub(crate) danger: DangerSection,
}
