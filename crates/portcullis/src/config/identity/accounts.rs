//! `[accounts]`: registration, second factors, and rules for passwords (T-027 to T-029).
//! Never: passwords or keys.

use std::path::PathBuf;

use portcullis_accounts::Registration;
use portcullis_guard::{GateOptions, SecondFactorRule};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// `[accounts]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccountsSection {
    /// Whether the server has accounts; it cannot be switched off.
    enabled: Option<bool>,
    /// How accounts are created. `open`: clients can register. `invitation`: they need a one-time
    /// token from an administrator. `closed`: they cannot register.
    #[schemars(extend("enum" = ["open", "invitation", "closed"]))]
    registration: Option<String>,
    /// The claim `iss` of the access tokens of this server.
    issuer: Option<String>,
    /// The users that need a second factor. `staff` are also moderators and users with your own
    /// roles. Only `development` accepts `none`.
    #[schemars(extend("enum" = ["none", "admins", "staff", "all"]))]
    second_factor: Option<String>,
    /// The former name of `second_factor`.
    #[schemars(extend("not" = {}))]
    admins_need_totp: Option<bool>,
    /// Words of your site from which no new password can be built: organisation, product, city. At
    /// most 64 words of 3 to 64 characters.
    #[schemars(extend("examples" = [["portcullis"]]))]
    context_words: Option<Vec<String>>,
    /// A text file with passwords that no user can choose, one a line.
    #[schemars(extend("examples" = ["/etc/portcullis/password-blocklist.txt"]))]
    password_blocklist_file: Option<PathBuf>,
}

/// Settings of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountSettings {
    pub(crate) registration: Registration,
    pub(crate) issuer: String,
    pub(crate) second_factor: SecondFactorRule,
    /// Whether a login has to prove a key of the client.
    pub(crate) proof_required: bool,
    pub(crate) context_words: Vec<String>,
    pub(crate) password_blocklist: Option<PathBuf>,
}

impl AccountSettings {
    /// Sets the options of the gate.
    pub(crate) fn apply_to(&self, gate: &mut GateOptions) {
        gate.proof_required = self.proof_required;
        gate.second_factor = self.second_factor;
    }

    pub(crate) fn registration_name(&self) -> &'static str {
        match self.registration {
            Registration::Open => "open",
            Registration::Invitation => "invitation",
            Registration::Closed => "closed",
        }
    }
}

/// Most configured words; each one makes the check of a new password slower.
const WORDS_MAX: usize = 64;
/// Longest word in characters.
const WORD_MAX_CHARS: usize = 64;
/// Shortest word in characters: shorter ones are part of every other word.
const WORD_MIN_CHARS: usize = 3;

fn check_words(words: &[String]) -> Result<(), ConfigError> {
    const KEY: &str = "accounts.context_words";
    let fits = |word: &&String| {
        (WORD_MIN_CHARS..=WORD_MAX_CHARS).contains(&word.chars().count())
            && !word.chars().any(|char| char.is_whitespace() || char.is_control())
    };
    if words.len() > WORDS_MAX {
        let (why, mend) = ("64 is the maximum", "keep the words that users would choose");
        return Err(ConfigError::refused(KEY, words.len().to_string(), why, mend));
    }
    match words.iter().find(|word| !fits(word)) {
        None => Ok(()),
        Some(word) => {
            let why = "a word has 3 to 64 characters and no space";
            Err(ConfigError::refused(KEY, word, why, "write each word by itself"))
        }
    }
}

impl AccountsSection {
    pub(crate) fn read(self, profile: Profile) -> Result<AccountSettings, ConfigError> {
        if self.enabled == Some(false) {
            let mend = "remove it; registration = \"closed\" allows no new accounts";
            return Err(ConfigError::unavailable("accounts.enabled", "false", mend));
        }
        let registration = match self.registration.as_deref() {
            None | Some("open") => Registration::Open,
            Some("invitation") => Registration::Invitation,
            Some("closed") => Registration::Closed,
            Some(other) => {
                let mend = "write \"open\", \"invitation\" or \"closed\"";
                return Err(ConfigError::no_such_choice("accounts.registration", other, mend));
            }
        };
        let issuer = self.issuer.unwrap_or_else(|| String::from("https://portcullis"));
        let second_factor = second_factor(self.second_factor, self.admins_need_totp, profile)?;
        let proof_required = profile == Profile::Strict;
        let context_words = self.context_words.unwrap_or_default();
        check_words(&context_words)?;
        let password_blocklist = self.password_blocklist_file;
        Ok(AccountSettings {
            registration,
            issuer,
            second_factor,
            proof_required,
            context_words,
            password_blocklist,
        })
    }
}

fn second_factor(
    word: Option<String>,
    old_name: Option<bool>,
    profile: Profile,
) -> Result<SecondFactorRule, ConfigError> {
    let key = "accounts.second_factor";
    if let Some(needed) = old_name {
        let mend = if needed { "\"admins\"" } else { "\"none\", in development only" };
        let why = "its new name is accounts.second_factor";
        let mend = format!("write second_factor = {mend}");
        let seen = needed.to_string();
        return Err(ConfigError::refused("accounts.admins_need_totp", seen, why, &mend));
    }
    let rule = match word.as_deref() {
        None if profile == Profile::Development => SecondFactorRule::None,
        None => SecondFactorRule::Admins,
        Some(word) => {
            let found = SecondFactorRule::ALL.iter().find(|(name, _)| *name == word);
            let mend = "write \"admins\", \"staff\" or \"all\"";
            found
                .map(|(_, rule)| *rule)
                .ok_or_else(|| ConfigError::no_such_choice(key, word, mend))?
        }
    };
    if rule == SecondFactorRule::None && profile != Profile::Development {
        let why = "a guessed or stolen password would be enough to become an administrator";
        let mend = "remove it: an administrator adds a second factor at the first login";
        return Err(ConfigError::refused(key, "\"none\"", why, mend));
    }
    Ok(rule)
}
