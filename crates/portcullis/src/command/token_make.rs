//! `portcullis token make`: a token that connects, for tests and support.
//! Never: for an issuer whose key this server does not have.

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_accounts::{AccountOptions, OperatorAccounts, SharedClaims, shared_token};
use portcullis_audit::Audit;

use super::Installation;
use crate::output::outln;
use crate::start::wiring::block_on;

/// `portcullis token make …`.
#[derive(Debug, Args)]
pub(crate) struct MakeArguments {
    /// A user of this server; the token is good for ten minutes and is recorded.
    #[arg(required_unless_present = "issuer", conflicts_with = "issuer")]
    user: Option<String>,
    /// An issuer of the configuration with a shared secret, in place of a user of this server.
    #[arg(long, requires = "subject", value_name = "URL")]
    issuer: Option<String>,
    /// Whom that issuer means (sub).
    #[arg(long, requires = "issuer")]
    subject: Option<String>,
    /// The name others see.
    #[arg(long, requires = "issuer")]
    name: Option<String>,
    /// A role, where the issuer is trusted to give roles; may be repeated.
    #[arg(long = "role", requires = "issuer")]
    roles: Vec<String>,
    /// Whether it shows a second factor, as the issuer's privileged_amr or privileged_acr reads it.
    #[arg(long, requires = "issuer")]
    second_factor: bool,
    /// How long it lives, in seconds.
    #[arg(long, requires = "issuer", value_name = "SECONDS", default_value_t = 600,
        value_parser = clap::value_parser!(i64).range(1..=86_400))]
    life: i64,
}

/// Prints the token, and nothing else, on standard output.
pub(super) fn run(installation: &Installation, arguments: &MakeArguments) -> Result<()> {
    let token = match (&arguments.user, &arguments.issuer) {
        (Some(user), None) => {
            let (beside, _) = installation.open()?;
            let keys = installation.signing_keys()?;
            let hand = OperatorAccounts { store: &beside, now: installation.now() };
            let issuer = &installation.settings.accounts.issuer;
            let clock = std::sync::Arc::clone(&installation.clock);
            let audience = AccountOptions::new(Audit::silent(), clock).audience;
            block_on(hand.access_token(user, &keys, issuer, &audience))??
        }
        (_, Some(issuer)) => foreign(installation, arguments, issuer)?,
        (None, None) => bail!("name a user of this server, or --issuer and --subject"),
    };
    outln!("{}", token.expose())?;
    Ok(())
}

fn foreign(
    installation: &Installation,
    arguments: &MakeArguments,
    name: &str,
) -> Result<portcullis_model::Secret<String>> {
    let issuers = &installation.settings.gate.issuers;
    let Some(issuer) = issuers.iter().find(|issuer| issuer.issuer == *name) else {
        bail!("no [[token.issuer]] of the configuration is {name:?} with keys known here");
    };
    let claims = SharedClaims {
        subject: arguments.subject.clone().unwrap_or_default(),
        name: arguments.name.clone(),
        roles: arguments.roles.clone(),
        second_factor: arguments.second_factor,
        life_s: arguments.life,
    };
    let made = shared_token(issuer, &claims, installation.now());
    let made = made.map_err(|denial| anyhow::anyhow!("no token was made ({})", denial.reason()))?;
    made.context("only the issuer itself can make its tokens: its key is not a shared secret")
}
