//! The file as a whole; each section is described in its own file.
//! Never: defaults; what is absent is `None`, and the profile decides.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::accounts::AccountsSection;
use super::audit::AuditSection;
use super::capacity::CapacitySection;
use super::danger::DangerSection;
use super::hsts::HstsSection;
use super::listen::ListenSection;
use super::message::MessageSection;
use super::origin::OriginSection;
use super::overload::OverloadSection;
use super::rate::RateSection;
use super::roles::RoleSection;
use super::session::SessionSection;
use super::spam::SpamSection;
use super::store::StoreSection;
use super::tls::TlsSection;
use super::token::TokenSection;
use super::transport::TransportSection;

/// `portcullis.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) profile: Option<String>,
    pub(super) listen: ListenSection,
    pub(super) tls: TlsSection,
    pub(super) hsts: HstsSection,
    pub(super) transport: TransportSection,
    pub(super) origin: OriginSection,
    pub(super) token: TokenSection,
    pub(super) capacity: CapacitySection,
    pub(super) rate: RateSection,
    pub(super) overload: OverloadSection,
    pub(super) message: MessageSection,
    pub(super) spam: SpamSection,
    pub(super) store: StoreSection,
    pub(super) accounts: AccountsSection,
    pub(super) session: SessionSection,
    pub(super) role: Vec<RoleSection>,
    pub(super) access: BTreeMap<String, Vec<String>>,
    pub(super) replay: BTreeMap<String, String>,
    pub(super) audit: AuditSection,
    pub(super) danger: DangerSection,
}
