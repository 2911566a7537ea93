//! The configuration file; each section has a file of its own.
//! Never: defaults; absent keys are `None`, and the profile decides.

use std::collections::BTreeMap;

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
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) profile: Option<String>,
    pub(crate) listen: ListenSection,
    pub(crate) tls: TlsSection,
    pub(crate) hsts: HstsSection,
    pub(crate) transport: TransportSection,
    pub(crate) origin: OriginSection,
    pub(crate) token: TokenSection,
    pub(crate) capacity: CapacitySection,
    pub(crate) rate: RateSection,
    pub(crate) overload: OverloadSection,
    pub(crate) message: MessageSection,
    pub(crate) spam: SpamSection,
    pub(crate) store: StoreSection,
    pub(crate) accounts: AccountsSection,
    pub(crate) session: SessionSection,
    pub(crate) role: Vec<RoleSection>,
    pub(crate) access: BTreeMap<String, Vec<String>>,
    pub(crate) replay: BTreeMap<String, String>,
    pub(crate) audit: AuditSection,
    pub(crate) alert: AlertSection,
    pub(crate) admin: AdminSection,
    pub(crate) doctor: DoctorSection,
    pub(crate) danger: DangerSection,
}
