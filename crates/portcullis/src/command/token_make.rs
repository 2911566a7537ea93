//! `portcullis token make`: creates a token that can connect, for tests and support.
//! Never: a token of an issuer whose key this server does not have.

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_accounts::{AccountOptions, OperatorAccounts, SharedClaims, shared_token};
use portcullis_audit::Audit;

use super::installation::Installation;
use crate::output::outln;
use crate::start::wiring::block_on;

/// `portcullis token make …`.
#[derive(Debug, Args)]
pub(crate) struct MakeArguments {
    /// A user of this server; the token is valid for ten minutes, and its creation is recorded.
    #[arg(required_unless_present = "issuer", conflicts_with = "issuer")]
    user: Option<String>,
    /// A configured issuer with a shared secret, in place of a user of this server.
    #[arg(long, requires = "subject", value_name = "URL")]
    issuer: Option<String>,
    /// The user at that issuer (sub).
    #[arg(long, requires = "issuer")]
    subject: Option<String>,
    /// The name that other users see.
    #[arg(long, requires = "issuer")]
    name: Option<String>,
    /// A role, for an issuer that can assign roles; can be repeated.
    #[arg(long = "role", requires = "issuer")]
    roles: Vec<String>,
    /// Adds the value of privileged_amr or privileged_acr that proves a second factor.
    #[arg(long, requires = "issuer")]
    second_factor: bool,
    /// Life of the token, in seconds.
    #[arg(long, requires = "issuer", value_name = "SECONDS", default_value_t = 600,
        value_parser = clap::value_parser!(i64).range(1..=86_400))]
    life: i64,
}

/// Prints only the token on standard output.
pub(super) fn run(installation: &Installation, arguments: &MakeArguments) -> Result<()> {
    let token = match (&arguments.user, &arguments.issuer) {
        (Some(user), None) => {
            let (beside, _) = installation.open()?;
            let keys = installation.signing_keys()?;
            let accounts = OperatorAccounts { store: &beside, now: installation.now() };
            let issuer = &installation.settings.identity.accounts.issuer;
            let clock = std::sync::Arc::clone(&installation.clock);
            let audience = AccountOptions::new(Audit::silent(), clock).audience;
            block_on(accounts.access_token(user, &keys, issuer, &audience))??
        }
        (_, Some(issuer)) => issuer_token(installation, arguments, issuer)?,
        (None, None) => bail!("give the name of a user of this server, or --issuer and --subject"),
    };
    outln!("{}", token.expose())?;
    Ok(())
}

fn issuer_token(
    installation: &Installation,
    arguments: &MakeArguments,
    name: &str,
) -> Result<portcullis_model::Secret<String>> {
    let issuers = &installation.settings.gate.issuers;
    let Some(issuer) = issuers.iter().find(|issuer| issuer.issuer == *name) else {
        bail!("no [[token.issuer]] of the configuration is {name:?} with a secret or key file");
    };
    let claims = SharedClaims {
        subject: arguments.subject.clone().unwrap_or_default(),
        name: arguments.name.clone(),
        roles: arguments.roles.clone(),
        second_factor: arguments.second_factor,
        life_s: arguments.life,
    };
    let token = shared_token(issuer, &claims, installation.now());
    let token =
        token.map_err(|denial| anyhow::anyhow!("cannot create the token ({})", denial.reason()))?;
    token.context("only the issuer can create its tokens: its key is not a shared secret")
}
