//! The sign-in of an authenticated user on a connection: role, limits and slot.
//! Never: the verification of a credential.

use std::rc::Rc;

use portcullis_guard::{Caller, ClientClass, ConnectionSlot, Principal};
use portcullis_model::{Denial, Now, Role};

use crate::connect::request::ConnectRequest;
use crate::connection::link::Link;
use crate::random::random_id;

/// Checks role and limits of an authenticated user, and assigns the connection's slot to the user.
///
/// # Errors
/// The denial of the role or of a limit.
pub(crate) fn sign_in(
    link: &Link,
    slot: &mut Option<ConnectionSlot>,
    request: &ConnectRequest,
    principal: Principal,
    now: Now,
) -> Result<Rc<Caller>, Denial> {
    check_role(link, request, &principal)?;
    let gate = &link.shard.server.gate;
    if let Err(denial) = gate.limits().count_first_namespace_packet(&principal.user().id, now) {
        if !principal.is_anonymous() {
            refund(link, slot, now);
        }
        return Err(denial);
    }
    let is_admin = principal.roles().contains(Role::Admin);
    let class = if is_admin { ClientClass::Admin } else { ClientClass::Returning };
    if let Some(slot) = slot {
        match principal.is_anonymous() {
            true => gate.limits().sign_in_anonymous(slot, class)?,
            false => gate.limits().sign_in(slot, class, now)?,
        }
    }
    let nonce = random_id::<16>().map_err(|_| Denial::Internal("randomness"))?;
    let buckets = gate.limits().address_buckets(link.connection.client.address);
    Ok(Rc::new(Caller::new(principal, &nonce).coming_from(buckets)))
}

/// Returns the token that the connection took from the rate of its address.
pub(crate) fn refund(link: &Link, slot: &mut Option<ConnectionSlot>, now: Now) {
    if let Some(slot) = slot {
        link.shard.server.gate.limits().refund_user(slot, now);
    }
}

/// Checks the roles that the namespace requires.
///
/// # Errors
/// [`Denial::SecondFactor`] when the role has no effect without one, [`Denial::Forbidden`] when the
/// user does not have it.
pub(crate) fn check_role(
    link: &Link,
    request: &ConnectRequest,
    principal: &Principal,
) -> Result<(), Denial> {
    let rule = link.shard.server.registered.namespaces.rule(request.rule);
    match rule {
        Some(rule) if rule.admits(principal.roles()) => Ok(()),
        Some(rule) if rule.admits(principal.withheld()) => Err(Denial::SecondFactor("role")),
        Some(_) => Err(Denial::Forbidden("namespace_role")),
        None => Ok(()),
    }
}
