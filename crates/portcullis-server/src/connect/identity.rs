//! Who asks to come in: a token, a ticket, or what the connection has shown already.
//! Never: a ticket used up for a connection that is signed in.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_guard::{Cookies, Credential, VerifiedCredential, presents_ticket};
use portcullis_model::{Denial, Now, Roles, Secret, TokenFault, UserId};

use crate::connect::capacity::Returning;
use crate::connect::job::PrincipalFuture;
use crate::connection::task::ConnectionTask;
use crate::events::namespace::HookFuture;
use crate::random::random_id;
use crate::shard::state::Shard;

/// Who asks to come in, as far as it is proven at once.
pub(crate) enum Identity {
    /// A token is believed.
    Verified(Box<VerifiedCredential>),
    /// No credential is asked for, and none was shown.
    Anonymous(UserId),
    /// Who is signed in already, by a credential that cannot be shown again.
    Known,
}

impl ConnectionTask {
    pub(crate) fn identity(&self, payload: Option<&str>, now: Now) -> Result<Identity, Denial> {
        let gate = &self.shard.gate;
        let danger = gate.options().danger;
        if danger.anonymous && self.bearer().is_none() {
            if let Some(payload) = payload {
                portcullis_guard::json::scan(payload)?;
            }
            let user = UserId::parse(&random_id::<15>()?);
            return user.map(Identity::Anonymous).map_err(|_| Denial::Internal("user_id"));
        }
        // A client shows the same payload in each namespace; its ticket has done its work.
        if self.shows_no_more && presents_ticket(payload) {
            return Ok(Identity::Known);
        }
        if self.is_repeated(payload, now) {
            return Ok(Identity::Known);
        }
        match self.verify(payload, now) {
            Err(Denial::Token(TokenFault::Missing)) if self.shows_no_more => Ok(Identity::Known),
            outcome => outcome.map(|verified| Identity::Verified(Box::new(verified))),
        }
    }

    /// Whether the caller of this connection shows the token that it has shown here before.
    fn is_repeated(&self, payload: Option<&str>, now: Now) -> bool {
        let Some(caller) = self.connection.caller() else { return false };
        let budget = &self.connection.packets;
        let user =
            self.shard.gate.authentication().repeated_user(budget, self.credential(payload), now);
        user.is_some_and(|user| caller.principal.user().id == user)
    }

    fn verify(&self, payload: Option<&str>, now: Now) -> Result<VerifiedCredential, Denial> {
        let (budget, origin) = (&self.connection.packets, self.connection.origin.as_deref());
        self.shard.gate.authentication().verify_on(budget, self.credential(payload), origin, now)
    }

    fn credential<'a>(&'a self, payload: Option<&'a str>) -> Credential<'a> {
        match (self.bearer(), self.cookies) {
            (Some(bearer), _) => Credential::Both { bearer: bearer.expose(), payload },
            (None, Cookies::Some) => Credential::PayloadBesideCookies(payload),
            (None, Cookies::None) => Credential::Payload(payload),
        }
    }

    pub(crate) fn bearer(&self) -> Option<&Secret<String>> {
        self.before.as_ref()?.bearer.as_ref()
    }

    /// Whether somebody looks for keys nobody knows, and nobody is signed in here yet.
    pub(crate) fn may_learn_keys(&self) -> bool {
        self.shard.registered.unknown_key.is_some() && self.connection.caller().is_none()
    }

    /// Looks for the key a token names, then at the token once more.
    pub(crate) fn learn_keys(
        &self,
        payload: Option<&str>,
        returning: Returning,
        seen: Now,
    ) -> PrincipalFuture {
        let shard = Rc::clone(&self.shard);
        let payload = payload.map(|text| Secret::new(String::from(text)));
        let bearer = self.bearer().cloned();
        let (cookies, connection) = (self.cookies, Rc::clone(&self.connection));
        let client = self.connection.client;
        Box::pin(async move {
            if let Some(hook) = &shard.registered.unknown_key {
                hook(Arc::clone(&shard.surroundings), seen).await?;
            }
            let payload = payload.as_ref().map(|text| text.expose().as_str());
            let credential = match (&bearer, cookies) {
                (Some(bearer), _) => Credential::Both { bearer: bearer.expose(), payload },
                (None, Cookies::Some) => Credential::PayloadBesideCookies(payload),
                (None, Cookies::None) => Credential::Payload(payload),
            };
            let (budget, origin) = (&connection.packets, connection.origin.as_deref());
            let verified =
                shard.gate.authentication().verify_on(budget, credential, origin, shard.now())?;
            let hook = shard.product_of(client, &verified);
            shard.authenticate_later(returning, hook, verified).await
        })
    }
}

impl Shard {
    /// What the product has to do before a verified user may come in: make a stranger known, or
    /// take over roles from an issuer that is trusted to give them.
    pub(crate) fn product_of(
        &self,
        client: IpAddr,
        verified: &VerifiedCredential,
    ) -> Option<HookFuture> {
        let hook = self.registered.connect.as_ref()?;
        if verified.own {
            return None;
        }
        let known = self.gate.directory().user(&verified.user);
        let current = match (&known, &verified.roles) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(user), Some(names)) => user.roles() == self.roles_named(names),
        };
        if current {
            return None;
        }
        // A user who cannot connect leaves no row in the store.
        if let Err(denial) = self.gate.authentication().check_external_factor(verified) {
            return Some(Box::pin(std::future::ready(Err(denial))));
        }
        Some(hook(Arc::clone(&self.surroundings), client, verified.clone()))
    }

    fn roles_named(&self, names: &[String]) -> Roles {
        self.gate.options().roles.named(names)
    }
}
