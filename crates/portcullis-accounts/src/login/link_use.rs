//! Uses of login links: a link admits one login, also after a restart.
//! Never: a link that works twice.

use portcullis_guard::{EntryOwner, ReserveError, RevocationKind, RevocationName};
use portcullis_model::{Denial, UserId};
use portcullis_server::ApiRequest;
use portcullis_store::{Revocation, StoreError};

use super::login_link::LoginLink;
use crate::accounts::Accounts;

/// The issuer under which used links are stored as revocations. No real issuer has this name.
pub(crate) const LINK_ISSUER: &str = "portcullis:login-link";

/// Checks that a link was not used.
///
/// The entry of a used link is evicted when the link has expired. A clock that is set back makes
/// the link look valid again, so a link whose entry can have been evicted is rejected as well.
///
/// # Errors
/// [`Denial::LoginLink`].
pub(crate) fn check_unused(request: &ApiRequest, link: &LoginLink) -> Result<(), Denial> {
    let authority = request.gate.directory().authority();
    if authority.is_revoked(revocation_name(link)) {
        return Err(Denial::LoginLink("used"));
    }
    if authority.may_be_evicted(link.ends_unix_s) {
        return Err(Denial::LoginLink("expired"));
    }
    Ok(())
}

/// Marks a link as used; one of several simultaneous logins succeeds.
///
/// # Errors
/// [`Denial::LoginLink`] when the link was used, also at the same time; [`Denial::ShareFull`] when
/// the user has used too many links.
pub(crate) async fn mark_used(
    accounts: &Accounts,
    request: &ApiRequest,
    user: &UserId,
    link: &LoginLink,
) -> Result<(), Denial> {
    let authority = request.gate.directory().authority();
    let owner = request.gate.limits().share_owner(EntryOwner::User(user));
    let name = revocation_name(link);
    let slot = authority.reserve_new(name, owner, || user.to_string(), request.now);
    let slot = slot.map_err(|error| match error {
        ReserveError::Used => Denial::LoginLink("used"),
        ReserveError::Full(_) => Denial::ShareFull("revocations"),
    })?;
    // Checked again with the reserved slot: reserving can have evicted old entries.
    check_unused(request, link)?;
    let revocation = Revocation {
        issuer: String::from(LINK_ISSUER),
        user: String::new(),
        kind: RevocationKind::Token,
        name: link.name.clone(),
        until_unix_ms: link.ends_unix_s.saturating_mul(1000),
    };
    accounts.store.revoke(revocation).await.map_err(StoreError::into_denial)?;
    drop(slot);
    Ok(())
}

fn revocation_name(link: &LoginLink) -> RevocationName<'_> {
    RevocationName { issuer: LINK_ISSUER, user: "", kind: RevocationKind::Token, name: &link.name }
}
