//! `[[token.issuer]]`: which of an issuer's tokens are accepted, and which show a second factor.
//! Never: a rule that is silently put right.

use portcullis_guard::{FactorRule, IssuerRules, SecondFactorRule, TokenKind};
use toml::{Table, Value};

use crate::config::identity::token::{IssuerFacts, IssuerSection};
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::settings::Settings;
use crate::config::warning::Warning;

/// Which tokens an issuer's are, by the words of the configuration.
pub(crate) const KINDS: [(&str, TokenKind); 2] =
    [("access-token", TokenKind::Access), ("id-token", TokenKind::Id)];

impl IssuerSection {
    /// What tokens of the issuer have to be beside genuine.
    pub(crate) fn rules(&self) -> Result<IssuerRules, ConfigError> {
        let kind = match self.accept.as_deref() {
            None => TokenKind::default(),
            Some(word) => {
                let found = KINDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
                let mend = "write \"access-token\" or \"id-token\"";
                found.ok_or_else(|| ConfigError::no_such_choice(ACCEPT, word, mend))?
            }
        };
        for (key, path, values) in [
            ("token.issuer.amr_claim", &self.amr_claim, &self.privileged_amr),
            ("token.issuer.acr_claim", &self.acr_claim, &self.privileged_acr),
        ] {
            if path.is_some() && values.is_empty() {
                let why = "no value of it is named that shows a second factor";
                let mend = "set privileged_amr or privileged_acr beside it";
                return Err(ConfigError::refused(key, "set", why, mend));
            }
        }
        let usual = FactorRule::default();
        let rules = IssuerRules {
            kind,
            scope: self.scope.clone(),
            typ: self.typ.clone(),
            factors: FactorRule {
                amr: self.privileged_amr.clone(),
                amr_claim: self.amr_claim.clone().unwrap_or(usual.amr_claim),
                acr: self.privileged_acr.clone(),
                acr_claim: self.acr_claim.clone().unwrap_or(usual.acr_claim),
            },
        };
        let checked = rules.check();
        checked.map(|()| rules).map_err(|fault| {
            let key = format!("token.issuer.{}", fault.key);
            ConfigError::refused(key, fault.seen, fault.why, fault.mend)
        })
    }
}

const ACCEPT: &str = "token.issuer.accept";

impl IssuerFacts {
    /// The rules in force, as the configuration writes them.
    pub(crate) fn rules_in_force(&self) -> Table {
        let IssuerRules { kind, scope, typ, factors } = &self.rules;
        let kind = KINDS.iter().find(|(_, known)| known == kind).map_or("", |(name, _)| name);
        let mut table = Table::new();
        let mut set = |key: &str, value: Value| table.insert(String::from(key), value);
        set("accept", kind.into());
        set("scope", scope.clone().into());
        if let Some(typ) = typ {
            set("typ", typ.clone().into());
        }
        for (key, values, claim, path) in [
            ("privileged_amr", &factors.amr, "amr_claim", &factors.amr_claim),
            ("privileged_acr", &factors.acr, "acr_claim", &factors.acr_claim),
        ] {
            set(key, values.clone().into());
            if !values.is_empty() {
                set(claim, path.clone().into());
            }
        }
        table
    }
}

/// Refuses issuers whose users could never come in, where everybody needs a second factor.
pub(crate) fn check_factors(
    issuers: &[IssuerFacts],
    rule: SecondFactorRule,
) -> Result<(), ConfigError> {
    let lacks = |facts: &&IssuerFacts| !facts.rules.factors.is_set();
    match issuers.iter().find(lacks) {
        Some(facts) if rule == SecondFactorRule::All => {
            let why = "users of this issuer could not connect: nothing says which of its tokens \
                       show a second factor";
            let mend = "set privileged_amr or privileged_acr of the issuer";
            let seen = format!("missing for {:?}", facts.issuer);
            Err(ConfigError::refused("token.issuer.privileged_amr", seen, why, mend))
        }
        Some(_) | None => Ok(()),
    }
}

impl Settings {
    /// Issuers that give roles which have no effect, and weak signatures.
    pub(crate) fn issuer_warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for facts in &self.issuers {
            let gives_roles = facts.roles_claim.is_some();
            let withheld = self.accounts.second_factor != SecondFactorRule::None;
            if gives_roles && withheld && !facts.rules.factors.is_set() {
                let text = format!(
                    "not set for {:?}: roles that keep order, such as admin and moderator, have no \
                     effect for its users; name the values of amr or acr (privileged_acr) that \
                     show a second factor",
                    facts.issuer
                );
                warnings.push(Warning::new("token.issuer.privileged_amr", text));
            }
            if facts.rules.kind == TokenKind::Id && self.profile != Profile::Development {
                let text = format!(
                    "\"id-token\" for {:?}: an id-token is meant for the client, so it is in more \
                     places than an access token; prefer access tokens where the issuer has them",
                    facts.issuer
                );
                warnings.push(Warning::new(ACCEPT, text));
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<IssuerRules, String> {
        let section: IssuerSection = toml::from_str(text).unwrap();
        section.rules().map_err(|error| error.to_string())
    }

    #[test]
    fn rules_of_an_issuer_are_read_with_their_defaults() {
        assert_eq!(rules(""), Ok(IssuerRules::default()));
        let all = "accept = \"id-token\"\nscope = [\"chat\", \"https://a.example/write\"]\n\
                   typ = \"application/at+jwt\"\nprivileged_amr = [\"mfa\", \"hwk\"]\n\
                   amr_claim = [\"https://chat.example/amr\"]\nprivileged_acr = [\"aal2\"]\n\
                   acr_claim = [\"aal\"]";
        let read = rules(all).unwrap();
        assert_eq!((read.kind, read.scope.len()), (TokenKind::Id, 2));
        assert_eq!(read.factors.amr, ["mfa", "hwk"]);
        assert_eq!(read.factors.amr_claim, ["https://chat.example/amr"]);
        assert_eq!(
            (read.factors.acr, read.factors.acr_claim[0].as_str()),
            (vec!["aal2".into()], "aal")
        );
    }

    #[test]
    fn rules_that_cannot_hold_are_rejected_with_their_key() {
        let cases = [
            ("accept = \"any\"", "token.issuer.accept"),
            ("scope = [\"a b\"]", "token.issuer.scope"),
            ("scope = [\"\"]", "token.issuer.scope"),
            ("scope = [\"a\\\"b\"]", "token.issuer.scope"),
            ("typ = \"\"", "token.issuer.typ"),
            ("typ = \"id+jwt\"", "token.issuer.typ"),
            ("typ = \"application/logout+jwt\"", "token.issuer.typ"),
            ("typ = \"at jwt\"", "token.issuer.typ"),
            ("privileged_amr = [\"pwd\"]", "token.issuer.privileged_amr"),
            ("privileged_amr = [\"mfa\", \"password\"]", "token.issuer.privileged_amr"),
            ("privileged_amr = [\"\"]", "token.issuer.privileged_amr"),
            ("privileged_amr = [\"PWD\"]", "token.issuer.privileged_amr"),
            ("privileged_acr = [\"0\"]", "token.issuer.privileged_acr"),
            ("privileged_acr = [\"2\", \"1\"]", "token.issuer.privileged_acr"),
            ("privileged_acr = [\"AAL1\"]", "token.issuer.privileged_acr"),
            ("privileged_acr = [\"urn:okta:loa:1fa:any\"]", "token.issuer.privileged_acr"),
            ("privileged_acr = [\"aal1\"]", "token.issuer.privileged_acr"),
            ("amr_claim = [\"amr\"]", "token.issuer.amr_claim"),
            ("privileged_acr = [\"2\"]\nacr_claim = []", "token.issuer.acr_claim"),
            ("privileged_amr = [\"mfa\"]\namr_claim = [\"\"]", "token.issuer.amr_claim"),
        ];
        for (text, key) in cases {
            let error = rules(text).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
