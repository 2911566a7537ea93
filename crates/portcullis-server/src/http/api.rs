//! HTTP requests and responses as products see them.
//! Never: an unbounded body, a request that has not passed door 1.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{
    CheckedProof, Credential, Gate, LoginSource, ProofRequest, TICKET_PREFIX, User,
    VerifiedCredential,
};
use portcullis_model::{Denial, Now, Roles, Secret, TokenFault};
use serde::Serialize;

use crate::load::admission_queue::AdmissionQueues;

/// The methods a route may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads, changes nothing.
    Get,
    /// Changes something; the body is JSON.
    Post,
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A request that passed door 1, with its whole body.
pub struct ApiRequest {
    /// The client's address.
    pub client: IpAddr,
    /// The page that asks, if a browser said so; it is on the allowlist.
    pub origin: Option<Arc<str>>,
    /// The method.
    pub method: Method,
    /// The route's path.
    pub path: &'static str,
    /// The token of `Authorization: Bearer`, not yet verified.
    pub bearer: Option<Secret<String>>,
    /// The token of `Authorization: DPoP`, not yet verified.
    pub bound: Option<Secret<String>>,
    /// The proof of the client's key in the header `DPoP`, not yet verified.
    pub proof: Option<Secret<String>>,
    /// What the client says it is, cut to 256 bytes; for people to recognise a device by.
    pub user_agent: String,
    /// The `Cookie` header, as it came.
    pub cookie: Option<String>,
    /// Whether a browser says that a page of this server asks: such a client takes cookies.
    pub own_page: bool,
    /// The user, once [`ApiRequest::authenticated`] has found one; records of a rejection name it.
    pub user: Arc<OnceLock<Arc<User>>>,
    /// The body, at most `Options::body_max_bytes`; JSON by its media type for a POST.
    pub body: Vec<u8>,
    /// When the request was complete.
    pub now: Now,
    /// The doors, for credentials and rates.
    pub gate: Arc<Gate>,
    /// Where log-ins wait for a place.
    pub queues: Arc<AdmissionQueues>,
    /// Where acts are recorded.
    pub audit: Audit,
}

impl ApiRequest {
    /// Counts a log-in or what costs as much; from an unknown device it waits for a place among
    /// all, for a short time. Asked last, so that what a name or address is refused takes nothing
    /// from all.
    ///
    /// # Errors
    /// [`Denial`] of the limit, the same whether the name exists or not.
    pub async fn login_allowed(&self, budget: &str, from: LoginSource<'_>) -> Result<(), Denial> {
        self.gate.limits().check_login(self.client, budget, from, self.now)?;
        match from {
            // Each has one count a user, so a user takes no more than `login_per_user` of the
            // hashes, and a flood of unknown devices does not close them.
            LoginSource::KnownDevice(_)
            | LoginSource::Link
            | LoginSource::OperatorLink
            | LoginSource::RecoveryCode
            | LoginSource::SignedIn => Ok(()),
            LoginSource::Anywhere => self.queues.take_login_slot(&self.gate).await,
        }
    }

    /// The user of the request's token: known, not barred, nothing of the token withdrawn, and with
    /// a second factor where every user needs one.
    ///
    /// A token bound to a key needs the proof of that key beside it (RFC 9449).
    ///
    /// # Errors
    /// [`Denial::Token`] when there is no token, or it is not accepted; [`Denial::NonceNeeded`];
    /// [`Denial::SecondFactor`] when the user has to add a second factor, or the token shows none.
    pub fn authenticated(&self) -> Result<ApiCaller, Denial> {
        let caller = self.authenticated_for_setup()?;
        self.gate.authentication().check_second_factor(&caller.verified, &caller.user)?;
        Ok(caller)
    }

    /// The same for a route by which users add a second factor: they do not need one yet.
    ///
    /// # Errors
    /// As [`ApiRequest::authenticated`], without [`Denial::SecondFactor`].
    pub fn authenticated_for_setup(&self) -> Result<ApiCaller, Denial> {
        let verified = self.verified()?;
        let user = self.gate.identify(&verified, self.now)?;
        self.user.get_or_init(|| Arc::clone(&user));
        let roles = self.gate.authentication().roles_in_force(&verified, &user);
        Ok(ApiCaller { verified, user, roles })
    }

    /// Whom the request's token says it stands for, whatever became of them since.
    ///
    /// # Errors
    /// As [`ApiRequest::authenticated`].
    pub fn verified(&self) -> Result<VerifiedCredential, Denial> {
        match (&self.bearer, &self.bound) {
            // A ticket opens sockets and nothing else.
            (Some(bearer), _) if bearer.expose().starts_with(TICKET_PREFIX) => {
                Err(Denial::Token(TokenFault::Type))
            }
            (Some(bearer), _) => {
                let credential = Credential::Bearer(bearer.expose());
                self.gate.verify(credential, self.origin.as_deref(), self.now)
            }
            (None, Some(bound)) => {
                let ask = self.proof_ask(Some(bound.expose()))?;
                self.gate.authentication().verify_bound(&ask, self.now)
            }
            (None, None) => Err(Denial::Token(TokenFault::Missing)),
        }
    }

    /// The proof of the client's key, when the request carries one; it is not used up yet.
    ///
    /// # Errors
    /// [`Denial::Token`] when the proof is not one, [`Denial::NonceNeeded`].
    pub fn checked_proof(&self) -> Result<Option<CheckedProof>, Denial> {
        match &self.proof {
            Some(_) => {
                self.gate.authentication().check_proof(&self.proof_ask(None)?, self.now).map(Some)
            }
            None => Ok(None),
        }
    }

    fn proof_ask<'a>(&'a self, token: Option<&'a str>) -> Result<ProofRequest<'a>, Denial> {
        let proof = self.proof.as_ref().ok_or(Denial::Token(TokenFault::Proof))?;
        let method = self.method.name();
        Ok(ProofRequest { proof: proof.expose(), method, path: self.path, token })
    }
}

/// The user of a request, and what the request's token allows.
#[derive(Debug)]
pub struct ApiCaller {
    /// What the token says.
    pub verified: VerifiedCredential,
    /// The user. [`User::roles`] can include roles that have no effect with this token.
    pub user: Arc<User>,
    /// The roles in force: without those that the token withholds for want of a second factor.
    pub roles: Roles,
}

/// Which set of security headers a response gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseKind {
    /// A document or something a document loads.
    Page,
    /// Everything else; never cached.
    Api,
    /// A rejection without content. Browsers may give it to any page, for there is nothing to read.
    Empty,
}

/// What a route answers.
pub struct ApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// The media type, with charset where it is text.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Further headers, such as cookies.
    pub headers: Vec<(&'static str, String)>,
    /// Which security headers it gets.
    pub kind: ResponseKind,
}

impl ApiResponse {
    /// A JSON answer. A value that cannot be serialised becomes an empty object.
    pub fn json<T: Serialize>(status: u16, value: &T) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            body: body.into(),
            headers: Vec::new(),
            kind: ResponseKind::Api,
        }
    }
}

/// What a route's handler gives.
pub(crate) type RouteFuture = Pin<Box<dyn Future<Output = Result<ApiResponse, Denial>>>>;

/// A route with its handler.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) handler: Box<dyn Fn(ApiRequest) -> RouteFuture + Send + Sync>,
}

/// A file served as it is.
pub(crate) struct Page {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}
