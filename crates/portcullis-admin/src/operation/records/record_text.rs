//! The words for the code and the rule of a record.
//! Never: a text of a client; only texts of the server.

use std::collections::BTreeMap;

use portcullis_model::{Code, rule_text};
use serde_json::{Value, json};

/// The words for all codes and rules of records: `{codes, rules}`, by their names.
pub(crate) fn record_texts<'a>(records: impl IntoIterator<Item = &'a Value>) -> Value {
    let (mut codes, mut rules) = (BTreeMap::new(), BTreeMap::new());
    for record in records {
        let name = |path: &str| record.pointer(path).and_then(Value::as_str);
        if let Some((name, words)) = name("/event/code").and_then(with_sentence) {
            codes.insert(String::from(name), words);
        }
        if let Some((name, words)) = name("/rule/name").and_then(with_text) {
            rules.insert(String::from(name), words);
        }
    }
    json!({ "codes": codes, "rules": rules })
}

fn with_sentence(name: &str) -> Option<(&str, &'static str)> {
    let code = Code::ALL.iter().find(|code| code.name() == name)?;
    Some((name, code.sentence()))
}

fn with_text(name: &str) -> Option<(&str, &'static str)> {
    Some((name, rule_text(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_and_rules_have_words() {
        let record =
            |code: &str, rule: &str| json!({ "event": { "code": code }, "rule": { "name": rule } });
        let records = [
            record("authz_fail", "access"),
            record("authz_fail", "access"),
            record("no_such_code", "no_such_rule"),
            json!({}),
        ];
        assert_eq!(
            record_texts(&records),
            json!({
                "codes": { "authz_fail": "A user requested an operation that is not allowed." },
                "rules": { "access": "operations that the user is not allowed to perform" },
            })
        );
    }
}
