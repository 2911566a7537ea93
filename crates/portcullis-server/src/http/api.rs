//! HTTP requests and responses as products see them.
//! Never: an unbounded body; a request that was not admitted.

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
    /// Reads and changes nothing.
    Get,
    /// Changes data; the body is JSON.
    Post,
}

impl Method {
    /// The name in a request.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// An admitted request with its complete body.
pub struct ApiRequest {
    /// The client's address.
    pub client: IpAddr,
    /// The origin of the page that sends the request, as a browser reports it; it is allowed.
    pub origin: Option<Arc<str>>,
    /// The method.
    pub method: Method,
    /// The route's path.
    pub path: &'static str,
    /// The credentials in the headers, not yet verified.
    pub credentials: ApiCredentials,
    /// Other headers of the client.
    pub headers: ApiHeaders,
    /// The user, set by [`ApiRequest::authenticated`]; the record of a rejection names the user.
    pub user: Arc<OnceLock<Arc<User>>>,
    /// The body, at most `Options::body_max_bytes`; JSON by its media type for a POST.
    pub body: Vec<u8>,
    /// When the request was complete.
    pub now: Now,
    /// The gate, for credentials and rates.
    pub gate: Arc<Gate>,
    /// The queues in which log-ins wait for a slot.
    pub queues: Arc<AdmissionQueues>,
    /// The log of security records.
    pub audit: Audit,
}

/// The credentials of a request, not yet verified.
#[derive(Default)]
pub struct ApiCredentials {
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<Secret<String>>,
    /// The token of `Authorization: DPoP`.
    pub bound: Option<Secret<String>>,
    /// The proof of the client's key in the header `DPoP`.
    pub proof: Option<Secret<String>>,
}

/// Headers of a request beside its credentials.
#[derive(Debug, Default)]
pub struct ApiHeaders {
    /// The `Cookie` header, unchanged.
    pub cookie: Option<String>,
    /// The printable part of `User-Agent`, at most 256 bytes; users recognize a device by it.
    pub user_agent: String,
    /// Whether a browser reports that a page of this server sends the request: such a client
    /// accepts cookies.
    pub is_own_page: bool,
}

impl ApiRequest {
    /// Counts a log-in, or an operation that costs as much. From an unknown device, it waits a
    /// short time for a slot that all log-ins share.
    ///
    /// Call it last: a log-in that the limits of its name or address reject takes no shared slot.
    ///
    /// # Errors
    /// [`Denial`] of the limit, the same whether the name exists or not.
    pub async fn login_allowed(&self, budget: &str, from: LoginSource<'_>) -> Result<(), Denial> {
        self.gate.limits().check_login(self.client, budget, from, self.now)?;
        match from {
            // Each has one count for each user, so a user gets at most `login_per_user` hashes,
            // and a flood of unknown devices does not block them.
            LoginSource::KnownDevice(_)
            | LoginSource::Link
            | LoginSource::OperatorLink
            | LoginSource::RecoveryCode
            | LoginSource::SignedIn => Ok(()),
            LoginSource::Anywhere => self.queues.take_login_slot(&self.gate).await,
        }
    }

    /// The user of the request's token. The user exists and is not barred, the token is not
    /// revoked, and it shows a second factor if every user needs one.
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

    /// As [`ApiRequest::authenticated`], for routes by which users add a second factor: they do
    /// not need one yet.
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

    /// The verified token of the request, without a check of its user's current state.
    ///
    /// # Errors
    /// As [`ApiRequest::authenticated`].
    pub fn verified(&self) -> Result<VerifiedCredential, Denial> {
        match (&self.credentials.bearer, &self.credentials.bound) {
            // A ticket is only valid for a CONNECT.
            (Some(bearer), _) if bearer.expose().starts_with(TICKET_PREFIX) => {
                Err(Denial::Token(TokenFault::Type))
            }
            (Some(bearer), _) => {
                let credential = Credential::Bearer(bearer.expose());
                self.gate.verify(credential, self.origin.as_deref(), self.now)
            }
            (None, Some(bound)) => {
                let request = self.proof_request(Some(bound.expose()))?;
                self.gate.authentication().verify_bound(&request, self.now)
            }
            (None, None) => Err(Denial::Token(TokenFault::Missing)),
        }
    }

    /// The checked proof of the client's key, if the request carries one; it is not consumed yet.
    ///
    /// # Errors
    /// [`Denial::Token`] for an invalid proof, [`Denial::NonceNeeded`].
    pub fn checked_proof(&self) -> Result<Option<CheckedProof>, Denial> {
        match &self.credentials.proof {
            Some(_) => self
                .gate
                .authentication()
                .check_proof(&self.proof_request(None)?, self.now)
                .map(Some),
            None => Ok(None),
        }
    }

    fn proof_request<'a>(&'a self, token: Option<&'a str>) -> Result<ProofRequest<'a>, Denial> {
        let proof = self.credentials.proof.as_ref().ok_or(Denial::Token(TokenFault::Proof))?;
        let method = self.method.name();
        Ok(ProofRequest { proof: proof.expose(), method, path: self.path, token })
    }
}

/// The user of a request, and the roles and limits of its token.
#[derive(Debug)]
pub struct ApiCaller {
    /// The verified token.
    pub verified: VerifiedCredential,
    /// The user. [`User::roles`] can include roles that have no effect with this token.
    pub user: Arc<User>,
    /// The roles in force: without those that need a second factor which the token does not show.
    pub roles: Roles,
}

/// Which set of security headers a response gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseKind {
    /// A document, or a resource that a document loads.
    Page,
    /// The same of the dashboard.
    Dashboard,
    /// Any other response; never cached.
    Api,
    /// A rejection without content. Browsers may expose it to any page.
    Empty,
}

/// The response of a route.
pub struct ApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// The media type, with a charset for text.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Further headers, such as cookies.
    pub headers: Vec<(&'static str, String)>,
    /// Which security headers it gets.
    pub kind: ResponseKind,
}

impl ApiResponse {
    /// A JSON response. A value that cannot be serialized becomes an empty object.
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

/// The outcome of a route's handler.
pub(crate) type RouteFuture = Pin<Box<dyn Future<Output = Result<ApiResponse, Denial>>>>;

/// A route with its handler.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) handler: Box<dyn Fn(ApiRequest) -> RouteFuture + Send + Sync>,
}

/// A file that is served unchanged.
pub(crate) struct Page {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}
