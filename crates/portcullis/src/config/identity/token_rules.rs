//! `[[token.issuer]]`: which tokens of an issuer are accepted, and which prove a second factor.
//! Never: a silent correction of a rule.

use portcullis_guard::{FactorRule, IssuerRules, SecondFactorRule, TokenKind};
use toml::{Table, Value};

use crate::config::identity::token::{IssuerFacts, IssuerSection};
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::warning::Warning;

/// The words for the kinds of tokens.
pub(crate) const KINDS: [(&str, TokenKind); 2] =
    [("access-token", TokenKind::Access), ("id-token", TokenKind::Id)];

impl IssuerSection {
    /// The rules for tokens of the issuer, beside the signature.
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
                let why = "no value is listed that proves a second factor";
                let mend = "set privileged_amr or privileged_acr too";
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

/// Rejects issuers whose users could never connect, because all users need a second factor.
pub(crate) fn check_factors(
    issuers: &[IssuerFacts],
    rule: SecondFactorRule,
) -> Result<(), ConfigError> {
    let lacks = |facts: &&IssuerFacts| !facts.rules.factors.is_set();
    match issuers.iter().find(lacks) {
        Some(facts) if rule == SecondFactorRule::All => {
            let why = "users of this issuer could not connect: no rule tells which of its tokens \
                       prove a second factor";
            let mend = "set privileged_amr or privileged_acr of the issuer";
            let seen = format!("missing for {:?}", facts.issuer);
            Err(ConfigError::refused("token.issuer.privileged_amr", seen, why, mend))
        }
        Some(_) | None => Ok(()),
    }
}

/// Warnings about issuers whose roles have no effect, and about id-tokens.
pub(crate) fn issuer_warnings(
    issuers: &[IssuerFacts],
    rule: SecondFactorRule,
    profile: Profile,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for facts in issuers {
        let gives_roles = facts.roles_claim.is_some();
        let withheld = rule != SecondFactorRule::None;
        if gives_roles && withheld && !facts.rules.factors.is_set() {
            let text = format!(
                "not set for {:?}: privileged roles, such as admin and moderator, have no effect \
                     for its users; list the values of amr, or of acr in privileged_acr, that \
                     prove a second factor",
                facts.issuer
            );
            warnings.push(Warning::new("token.issuer.privileged_amr", text));
        }
        if facts.rules.kind == TokenKind::Id && profile != Profile::Development {
            let text = format!(
                "\"id-token\" for {:?}: an id-token is meant for the client, so it is stored in \
                     more places than an access token; use access tokens if the issuer has them",
                facts.issuer
            );
            warnings.push(Warning::new(ACCEPT, text));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<IssuerRules, String> {
        let section: IssuerSection = toml::from_str(text).unwrap();
        section.rules().map_err(|error| error.to_string())
    }

    #[test]
    fn issuer_rules_are_read_with_their_defaults() {
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
    fn invalid_issuer_rule_is_rejected_with_its_key() {
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
