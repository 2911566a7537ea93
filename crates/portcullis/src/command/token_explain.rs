//! `portcullis token explain`: what a token holds, and what the server would say to it.
//! Never: the signature printed; what is shown cannot be used.

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

use super::{Installation, read_secret};
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
    let believed = gate.verify(Credential::Bearer(token.expose()), None, now);
    match believed {
        Err(denial) => refused(&denial)?,
        Ok(verified) => {
            outln!("issuer  {}", if verified.own { "this server" } else { &verified.issuer })?;
            outln!("user    {}", verified.user)?;
            if !verified.own {
                outln!("factor  {}", factor_words(verified.second_factor))?;
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
                        Ok(()) => outln!("accepted, as a user who is new here")?,
                        Err(denial) => refused(&denial)?,
                    }
                }
                Err(denial) => refused(&denial)?,
            }
        }
    }
    Ok(())
}

/// A part of a token as JSON on one line, with nothing that could steer a terminal.
fn decoded(part: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    Some(value.to_string().chars().filter(|character| !character.is_control()).collect())
}

fn factor_words(shown: bool) -> &'static str {
    match shown {
        true => "a second factor is shown",
        false => {
            "no second factor is shown (privileged_amr, privileged_acr): roles that keep order \
             have no effect where accounts.second_factor asks for one"
        }
    }
}

/// Users of other issuers are made when they first connect.
fn is_new(verified: &VerifiedCredential, directory: &Directory) -> bool {
    !verified.own && directory.user(&verified.user).is_none()
}

/// The guards as the server has them: its keys, its users, what was withdrawn.
fn gate(installation: &Installation) -> Result<(Gate, Arc<Directory>)> {
    let settings = &installation.settings;
    let clock = Arc::clone(&installation.clock);
    let directory = Arc::new(Directory::new(DirectoryLimits::default()));
    let mut issuers = settings.gate.issuers.clone();
    if let Ok(keys) = SigningKeys::read(&settings.data) {
        let mut options = AccountOptions::new(Audit::silent(), Arc::clone(&clock));
        options.issuer.clone_from(&settings.accounts.issuer);
        issuers.extend(keys.issuers(&options, clock.now().unix_ms));
    }
    for remote in &settings.remote {
        match block_on(remote.fetch_once())? {
            Ok(keys) => issuers.extend(keys),
            Err(why) => outln!("note    keys of {} were not fetched: {why}", remote.like.issuer)?,
        }
    }
    if settings.database.exists() {
        let (beside, _) = installation.open()?;
        let need = settings.accounts.second_factor;
        let feed = AccountFeed::new(Arc::clone(&directory), clock, need);
        let all = block_on(beside.authority())??;
        feed.apply(&Change::Authority(Box::new(all)), &mut Vec::new());
    }
    let own = vec![String::from("https://localhost")];
    let hosts = vec![String::from("localhost")];
    // This gate decides about one token: its tables are small.
    // It is not shown on a connection, so it needs no proof of a key here.
    let small = GateOptions { rate_keys_max: 1024, proof_required: false, ..settings.gate.clone() };
    let options = GateOptions { issuers, origins: own, hosts, ..small };
    let gate =
        Gate::build(options, Arc::clone(&directory)).map_err(crate::config::ConfigError::Gate)?;
    Ok((gate, directory))
}

fn refused(denial: &Denial) -> Result<(), OutputError> {
    let why = match denial {
        Denial::Token(fault) => explained(*fault),
        Denial::SecondFactor("setup") => "the user has to add a second factor first",
        Denial::SecondFactor(_) => "accounts.second_factor is \"all\", and it shows none",
        _ => "",
    };
    outln!("refused ({}): {why}", denial.reason())
}

/// What a fault means for whoever makes tokens.
fn explained(fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::Missing | TokenFault::CookieOnly => "there is no token",
        TokenFault::Shape => "not three parts of Base64url in their one spelling, or too long",
        TokenFault::Header => "the header is not alg, typ and kid alone, or carries a key",
        TokenFault::Type => "typ in the header is not that of an access token",
        TokenFault::IdToken => {
            "it is an id-token (nonce, at_hash, or its own word): send the access token; if the \
             issuer has none for this server, set [[token.issuer]] accept = \"id-token\""
        }
        TokenFault::OtherToken => {
            "it is for a log-out, a refresh or another single purpose, or its header does not name \
             the typ that [[token.issuer]] asks for"
        }
        TokenFault::Scope => "scope (or scp) lacks what [[token.issuer]] scope asks for",
        TokenFault::Details => "it carries authorization_details, which this server cannot obey",
        TokenFault::Algorithm => "alg is not what the issuer is configured for",
        TokenFault::Key => "no configured issuer has this key (kid)",
        TokenFault::Signature => "the signature is not that of the issuer's key",
        TokenFault::Claims => {
            "iss or aud are not exactly as configured, or a claim is missing, doubled or odd"
        }
        TokenFault::Expired => "it is over (exp); 5 s are allowed for clocks",
        TokenFault::NotYet => "it is from the future (iat, nbf); 5 s are allowed for clocks",
        TokenFault::Lifetime => "it lives too long: 24 h at most, our own 15 minutes",
        TokenFault::User => "its user is gone, locked out or banned",
        TokenFault::Revoked => {
            "it was issued before the user was logged out or confirmed the password, or was revoked"
        }
        TokenFault::Session => "its session is over",
        TokenFault::Clock => "it is this server's own, from the future: a clock is wrong",
        TokenFault::Ticket | TokenFault::Used => "a ticket is known to the running server alone",
        TokenFault::Bound => "it needs a proof of the client's key, or a ticket got with one",
        TokenFault::Proof => "the proof of the client's key is wrong",
    }
}
