//! The gate: admission, authentication and authorization, built from the options.
//! Never: built from an option that it cannot apply, or changed in part.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{Denial, Now, UserId};

use crate::admission::admit::Admission;
use crate::admission::handshake::{AdmittedRequest, Handshake};
use crate::authentication::authenticate::Authentication;
use crate::authentication::credentials::credential::Credential;
use crate::authentication::principal::{Caller, Principal};
use crate::authorization::answer::Answer;
use crate::authorization::authorize::Authorization;
use crate::authorization::event::{DeclaredEvent, Event, Rule, UntypedEvent};
use crate::authorization::permit::Permit;
use crate::authorization::raw::RawPermit;
use crate::authorization::request::EventRequest;
use crate::directory::tables::Directory;
use crate::directory::user::User;
use crate::error::GateError;
use crate::gate_options::GateOptions;
use crate::limits::limiter::Limiter;
use crate::load::state::LoadState;
use crate::payload::sealed::FieldSealer;
use crate::policy::current::{CurrentPolicy, Policy};
use crate::policy::prepared::PreparedOptions;
use crate::tokens::key::Issuer;
use crate::tokens::token::VerifiedCredential;

/// Every security decision, in three stages: admission, authentication, authorization.
pub struct Gate {
    pub(crate) admission: Admission,
    pub(crate) authentication: Authentication,
    pub(crate) authorization: Authorization,
    /// Shared by the stages.
    pub(crate) limits: Arc<Limiter>,
    directory: Arc<Directory>,
    pub(crate) policy: Arc<CurrentPolicy>,
}

impl Gate {
    /// Checks every option and builds the gate.
    ///
    /// # Errors
    /// [`GateError`] names the first option that is invalid; no option is skipped.
    pub fn build(mut options: GateOptions, directory: Arc<Directory>) -> Result<Self, GateError> {
        // The keys move out, so that the options keep no copy of a secret.
        let issuers = std::mem::take(&mut options.issuers);
        let awaited = std::mem::take(&mut options.expected_algorithms);
        let admission_key = options.admission_key.take();
        let policy = Arc::new(CurrentPolicy::new(Policy::read(options, &[])?));
        let limits = Arc::new(Limiter::new(&policy));
        let admission =
            Admission::build(&policy, &limits, directory.blocks(), admission_key.as_deref())?;
        let authentication = Authentication::build(&policy, &limits, &directory, issuers, awaited)?;
        let authorization = Authorization::new(&policy, &limits, &directory);
        Ok(Self { admission, authentication, authorization, limits, directory, policy })
    }

    /// The first stage: which connections and requests are admitted.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The second stage: from a credential to a principal.
    #[must_use]
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// The third stage: from a message to a permit.
    #[must_use]
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// Rates, capacities and the load of the server, which all stages share.
    #[must_use]
    pub fn limits(&self) -> &Limiter {
        &self.limits
    }

    /// Users, rooms and memberships.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The options in force, without the keys of issuers.
    #[must_use]
    pub fn options(&self) -> Arc<GateOptions> {
        Arc::clone(&self.policy.load().options)
    }

    /// Checks options that are to replace those in force. Nothing changes.
    ///
    /// Issuers, their algorithms, the key of admission tokens and the pinned load are not taken
    /// over: [`Gate::replace_keys`] and others replace them.
    ///
    /// # Errors
    /// [`GateError`] names the first option that is invalid, or that needs a restart.
    pub fn prepare(&self, mut options: GateOptions) -> Result<PreparedOptions, GateError> {
        let in_force = self.options();
        options.issuers = Vec::new();
        options.expected_algorithms = Vec::new();
        options.admission_key = None;
        options.load = in_force.load;
        in_force.check_fixed(&options)?;
        self.authorization.check_declared(&options)?;
        let policy = Policy::read(options, &self.authorization.declared)?;
        Ok(PreparedOptions { policy })
    }

    /// Puts prepared options in force, for every decision from now on. Nothing that a client holds
    /// ends: connections stay also above a lower limit, and table entries keep their counts.
    pub fn apply(&self, prepared: PreparedOptions) {
        self.policy.replace(prepared.policy);
    }

    /// The current load of the server.
    #[must_use]
    pub fn load(&self) -> LoadState {
        self.limits.load()
    }

    /// The address that a request counts for. See [`Admission::client`].
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &[(&str, &[u8])]) -> IpAddr {
        self.admission.client(peer, headers)
    }

    /// Admits a request. See [`Admission::admit`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn admit(&self, ask: &Handshake<'_>, now: Now) -> Result<AdmittedRequest, Denial> {
        self.admission.admit(ask, now)
    }

    /// Admits a further request of a long-polling session. See [`Admission::admit_again`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn admit_again(
        &self,
        ask: &Handshake<'_>,
        user: Option<&UserId>,
        now: Now,
    ) -> Result<AdmittedRequest, Denial> {
        self.admission.admit_again(ask, user, now)
    }

    /// Takes the connection slot of an admitted socket. See [`Admission::take_slot`].
    ///
    /// # Errors
    /// The [`Denial`] of the limit that is used up.
    pub fn take_slot(&self, admitted: &mut AdmittedRequest, now: Now) -> Result<(), Denial> {
        self.admission.take_slot(admitted, now)
    }

    /// Verifies a credential. See [`Authentication::verify`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn verify(
        &self,
        credential: Credential<'_>,
        origin: Option<&str>,
        now: Now,
    ) -> Result<VerifiedCredential, Denial> {
        self.authentication.verify(credential, origin, now)
    }

    /// The user of a verified credential. See [`Authentication::identify`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn identify(&self, verified: &VerifiedCredential, now: Now) -> Result<Arc<User>, Denial> {
        self.authentication.identify(verified, now)
    }

    /// Makes a principal of a verified credential. See [`Authentication::authenticate`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn authenticate(
        &self,
        verified: VerifiedCredential,
        now: Now,
    ) -> Result<Principal, Denial> {
        self.authentication.authenticate(verified, now)
    }

    /// Makes a principal, and room for it. See [`Authentication::authenticate_replacing`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn authenticate_replacing(
        &self,
        verified: VerifiedCredential,
        since_ms: u64,
        now: Now,
    ) -> Result<Principal, Denial> {
        self.authentication.authenticate_replacing(verified, since_ms, now)
    }

    /// Prolongs a session by a newer token. See [`Authentication::renew`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn renew(
        &self,
        principal: &Principal,
        token: &str,
        now: Now,
    ) -> Result<VerifiedCredential, Denial> {
        self.authentication.renew(principal, token, now)
    }

    /// Replaces all keys of one issuer. Connections that a removed key has opened end.
    ///
    /// # Errors
    /// [`GateError`] for keys that are invalid or ambiguous; the current keys stay in force.
    pub fn replace_keys(&self, issuer: &str, keys: Vec<Issuer>) -> Result<(), GateError> {
        self.authentication.replace_keys(issuer, keys)
    }

    /// Replaces all keys of several issuers in one step. See [`Authentication::replace_issuers`].
    ///
    /// # Errors
    /// [`GateError`] for keys that are invalid or ambiguous; the current keys of all stay in force.
    pub fn replace_issuers(&self, names: &[&str], keys: Vec<Issuer>) -> Result<(), GateError> {
        self.authentication.replace_issuers(names, keys)
    }

    /// Declares an event of a namespace. See [`Authorization::declare`].
    ///
    /// # Errors
    /// [`GateError`] when the name, the rule or the type of the payload is invalid.
    pub fn declare<E: Event>(&mut self, namespace: &str) -> Result<DeclaredEvent<E>, GateError> {
        self.authorization.declare(namespace)
    }

    /// Declares an event without a type. See [`Authorization::danger_declare_raw`].
    ///
    /// # Errors
    /// As [`Gate::declare`].
    pub fn danger_declare_raw(
        &mut self,
        namespace: &str,
        name: &'static str,
        rule: Rule,
    ) -> Result<UntypedEvent, GateError> {
        self.authorization.danger_declare_raw(namespace, name, rule)
    }

    /// Checks that every option about an event names a declared event.
    ///
    /// To be called once all events are declared.
    ///
    /// # Errors
    /// [`GateError::EventUndeclared`] with the first undeclared name.
    pub fn check_declared(&self) -> Result<(), GateError> {
        self.authorization.check_declared(&self.policy.load().options)
    }

    /// Sets the keys for sealed fields, before events with sealed fields are declared.
    pub fn seal_with(&mut self, sealer: Arc<dyn FieldSealer>) {
        self.authorization.seal_with(sealer);
    }

    /// Decides about one message. See [`Authorization::permit`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn permit<E: Event>(
        &self,
        rule: &DeclaredEvent<E>,
        caller: &Caller,
        ask: &EventRequest<'_>,
        now: Now,
    ) -> Result<Permit<E>, Denial> {
        self.authorization.permit(rule, caller, ask, now)
    }

    /// Decides about one message without a type. See [`Authorization::permit_raw`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn permit_raw(
        &self,
        rule: &UntypedEvent,
        caller: &Caller,
        ask: &EventRequest<'_>,
        now: Now,
    ) -> Result<RawPermit, Denial> {
        self.authorization.permit_raw(rule, caller, ask, now)
    }

    /// Decides about an acknowledgement. See [`Authorization::permit_answer`].
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it.
    pub fn permit_answer(
        &self,
        caller: &Caller,
        arguments: &str,
        attachments: &[Bytes],
        now: Now,
    ) -> Result<Answer, Denial> {
        self.authorization.permit_answer(caller, arguments, attachments, now)
    }

    /// Rejects an undeclared event. See [`Authorization::reject_undeclared`].
    #[must_use]
    pub fn reject_undeclared(&self, caller: &Caller, ask: &EventRequest<'_>, now: Now) -> Denial {
        self.authorization.reject_undeclared(caller, ask, now)
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let actions = self.authorization.actions();
        formatter.debug_struct("Gate").field("events", &actions).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
