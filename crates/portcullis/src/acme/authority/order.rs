//! One order: authorizations, challenges, and the certificate (RFC 8555 section 7.4).
//! Never: a challenge that stays pending after the order.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Error, Identifier, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use portcullis_server::PendingChallenges;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::acme::authority::challenge::{answer, challenge_type};
use crate::acme::authority::failure::{AcmeFailure, has_type};
use crate::config::AcmeChallenge;

/// Repeated requests after an invalid nonce, besides those of the library.
const NONCE_RETRIES: u32 = 6;
/// The polls for a validation and for a certificate.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.3)
    .timeout(Duration::from_secs(240));

/// The key and the chain that an order brought, in PEM.
pub(super) struct OrderedCertificate {
    pub(super) key_pem: String,
    pub(super) chain_pem: String,
}

/// Repeats a request while the authority rejects its nonce (RFC 8555 section 6.5).
pub(super) async fn retry_nonce<T>(
    mut request: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    for _ in 0..NONCE_RETRIES {
        match request().await {
            Err(Error::Api(problem)) if has_type(&problem, "badNonce") => {}
            other => return other,
        }
    }
    request().await
}

/// Starts an order for these names; `replaces` is the certificate that it renews.
pub(super) async fn start(
    account: &Account,
    names: &[String],
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<Order, Error> {
    let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
    if let Some(replaces) = replaces {
        let started = retry_nonce(async || {
            account.new_order(&NewOrder::new(&identifiers).replaces(replaces.clone())).await
        });
        match started.await {
            // An authority that does not accept the former certificate, such as one that another
            // account has ordered, can still issue another one.
            Err(Error::Unsupported(_) | Error::Other(_)) => {}
            Err(Error::Api(problem))
                if !has_type(&problem, "rateLimited")
                    && !has_type(&problem, "accountDoesNotExist") => {}
            started => return started,
        }
    }
    retry_nonce(async || account.new_order(&NewOrder::new(&identifiers)).await).await
}

/// Completes an order.
pub(super) async fn complete(
    mut order: Order,
    names: &[String],
    challenge: AcmeChallenge,
    pending: &PendingChallenges,
) -> Result<OrderedCertificate, AcmeFailure> {
    let _cleared = ClearedAtEnd(pending);
    let mut ready = Vec::new();
    let answered =
        retry_nonce(async || answer_challenges(&mut order, challenge, pending, &mut ready).await);
    match answered.await {
        Ok(()) => {}
        // An authority can validate, and fail, before it answers.
        Err(error @ Error::Api(_)) => return Err(rejection(&mut order, Some(error)).await),
        Err(error) => return Err(AcmeFailure::of("the challenges", &error)),
    }
    let polled = retry_nonce(async || order.poll_ready(&POLLS).await).await;
    match polled {
        Ok(OrderStatus::Ready) => {}
        other => return Err(rejection(&mut order, other.err()).await),
    }
    let created = request_for(names);
    let (key_pem, request) = created.map_err(|error| AcmeFailure::new(&error.to_string()))?;
    retry_nonce(async || order.finalize_csr(&request).await)
        .await
        .map_err(|error| AcmeFailure::of("the certificate request", &error))?;
    let chain_pem = retry_nonce(async || order.poll_certificate(&POLLS).await)
        .await
        .map_err(|error| AcmeFailure::of("the certificate", &error))?;
    Ok(OrderedCertificate { key_pem, chain_pem })
}

/// Removes the pending challenges when the order ends, also when it is dropped.
struct ClearedAtEnd<'a>(&'a PendingChallenges);

impl Drop for ClearedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// Makes the answers available, and notifies the authority. `ready` lists the finished names.
async fn answer_challenges(
    order: &mut Order,
    challenge: AcmeChallenge,
    pending: &PendingChallenges,
    ready: &mut Vec<String>,
) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let name = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Pending if !ready.contains(&name) => {}
            AuthorizationStatus::Pending | AuthorizationStatus::Valid => continue,
            // The poll of the order reports the reason.
            _ => return Ok(()),
        }
        let Some(mut handle) = authorization.challenge(challenge_type(challenge)) else {
            let word = challenge.name();
            let text = format!("the authority does not offer {word} for {name}");
            return Err(Error::Other(text.into()));
        };
        if !pending.add(answer(challenge, &handle, &name)?) {
            return Err(Error::Other("too many challenges are pending".into()));
        }
        handle.set_ready().await?;
        ready.push(name);
    }
    Ok(())
}

/// The reason of a rejected order: the first challenge that failed, or the error of the order; with
/// all names that failed.
async fn rejection(order: &mut Order, error: Option<Error>) -> AcmeFailure {
    let (mut first, mut names) = (None, Vec::new());
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let refreshed = retry_nonce(async || authorization.refresh().await.map(|_| ()));
        if refreshed.await.is_err() {
            break;
        }
        let failed = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = failed {
            let name = authorization.identifier().to_string();
            let subject = format!("the authority cannot validate {name}");
            first.get_or_insert_with(|| AcmeFailure::of_problem(&subject, problem));
            names.push(name);
        }
    }
    let failure = first.unwrap_or_else(|| match error {
        Some(error) => AcmeFailure::of("the order", &error),
        None => AcmeFailure::new("the authority declared the order invalid without a reason"),
    });
    failure.with_names(names)
}

/// A new key, and the request for a certificate with it (RFC 8555 section 11.1).
fn request_for(names: &[String]) -> Result<(String, Vec<u8>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}
