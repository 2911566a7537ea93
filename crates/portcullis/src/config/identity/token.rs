//! `[[token.issuer]]`: other issuers whose tokens are accepted (T-030 to T-050).
//! Never: a secret in the configuration file or in an error text.

use std::path::PathBuf;

use portcullis_accounts::RemoteIssuer;
use portcullis_guard::{Algorithm, Issuer, IssuerKey, IssuerRules, KeyStrength, read_jwks};
use portcullis_model::Secret;
use portcullis_outbound::{Client, Policy, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::read::secret_file::read_private;

/// `[token]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TokenSection {
    /// An issuer beside this server, so that an application keeps its own login.
    pub(crate) issuer: Vec<IssuerSection>,
}

/// `[[token.issuer]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["issuer", "audience", "algorithm"]))]
pub(crate) struct IssuerSection {
    /// The exact claim `iss` of its tokens.
    #[schemars(extend("examples" = ["https://id.example"]))]
    issuer: Option<String>,
    /// The exact claim `aud` of its tokens.
    #[schemars(extend("examples" = ["portcullis"]))]
    pub(crate) audience: Option<String>,
    /// Further values that `aud` can contain. A token with another value is meant for another
    /// service.
    #[schemars(extend("x-default" = [], "examples" = [["https://id.example/userinfo"]]))]
    audience_beside: Vec<String>,
    /// The algorithm of all its tokens. `strict` rejects RS256.
    #[schemars(extend("enum" = ["HS256", "RS256", "PS256", "ES256", "EdDSA"]))]
    #[schemars(extend("examples" = ["RS256"]))]
    algorithm: Option<String>,
    /// The file of the secret for HS256: at least 32 random bytes, not readable by other users. One
    /// line end is removed.
    #[schemars(extend("examples" = ["/etc/portcullis/hs256.key"]))]
    pub(crate) secret_file: Option<PathBuf>,
    /// The secret for HS256, from the environment only, such as
    /// `PORTCULLIS__TOKEN__ISSUER__0__SECRET`. Configuration files are copied and shown.
    #[schemars(with = "Option<String>", extend("not" = {}))]
    #[serde(deserialize_with = "secret")]
    pub(crate) secret: Option<Secret<String>>,
    /// A file with the JSON Web Key Set of the issuer, read at the start.
    #[schemars(extend("examples" = ["/etc/portcullis/jwks.json"]))]
    jwks_file: Option<PathBuf>,
    /// The `https:` address of the JSON Web Key Set of the issuer.
    #[schemars(extend("examples" = ["https://id.example/jwks.json"]))]
    jwks_url: Option<String>,
    /// Certificate authorities for that address in PEM, in place of those of the machine.
    #[schemars(extend("examples" = ["/etc/portcullis/issuer-ca.pem"]))]
    jwks_ca_file: Option<PathBuf>,
    /// The path of the claim that lists roles. With it, the issuer can assign roles.
    #[schemars(extend("examples" = [["realm_access", "roles"]]))]
    roles_claim: Option<Vec<String>>,
    /// The kinds of accepted tokens. With `id-token`, the server accepts access tokens and
    /// id-tokens.
    #[schemars(extend("enum" = ["access-token", "id-token"], "x-default" = "access-token"))]
    pub(crate) accept: Option<String>,
    /// Scopes that a token has to list, all of them.
    #[schemars(extend("x-default" = [], "examples" = [["chat"]]))]
    pub(crate) scope: Vec<String>,
    /// The type that the header of a token has to name (`typ`).
    #[schemars(extend("x-default-text" = "`JWT`, `at+jwt` or none", "examples" = ["at+jwt"]))]
    pub(crate) typ: Option<String>,
    /// Methods (`amr`) that prove a second factor; one of them is enough.
    #[schemars(extend("x-default" = [], "examples" = [["mfa", "hwk"]]))]
    pub(crate) privileged_amr: Vec<String>,
    /// The path of the claim that lists methods.
    #[schemars(extend("x-default" = ["amr"]))]
    pub(crate) amr_claim: Option<Vec<String>>,
    /// Classes (`acr`) that prove a second factor; one of them is enough.
    #[schemars(extend("x-default" = [], "examples" = [["https://refeds.org/profile/mfa"]]))]
    pub(crate) privileged_acr: Vec<String>,
    /// The path of the claim that names the class.
    #[schemars(extend("x-default" = ["acr"]))]
    pub(crate) acr_claim: Option<Vec<String>>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(Secret::new(text)))
}

/// The source of the keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    SecretFile(PathBuf),
    Environment,
    JwksFile(PathBuf),
    JwksUrl { url: String, authorities: Option<PathBuf> },
}

/// The facts about an issuer for the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerFacts {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) audience_beside: Vec<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) roles_claim: Option<Vec<String>>,
    pub(crate) rules: IssuerRules,
    pub(crate) source: KeySource,
}

/// All configured issuers.
#[derive(Default)]
pub(crate) struct Issuers {
    /// Issuers with keys from files or secrets.
    pub(crate) known: Vec<Issuer>,
    /// Issuers whose keys are fetched.
    pub(crate) remote: Vec<RemoteIssuer>,
    pub(crate) facts: Vec<IssuerFacts>,
}

impl TokenSection {
    /// Rejects a secret in the file, because files are copied, shown and committed.
    pub(crate) fn reject_secrets(&self) -> Result<(), ConfigError> {
        if self.issuer.iter().all(|issuer| issuer.secret.is_none()) {
            return Ok(());
        }
        let why = "a configuration file is copied, shown and committed";
        let mend = "write secret_file, or set PORTCULLIS__TOKEN__ISSUER__0__SECRET";
        Err(ConfigError::refused("token.issuer.secret", "set in the file", why, mend))
    }

    /// `private` allows to fetch keys from private addresses.
    pub(crate) fn read(self, profile: Profile, private: bool) -> Result<Issuers, ConfigError> {
        let mut issuers = Issuers::default();
        for section in self.issuer {
            section.read(profile, private, &mut issuers)?;
        }
        Ok(issuers)
    }
}

impl IssuerSection {
    fn read(
        self,
        profile: Profile,
        private: bool,
        issuers: &mut Issuers,
    ) -> Result<(), ConfigError> {
        let algorithm = self.algorithm(profile)?;
        let rules = self.rules()?;
        let name = |key, value: Option<String>, mend| value.ok_or_else(|| missing(key, mend));
        let issuer = name("token.issuer.issuer", self.issuer, "write the iss of its tokens")?;
        let audience = name("token.issuer.audience", self.audience, "write the aud of its tokens")?;
        // A key that verifies nothing, until the keys of the issuer replace it.
        let placeholder = IssuerKey::EdDsaPublic(Vec::new());
        let like = Issuer {
            audience_beside: self.audience_beside.clone(),
            roles_claim: self.roles_claim.clone(),
            rules: rules.clone(),
            strength: match profile {
                Profile::Development | Profile::Production => KeyStrength::Usual,
                Profile::Strict => KeyStrength::Strong,
            },
            ..Issuer::new(&issuer, &audience, placeholder)
        };
        let keys = IssuerKeySettings {
            algorithm,
            secret_file: self.secret_file,
            secret: self.secret,
            jwks_file: self.jwks_file,
            jwks_url: self.jwks_url,
            authorities: self.jwks_ca_file,
        };
        let source = keys.read(profile, private, like, issuers)?;
        issuers.facts.push(IssuerFacts {
            issuer,
            audience,
            audience_beside: self.audience_beside,
            algorithm,
            roles_claim: self.roles_claim,
            rules,
            source,
        });
        Ok(())
    }

    fn algorithm(&self, profile: Profile) -> Result<Algorithm, ConfigError> {
        let key = "token.issuer.algorithm";
        let mend = "write \"HS256\", \"RS256\", \"PS256\", \"ES256\" or \"EdDSA\"";
        let text = self.algorithm.as_deref().ok_or_else(|| missing(key, mend))?;
        let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        let known = known.ok_or_else(|| ConfigError::no_such_choice(key, text, mend))?;
        if (known, profile) == (Algorithm::Rs256, Profile::Strict) {
            let why = "the strict profile does not accept its padding, RSASSA-PKCS1-v1_5";
            let mend = "let the issuer sign with PS256, ES256 or EdDSA, or use \"production\"";
            return Err(ConfigError::refused(key, "\"RS256\"", why, mend));
        }
        Ok(known)
    }
}

/// The keys of one section.
struct IssuerKeySettings {
    algorithm: Algorithm,
    secret_file: Option<PathBuf>,
    secret: Option<Secret<String>>,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    authorities: Option<PathBuf>,
}

impl IssuerKeySettings {
    fn read(
        self,
        profile: Profile,
        private: bool,
        like: Issuer,
        issuers: &mut Issuers,
    ) -> Result<KeySource, ConfigError> {
        let shared = self.secret_file.is_some() || self.secret.is_some();
        let published = self.jwks_file.is_some() || self.jwks_url.is_some();
        match (self.algorithm, shared, published) {
            (Algorithm::Hs256, _, true) => {
                let why = "HS256 has a shared secret and no public keys";
                let mend = "use secret_file, or the algorithm of the keys";
                Err(ConfigError::refused("token.issuer.algorithm", "\"HS256\"", why, mend))
            }
            (Algorithm::Hs256, _, false) => {
                let (secret, source) = read_secret(self.secret_file, self.secret, profile)?;
                issuers.known.push(Issuer { key: IssuerKey::Hs256(secret), ..like });
                Ok(source)
            }
            (_, true, _) => {
                let why = "a secret is for HS256 only";
                let mend = "use jwks_file or jwks_url";
                Err(ConfigError::refused("token.issuer.secret_file", "set", why, mend))
            }
            (_, false, _) => self.read_published(private, like, issuers),
        }
    }

    fn read_published(
        self,
        private: bool,
        like: Issuer,
        issuers: &mut Issuers,
    ) -> Result<KeySource, ConfigError> {
        match (self.jwks_file, self.jwks_url) {
            (Some(path), None) => {
                let key = "token.issuer.jwks_file";
                let mend = "name a file with a JSON Web Key Set";
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    ConfigError::file(key, &path, format!("it cannot be read ({error})"), mend)
                })?;
                let known = read_jwks(&text, self.algorithm, &like)
                    .map_err(|error| ConfigError::file(key, &path, error.to_string(), mend))?;
                // The operator can correct the file, so an invalid key stops the start.
                if let Some(unusable) = known.unusable.first() {
                    let why = format!("it has a key that cannot be used: {unusable}");
                    return Err(ConfigError::file(key, &path, why, "remove or replace the key"));
                }
                issuers.known.extend(known.issuers);
                Ok(KeySource::JwksFile(path))
            }
            (None, Some(url)) => {
                let authorities = self.authorities;
                let policy = read_policy(private, authorities.as_deref())?;
                let target = Target::parse(&url, &policy).map_err(|error| {
                    let mend = "write the https address of the key set of the issuer";
                    let key = "token.issuer.jwks_url";
                    ConfigError::refused(key, "set", error.to_string(), mend)
                })?;
                let algorithm = self.algorithm;
                issuers.remote.push(RemoteIssuer { like, algorithm, target, policy });
                Ok(KeySource::JwksUrl { url, authorities })
            }
            (Some(_), Some(_)) => {
                let why = "jwks_url is set as well, and one would be ignored";
                Err(ConfigError::refused("token.issuer.jwks_file", "set", why, "set one of them"))
            }
            (None, None) => {
                let mend = "name jwks_file or jwks_url";
                Err(missing("token.issuer.jwks_url", mend))
            }
        }
    }
}

fn read_policy(
    private_allowed: bool,
    authorities: Option<&std::path::Path>,
) -> Result<Policy, ConfigError> {
    let policy = Policy { private_allowed, ..Policy::default() };
    let Some(path) = authorities else { return Ok(policy) };
    let fault = |why: String| {
        let mend = "name a file of certificates in PEM";
        ConfigError::file("token.issuer.jwks_ca_file", path, why, mend)
    };
    let bytes =
        std::fs::read(path).map_err(|error| fault(format!("it cannot be read ({error})")))?;
    let policy = Policy { roots_pem: Some(bytes), ..policy };
    // Creating the client checks the certificates.
    Client::new(policy.clone()).map_err(|error| fault(error.to_string()))?;
    Ok(policy)
}

fn read_secret(
    file: Option<PathBuf>,
    secret: Option<Secret<String>>,
    profile: Profile,
) -> Result<(Secret<Vec<u8>>, KeySource), ConfigError> {
    let key = "token.issuer.secret_file";
    match (file, secret) {
        (Some(path), None) => {
            let mut bytes = read_private(key, &path)?.expose().clone();
            for line_end in [b'\n', b'\r'] {
                if bytes.last() == Some(&line_end) {
                    bytes.pop();
                }
            }
            Ok((Secret::new(bytes), KeySource::SecretFile(path)))
        }
        (None, Some(_)) if profile == Profile::Strict => {
            let why = "child processes and crash dumps would contain it";
            let seen = "set in the environment";
            Err(ConfigError::refused("token.issuer.secret", seen, why, "write secret_file"))
        }
        (None, Some(text)) => {
            let bytes = text.expose().clone().into_bytes();
            Ok((Secret::new(bytes), KeySource::Environment))
        }
        (Some(_), Some(_)) => {
            let why = "secret is set as well, and one would be ignored";
            Err(ConfigError::refused(key, "set", why, "set one of them"))
        }
        (None, None) => Err(missing(
            key,
            "name a file with 32 random bytes or more that only this user can read",
        )),
    }
}

fn missing(key: &str, mend: &str) -> ConfigError {
    ConfigError::refused(key, "missing", "tokens of the issuer cannot be verified without it", mend)
}
