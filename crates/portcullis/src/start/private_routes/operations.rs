//! The operations of administrators, with what they change.
//! Never: a decision about a caller; the gate makes it.

use std::sync::Arc;

use portcullis_accounts::{ServerSecret, make_invitation};
use portcullis_admin::{Desk, InvitationMaker, StoredState, install_operations};
use portcullis_model::RoleTable;
use portcullis_server::Builder;
use portcullis_store::Store;

use crate::config::{ConfigError, Settings};
use crate::start::self_audit::ServerFacts;

/// Installs the operations in `/admin` and on the private listener.
pub(crate) fn install(
    builder: &mut Builder,
    settings: &Settings,
    store: &Arc<dyn Store>,
    secret: &ServerSecret,
    roles: RoleTable,
    (desk, facts): (&Arc<Desk>, &ServerFacts),
) -> Result<(), ConfigError> {
    let private = settings.server.private.map(|address| address.ip());
    let (facts, started) = (facts.clone(), settings.page_url());
    let invitations = InvitationMaker {
        make: make_invitation,
        page: Box::new(move || {
            let page = facts.settings().map(|settings| settings.page_url());
            format!("{}/", page.as_ref().unwrap_or(&started))
        }),
        registration: settings.identity.accounts.registration_name(),
    };
    desk.attach_store(StoredState { store: Arc::clone(store), private, roles, invitations });
    let keys = std::iter::once(secret.reference()).chain(secret.former_references());
    desk.attach_references(keys.collect());
    install_operations(builder, desk).map_err(ConfigError::Gate)
}
