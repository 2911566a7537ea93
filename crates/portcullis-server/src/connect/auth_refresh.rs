//! The event `auth:refresh {token}`: a newer token extends an open connection.
//! Never: its handling; `renewal.rs` does that.

use portcullis_guard::{Event, Priority, Rate, Rule};
use portcullis_model::Secret;
use portcullis_model::limits::TOKEN_MAX_BYTES;
use serde::{Deserialize, Deserializer};

/// The payload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthRefresh {
    #[serde(deserialize_with = "secret")]
    pub(crate) token: Secret<String>,
}

fn secret<'de, D: Deserializer<'de>>(reader: D) -> Result<Secret<String>, D::Error> {
    portcullis_guard::field::text::<_, TOKEN_MAX_BYTES>(reader).map(Secret::new)
}

impl Event for AuthRefresh {
    const NAME: &'static str = "auth:refresh";
    const RULE: Rule = Rule {
        fields: &["token"],
        rate: Some(Rate::per(10, 60_000)),
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };
}

/// The namespace name under which the event is declared: it exists in every namespace.
pub(crate) const EVERY_NAMESPACE: &str = "";
