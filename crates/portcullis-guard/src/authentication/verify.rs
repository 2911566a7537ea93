//! Verifies credentials: tokens, tokens bound to a key, tickets.
//! Never: an answer that reveals why a token is rejected.

use portcullis_model::{Denial, Now, TokenFault, UserId};

use crate::admission::handshake::AdmittedRequest;
use crate::authentication::authenticate::Authentication;
use crate::authentication::credentials::credential::{self, Credential, PresentedCredential};
use crate::authentication::credentials::proof::{CheckedProof, ProofRequest, is_bound_to};
use crate::authentication::credentials::ticket::TICKET_PREFIX;
use crate::tables::shares::{EntryOwner, ShareUse};
use crate::tokens::key::Algorithm;
use crate::tokens::token::{CredentialKeys, VerifiedCredential};

impl Authentication {
    /// Verifies a token, or consumes a ticket.
    ///
    /// `origin` is the page that shows it.
    ///
    /// # Errors
    /// [`Denial::Token`], [`Denial::TwoCredentials`] or [`Denial::ProofNeeded`].
    pub fn verify(
        &self,
        credential: Credential<'_>,
        origin: Option<&str>,
        now: Now,
    ) -> Result<VerifiedCredential, Denial> {
        let verified = match credential::presented(credential)? {
            PresentedCredential::Ticket(ticket) => return self.redeem(ticket, origin, now),
            // Before the token is read, so that the answer reveals nothing about it.
            PresentedCredential::Token(_) if self.policy.load().options.proof_required => {
                return Err(Denial::ProofNeeded);
            }
            PresentedCredential::Token(token) => {
                self.tokens.verify(token, now).map_err(Denial::Token)?
            }
        };
        self.limits.count_user_signature(&verified.user, now)?;
        // A bound token without proof is treated as stolen (RFC 9449 section 7.2).
        match verified.keys.bound {
            Some(_) => Err(Denial::Token(TokenFault::Bound)),
            None => Ok(verified),
        }
    }

    /// The algorithm of a token that names a key that is not known and may be published since.
    #[must_use]
    pub fn unknown_key(&self, credential: Credential<'_>) -> Option<Algorithm> {
        self.tokens.unknown_key(credential::presented_token(credential)?)
    }

    /// Checks the credential of a request that opens a socket, before the socket exists.
    ///
    /// A ticket is not checked, because that would consume it. A token of an unknown key passes:
    /// the key may be known when the socket connects.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::TicketNeeded`].
    pub fn precheck(
        &self,
        admitted: &AdmittedRequest,
        now: Now,
    ) -> Result<Option<VerifiedCredential>, Denial> {
        if admitted.bound.is_some() {
            // A message on a socket carries no proof, so the socket opens with a ticket.
            return Err(Denial::TicketNeeded);
        }
        let Some(bearer) = &admitted.bearer else { return Ok(None) };
        if bearer.expose().starts_with(TICKET_PREFIX) {
            return Ok(None);
        }
        if self.policy.load().options.proof_required {
            return Err(Denial::TicketNeeded);
        }
        let credential = Credential::Bearer(bearer.expose());
        match self.verify(credential, admitted.origin.as_deref(), now) {
            Err(Denial::Token(TokenFault::Key)) => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// Verifies a token with a proof of the key that it is bound to.
    ///
    /// Where every token needs a proof, a token that its issuer has bound to no key is bound to the
    /// first key that it is shown with.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::NonceNeeded`] when the proof lacks this server's nonce.
    pub fn verify_bound(
        &self,
        ask: &ProofRequest<'_>,
        now: Now,
    ) -> Result<VerifiedCredential, Denial> {
        let token = ask.token.ok_or(Denial::Token(TokenFault::Missing))?;
        let verified = self.tokens.verify(token, now).map_err(Denial::Token)?;
        // Two signatures; the token names the user before the second one is checked.
        self.limits.count_user_signature(&verified.user, now)?;
        self.limits.count_user_signature(&verified.user, now)?;
        let proof = self.check_proof(ask, now)?;
        let owner = EntryOwner::User(&verified.user);
        match &verified.keys.bound {
            Some(jkt) if is_bound_to(jkt, proof.claimed_key()) => {}
            None if self.policy.load().options.proof_required && !verified.own => {
                self.hold_for_key(token, &verified, proof.claimed_key(), now)?;
            }
            Some(_) | None => return Err(Denial::Token(TokenFault::Proof)),
        }
        let key = self.consume_proof(proof, owner, now)?;
        Ok(VerifiedCredential {
            keys: CredentialKeys { proven: Some(key), ..verified.keys },
            ..verified
        })
    }

    /// Binds a token to a key where its issuer has bound it to none.
    pub(crate) fn hold_for_key(
        &self,
        token: &str,
        verified: &VerifiedCredential,
        key: &[u8],
        now: Now,
    ) -> Result<(), Denial> {
        let owner = EntryOwner::User(&verified.user);
        let (token, label) = ((token, verified.expires_unix_s), || owner.label());
        self.first_keys.hold(token, key, self.limits.share_owner(owner), label, now)
    }

    /// Checks a proof of the client's key; stores nothing.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::NonceNeeded`] when the proof lacks this server's nonce.
    pub fn check_proof(&self, ask: &ProofRequest<'_>, now: Now) -> Result<CheckedProof, Denial> {
        let options = &self.policy.load().options;
        let hosts: [&[String]; 2] = [&options.hosts, &options.dashboard.hosts];
        self.proofs.check(ask, hosts, now)
    }

    /// Consumes a proof; returns the key it proves, an uncompressed P-256 point.
    ///
    /// # Errors
    /// [`Denial::Token`] for a second use, [`Denial::ShareFull`] when the owner has used too many.
    pub fn consume_proof(
        &self,
        proof: CheckedProof,
        owner: EntryOwner<'_>,
        now: Now,
    ) -> Result<Vec<u8>, Denial> {
        self.proofs.consume(proof, self.limits.share_owner(owner), || owner.label(), now)
    }

    /// The usage of the tables of identity state.
    #[must_use]
    pub fn identity_tables(&self, now: Now) -> [ShareUse; 4] {
        let revocations = self.directory.authority().usage(now);
        let (tickets, proofs) = (self.tickets.usage(now), self.proofs.usage(now));
        [tickets, proofs, self.first_keys.usage(now), revocations]
    }

    /// The current nonce of proofs (`DPoP-Nonce`).
    #[must_use]
    pub fn proof_nonce(&self, now: Now) -> String {
        self.proofs.nonce(now)
    }

    /// Issues a one-time ticket for a verified credential; valid for 30 s, on pages of one origin.
    ///
    /// # Errors
    /// [`Denial::PayloadTooLarge`] when the credential does not fit into a ticket.
    pub fn issue_ticket(
        &self,
        verified: &VerifiedCredential,
        origin: Option<&str>,
        now: Now,
    ) -> Result<String, Denial> {
        // A token may list any number of roles; only those that exist here are kept.
        let known = |name: &String| self.policy.load().options.roles.table.parse(name).is_some();
        let roles = verified.roles.as_ref();
        let roles = roles.map(|names| names.iter().filter(|name| known(name)).cloned().collect());
        self.tickets.issue(&VerifiedCredential { roles, ..verified.clone() }, origin, now)
    }

    fn redeem(
        &self,
        ticket: &str,
        origin: Option<&str>,
        now: Now,
    ) -> Result<VerifiedCredential, Denial> {
        let owner_of = |user: &UserId| self.limits.share_owner(EntryOwner::User(user));
        self.tickets.redeem(ticket, origin, owner_of, now)
    }
}
