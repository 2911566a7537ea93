//! One attempt: from the account at the authority to the stored certificate.
//! Never: a certificate in use that was not checked.

use std::path::PathBuf;
use std::time::Duration;

use instant_acme::{Account, Error};
use portcullis_server::PendingChallenges;
use tokio::time::timeout;

use crate::acme::authority::failure::{AcmeFailure, has_type};
use crate::acme::authority::renewal_info::{self, RenewalWindow, certificate_id};
use crate::acme::authority::transport::Transport;
use crate::acme::authority::{account, order};
use crate::acme::stored::IssuedCertificate;
use crate::config::AcmeSettings;

/// The time for a whole attempt.
const ATTEMPT_MAX: Duration = Duration::from_secs(15 * 60);

/// The authority, and what this server requests from it.
pub(crate) struct Authority {
    pub(crate) settings: AcmeSettings,
    /// The names of the certificate.
    pub(crate) names: Vec<String>,
    /// The data directory.
    pub(crate) data: PathBuf,
    pub(crate) transport: Transport,
    pub(crate) pending: PendingChallenges,
}

impl Authority {
    /// Obtains a certificate with these names; `former` is the one that it renews, in DER.
    pub(crate) async fn obtain(
        &self,
        names: &[String],
        former: Option<&[u8]>,
    ) -> Result<IssuedCertificate, AcmeFailure> {
        let _former_wait = self.transport.take_retry_after_s();
        let obtained = timeout(ATTEMPT_MAX, self.obtain_in_time(names, former)).await;
        obtained.unwrap_or_else(|_| {
            Err(AcmeFailure::new("the authority did not issue a certificate within 15 minutes"))
        })
    }

    async fn obtain_in_time(
        &self,
        names: &[String],
        former: Option<&[u8]>,
    ) -> Result<IssuedCertificate, AcmeFailure> {
        let mut account = self.account().await?;
        let replaces = || former.and_then(certificate_id);
        let mut started = order::start(&account, names, replaces()).await;
        if let Err(Error::Api(problem)) = &started
            && has_type(problem, "accountDoesNotExist")
        {
            account = account::create(&self.settings, &self.transport, &self.data).await?;
            started = order::start(&account, names, None).await;
        }
        let order = started.map_err(|error| AcmeFailure::of("the order", &error))?;
        let challenge = self.settings.challenge;
        let ordered = order::complete(order, names, challenge, &self.pending).await?;
        let directory = &self.settings.directory;
        IssuedCertificate::new(directory, &ordered.key_pem, &ordered.chain_pem)
    }

    /// The window that the authority suggests for the renewal of a certificate.
    pub(crate) async fn window(&self, certificate: &[u8]) -> Option<RenewalWindow> {
        let account = self.account().await.ok()?;
        renewal_info::window(&account, certificate)
            .await
            .inspect_err(|error| tracing::debug!(%error, "the authority suggests no renewal"))
            .ok()
    }

    async fn account(&self) -> Result<Account, AcmeFailure> {
        account::open(&self.settings, &self.transport, &self.data).await
    }
}
