//! The user that a CONNECT proves: by a token, a ticket, or what the connection has shown before.
//! Never: a ticket consumed for a connection that is signed in.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_guard::{AdmittedRequest, Cookies, Credential, VerifiedCredential, presents_ticket};
use portcullis_model::{Denial, Now, Secret, TokenFault, UserId};

use crate::connect::credentials::Credentials;
use crate::connect::request::RecoveryTarget;
use crate::connect::user_slot::{PrincipalFuture, authenticate_with_slot};
use crate::connection::link::Link;
use crate::events::namespace::HookFuture;
use crate::random::random_id;
use crate::rejection::VerifiedUser;
use crate::shard::state::Shard;

/// The user of a CONNECT, as far as it is proven at once.
pub(crate) enum Identity {
    /// A token is valid.
    Verified(Box<VerifiedCredential>),
    /// The server requires no credential, and the client sent none.
    Anonymous(UserId),
    /// The connection is signed in, by a credential that cannot be sent again.
    SignedIn,
}

impl Identity {
    /// The user and issuer of a verified token, for the record of a rejection.
    pub(crate) fn verified_user(&self) -> Option<VerifiedUser> {
        match self {
            Self::Verified(verified) => {
                let (id, issuer) = (verified.user.clone(), Arc::clone(&verified.issuer));
                Some(VerifiedUser { id, issuer })
            }
            Self::Anonymous(_) | Self::SignedIn => None,
        }
    }
}

/// Verifies the credential of a CONNECT.
///
/// # Errors
/// [`Denial::Token`] for an invalid one, and the denials of payloads and limits.
pub(crate) fn identify(
    link: &Link,
    credentials: &Credentials,
    payload: Option<&str>,
    now: Now,
) -> Result<Identity, Denial> {
    let gate = &link.shard.server.gate;
    if gate.options().danger.anonymous && credentials.bearer().is_none() {
        if let Some(payload) = payload {
            portcullis_guard::json::scan(payload)?;
        }
        let user = UserId::parse(&random_id::<15>()?);
        return user.map(Identity::Anonymous).map_err(|_| Denial::Internal("user_id"));
    }
    // A client sends the same payload for each namespace; its ticket has been consumed.
    if credentials.is_used_up && presents_ticket(payload) {
        return Ok(Identity::SignedIn);
    }
    let credential = credential(credentials.bearer(), credentials.cookies, payload);
    if is_repeated(link, credential, now) {
        return Ok(Identity::SignedIn);
    }
    let client = &link.connection.client;
    match gate.authentication().verify_on(
        &client.packets,
        credential,
        client.origin.as_deref(),
        now,
    ) {
        Err(Denial::Token(TokenFault::Missing)) if credentials.is_used_up => Ok(Identity::SignedIn),
        outcome => outcome.map(|verified| Identity::Verified(Box::new(verified))),
    }
}

/// Whether the connection's user sends a token that this connection has shown before.
fn is_repeated(link: &Link, credential: Credential<'_>, now: Now) -> bool {
    let Some(caller) = link.connection.caller() else { return false };
    let packets = &link.connection.client.packets;
    let user = link.shard.server.gate.authentication().repeated_user(packets, credential, now);
    user.is_some_and(|user| caller.principal.user().id == user)
}

fn credential<'a>(
    bearer: Option<&'a Secret<String>>,
    cookies: Cookies,
    payload: Option<&'a str>,
) -> Credential<'a> {
    match (bearer, cookies) {
        (Some(bearer), _) => Credential::Both { bearer: bearer.expose(), payload },
        (None, Cookies::Some) => Credential::PayloadBesideCookies(payload),
        (None, Cookies::None) => Credential::Payload(payload),
    }
}

/// Whether the product can look up an unknown key, and no user is signed in yet.
pub(crate) fn can_look_up_key(link: &Link) -> bool {
    link.shard.server.registered.hooks.unknown_key.is_some() && link.connection.caller().is_none()
}

/// Waits for new keys of issuers if a credential names a key that is not known.
pub(crate) async fn wait_for_key(
    shard: &Shard,
    credential: Credential<'_>,
    seen: Now,
) -> Result<(), Denial> {
    let server = &shard.server;
    let Some(hook) = &server.registered.hooks.unknown_key else { return Ok(()) };
    match server.gate.authentication().unknown_key(credential) {
        Some(algorithm) => hook(Arc::clone(&shard.services), algorithm, seen).await,
        None => Ok(()),
    }
}

/// The same for the token of an HTTP request.
pub(crate) async fn wait_for_key_of(
    shard: &Shard,
    admitted: &AdmittedRequest,
) -> Result<(), Denial> {
    match admitted.bearer.as_ref().or(admitted.bound.as_ref()) {
        Some(token) => wait_for_key(shard, Credential::Bearer(token.expose()), shard.now()).await,
        None => Ok(()),
    }
}

/// Looks up the key that a token names, then verifies the token again.
pub(crate) fn look_up_key(
    link: &Link,
    credentials: &Credentials,
    payload: Option<&str>,
    target: RecoveryTarget,
    seen: Now,
) -> PrincipalFuture {
    let shard = Rc::clone(&link.shard);
    let connection = Rc::clone(&link.connection);
    let payload = payload.map(|text| Secret::new(String::from(text)));
    let (bearer, cookies) = (credentials.bearer().cloned(), credentials.cookies);
    Box::pin(async move {
        let payload = payload.as_ref().map(|text| text.expose().as_str());
        let credential = credential(bearer.as_ref(), cookies, payload);
        wait_for_key(&shard, credential, seen).await?;
        let client = &connection.client;
        let (packets, origin) = (&client.packets, client.origin.as_deref());
        let verified = shard.server.gate.authentication().verify_on(
            packets,
            credential,
            origin,
            shard.now(),
        )?;
        let hook = foreign_user_hook(&shard, client.address, &verified);
        authenticate_with_slot(&shard, target, hook, verified).await
    })
}

/// The product's hook for a verified user of another issuer: it adds an unknown user, or takes over
/// the roles of an issuer that is trusted to grant them.
pub(crate) fn foreign_user_hook(
    shard: &Shard,
    client: IpAddr,
    verified: &VerifiedCredential,
) -> Option<HookFuture> {
    let server = &shard.server;
    let hook = server.registered.hooks.foreign_user.as_ref()?;
    if verified.own {
        return None;
    }
    let user = server.gate.directory().user(&verified.user);
    let is_current = match (&user, &verified.roles) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(user), Some(names)) => {
            let issued_unix_ms = verified.issued_unix_s.saturating_mul(1000);
            user.has_applied_roles(server.gate.options().roles.named(names), issued_unix_ms)
        }
    };
    if is_current {
        return None;
    }
    // A user who cannot connect leaves no row in the store.
    if let Err(denial) = server.gate.authentication().check_external_factor(verified) {
        return Some(Box::pin(std::future::ready(Err(denial))));
    }
    Some(hook(Arc::clone(&shard.services), client, verified.clone()))
}
