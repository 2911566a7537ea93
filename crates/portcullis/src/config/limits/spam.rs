//! `[spam]`: the rules for spam, and the action on spam (T-135 to T-139).
//! Never: the removal of an unknown phrase.

use portcullis_guard::{GateOptions, SpamAction, SpamOptions, SpamRule};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[spam]`. Each rule is `"refuse"`, `"record"` or `"off"`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SpamSection {
    /// The action on a link that starts inside another one.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    link_in_link: Option<String>,
    /// The action on a message of one repeated character.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    one_character: Option<String>,
    /// The action on a message of one repeated link.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    one_link: Option<String>,
    /// The action on a phrase of advertising together with a link.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    phrase_with_link: Option<String>,
    /// The action on three or more phrases of advertising and nothing else.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    only_phrases: Option<String>,
    /// The action on more than two links together with a long run of signs.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    shouting_with_links: Option<String>,
    /// The action on a phrase of advertising, with or without a link.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    phrase: Option<String>,
    /// The action on more than two links or hosts.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    many_links: Option<String>,
    /// The action on a character that is repeated more than ten times.
    #[schemars(extend("enum" = ["refuse", "record", "off"]))]
    long_run: Option<String>,
    /// Phrases of advertising in addition to the built-in ones.
    #[schemars(extend("examples" = [["free followers"]]))]
    phrases_add: Vec<String>,
    /// Built-in phrases that are not advertising for you, in lower case, as in docs/content.md.
    #[schemars(extend("examples" = [["buy now"]]))]
    phrases_remove: Vec<String>,
}

impl SpamSection {
    pub(crate) fn read(&self, gate: GateOptions) -> Result<GateOptions, ConfigError> {
        let mut options = SpamOptions::default();
        for rule in SpamRule::ALL {
            if let Some(word) = self.action(rule) {
                options.set(rule, read_action(rule, word)?);
            }
        }
        for phrase in &self.phrases_remove {
            let before = options.phrases.len();
            options.phrases.retain(|known| known != phrase);
            if options.phrases.len() == before {
                let why = "the server has no such phrase";
                let mend = "write it as in docs/content.md, in lower case";
                let key = "spam.phrases_remove";
                return Err(ConfigError::refused(key, format!("{phrase:?}"), why, mend));
            }
        }
        let new = self.phrases_add.iter().filter(|phrase| !options.phrases.contains(phrase));
        let new: Vec<_> = new.cloned().collect();
        options.phrases.extend(new);
        Ok(GateOptions { spam: options, ..gate })
    }

    fn action(&self, rule: SpamRule) -> Option<&str> {
        let word = match rule {
            SpamRule::LinkInLink => &self.link_in_link,
            SpamRule::OneCharacter => &self.one_character,
            SpamRule::OneLink => &self.one_link,
            SpamRule::PhraseWithLink => &self.phrase_with_link,
            SpamRule::OnlyPhrases => &self.only_phrases,
            SpamRule::ShoutingWithLinks => &self.shouting_with_links,
            SpamRule::Phrase => &self.phrase,
            SpamRule::ManyLinks => &self.many_links,
            SpamRule::LongRun => &self.long_run,
        };
        word.as_deref()
    }
}

fn read_action(rule: SpamRule, word: &str) -> Result<SpamAction, ConfigError> {
    let known = SpamAction::ALL.into_iter().find(|action| action.name() == word);
    let key = format!("spam.{}", rule.name());
    let mend = "write \"refuse\", \"record\" or \"off\"";
    known.ok_or_else(|| ConfigError::no_such_choice(&key, word, mend))
}
