//! `portcullis token explain`: shows the content of a token and whether the server accepts it.
//! Never: the signature; the output cannot be used as a token.

use std::sync::Arc;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_accounts::{AccountFeed, AccountOptions, SigningKeys};
use portcullis_audit::{Audit, utc};
use portcullis_guard::{
    Credential, Directory, DirectoryLimits, Gate, GateOptions, VerifiedCredential,
};
use portcullis_model::{Denial, TokenFault};
use portcullis_store::{Change, ChangeStore};
use serde_json::Value;

use super::installation::{Installation, read_secret};
use crate::output::{OutputError, outln};
use crate::start::wiring::block_on;

/// Reads the token from standard input.
pub(super) fn run(installation: &Installation) -> Result<()> {
    let token = read_secret("the token")?;
    for (number, name) in ["header", "claims"].into_iter().enumerate() {
        let part = token.expose().split('.').nth(number);
        outln!("{name}  {}", part.and_then(decoded).unwrap_or_else(|| String::from("unreadable")))?;
    }
    let (gate, directory) = gate(installation)?;
    let now = installation.now();
    directory.authority().confirm(now);
    let verified = gate.verify(Credential::Bearer(token.expose()), None, now);
    match verified {
        Err(denial) => print_rejection(&denial)?,
        Ok(verified) => {
            outln!("issuer  {}", if verified.own { "this server" } else { &verified.issuer })?;
            outln!("user    {}", verified.user)?;
            if !verified.own {
                outln!("factor  {}", factor_text(verified.login.second_factor))?;
            }
            outln!("until   {}", utc(verified.expires_unix_s.saturating_mul(1000)))?;
            let known = gate.identify(&verified, now);
            let usable = known.and_then(|user| {
                gate.authentication().check_second_factor(&verified, &user).map(|()| user)
            });
            match usable {
                Ok(user) => outln!("accepted, as {:?}", user.name())?,
                Err(Denial::Token(TokenFault::User)) if is_new(&verified, &directory) => {
                    match gate.authentication().check_external_factor(&verified) {
                        Ok(()) => outln!("accepted, as a new user")?,
                        Err(denial) => print_rejection(&denial)?,
                    }
                }
                Err(denial) => print_rejection(&denial)?,
            }
        }
    }
    Ok(())
}

/// A part of a token as JSON on one line, without control characters.
fn decoded(part: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    Some(value.to_string().chars().filter(|character| !character.is_control()).collect())
}

fn factor_text(shown: bool) -> &'static str {
    match shown {
        true => "the token proves a second factor",
        false => {
            "the token proves no second factor (privileged_amr, privileged_acr): privileged roles \
             have no effect where accounts.second_factor requires one"
        }
    }
}

/// Whether the user belongs to another issuer and has never connected.
fn is_new(verified: &VerifiedCredential, directory: &Directory) -> bool {
    !verified.own && directory.user(&verified.user).is_none()
}

/// The gate as the server has it, with its keys, users and revocations.
fn gate(installation: &Installation) -> Result<(Gate, Arc<Directory>)> {
    let settings = &installation.settings;
    let clock = Arc::clone(&installation.clock);
    let directory = Arc::new(Directory::new(DirectoryLimits::default()));
    let mut issuers = settings.gate.issuers.clone();
    if let Ok(keys) = SigningKeys::read(&settings.storage.data) {
        let mut options = AccountOptions::new(Audit::silent(), Arc::clone(&clock));
        options.issuer.clone_from(&settings.identity.accounts.issuer);
        issuers.extend(keys.issuers(&options, clock.now().unix_ms));
    }
    for remote in &settings.identity.remote {
        match block_on(remote.fetch_once())? {
            Ok(keys) => issuers.extend(keys),
            Err(why) => outln!("note    keys of {} were not fetched: {why}", remote.like.issuer)?,
        }
    }
    if settings.storage.database.exists() {
        let (beside, _) = installation.open()?;
        let need = settings.identity.accounts.second_factor;
        let feed = AccountFeed::new(Arc::clone(&directory), clock, need);
        let all = block_on(beside.access_snapshot())??;
        feed.apply(&Change::AccessSnapshot(Box::new(all)), &mut Vec::new());
    }
    let own = vec![String::from("https://localhost")];
    let hosts = vec![String::from("localhost")];
    // This gate checks one token, so its tables are small. There is no connection, so no proof of a
    // key is required.
    let small = GateOptions { rate_keys_max: 1024, proof_required: false, ..settings.gate.clone() };
    let options = GateOptions { issuers, origins: own, hosts, ..small };
    let gate =
        Gate::build(options, Arc::clone(&directory)).map_err(crate::config::ConfigError::Gate)?;
    Ok((gate, directory))
}

fn print_rejection(denial: &Denial) -> Result<(), OutputError> {
    let why = match denial {
        Denial::Token(fault) => describe(*fault),
        Denial::SecondFactor("setup") => "the user has to add a second factor first",
        Denial::SecondFactor(_) => "accounts.second_factor is \"all\", and the token proves none",
        _ => "",
    };
    outln!("rejected ({}): {why}", denial.reason())
}

/// Explains a fault to a developer who creates tokens.
fn describe(fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::Missing | TokenFault::CookieOnly => "there is no token",
        TokenFault::Shape => {
            "the token is not three parts of canonical Base64url, or it is too long"
        }
        TokenFault::Header => "the header has more than alg, typ and kid, or it contains a key",
        TokenFault::Type => "typ in the header is not the type of an access token",
        TokenFault::IdToken => {
            "it is an id-token (nonce, at_hash or token type): send the access token; if the \
             issuer has none for this server, set [[token.issuer]] accept = \"id-token\""
        }
        TokenFault::OtherToken => {
            "the token is for logout, refresh or another purpose, or its header does not have the \
             typ that [[token.issuer]] requires"
        }
        TokenFault::Scope => "scope (or scp) does not contain all values of [[token.issuer]] scope",
        TokenFault::Details => {
            "the token has authorization_details, which this server does not support"
        }
        TokenFault::Algorithm => "alg is not the configured algorithm of the issuer",
        TokenFault::Key => "no configured issuer has this key (kid)",
        TokenFault::Signature => "the signature does not verify with the key of the issuer",
        TokenFault::Claims => {
            "iss or aud differ from the configuration, or a claim is missing, repeated or invalid"
        }
        TokenFault::Expired => "the token has expired (exp); clocks can differ by 5 s",
        TokenFault::NotYet => "the token is not valid yet (iat, nbf); clocks can differ by 5 s",
        TokenFault::Lifetime => {
            "the life of the token is too long: 24 h at most, 15 minutes for tokens of this server"
        }
        TokenFault::User => "the user was deleted, disabled or banned",
        TokenFault::Revoked => {
            "the token was revoked, or issued before the user was signed out or reauthenticated"
        }
        TokenFault::Session => "the session has ended",
        TokenFault::Clock => "the token was issued by this server in the future: a clock is wrong",
        TokenFault::Ticket | TokenFault::Used => "only the running server can check a ticket",
        TokenFault::Bound => {
            "the token needs a proof of the client key, or a ticket that was issued with one"
        }
        TokenFault::Proof => "the proof of the client key is invalid",
    }
}
