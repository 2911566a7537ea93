//! The words for the series of a time line: what a limit or rule rejects, what a signal measures.
//! Never: a series that the server does not measure.

use std::collections::BTreeMap;

use portcullis_guard::LoadSignal;
use portcullis_model::rule_text;

/// The words for series, by their names. A series without words of its own is left out.
pub(crate) fn series_texts(
    names: impl IntoIterator<Item = String>,
) -> BTreeMap<String, &'static str> {
    let texts = names.into_iter().filter_map(|name| {
        let text = series_text(&name)?;
        Some((name, text))
    });
    texts.collect()
}

fn series_text(name: &str) -> Option<&'static str> {
    match name.split_once('.') {
        None => match name {
            "connections" => Some("open connections"),
            "messages" => Some("messages of clients"),
            "rejected" => Some("all rejected requests"),
            _ => None,
        },
        Some(("rejected", "other")) => Some("all others"),
        Some(("rejected", rule)) => rule_text(rule),
        Some(("load", signal)) => LoadSignal::named(signal).map(LoadSignal::text),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_has_the_words_of_its_rule_or_signal() {
        for (name, expect) in [
            ("rejected.connect_per_prefix", Some("too many connection attempts from one network")),
            ("rejected.other", Some("all others")),
            ("rejected", Some("all rejected requests")),
            ("connections", Some("open connections")),
            ("load.lag", Some("delay of timers")),
            ("rejected.no_such_rule", None),
            ("load.no_such_signal", None),
            ("else", None),
        ] {
            assert_eq!(series_text(name), expect, "{name}");
        }
        let texts = series_texts(["load.lag", "else"].map(String::from));
        assert_eq!(texts, BTreeMap::from([(String::from("load.lag"), "delay of timers")]));
    }
}
