//! Spam rules: the links, repeats and phrases, and their combinations, that reject a text.
//! Never: a decision about the author, or about ordinary text.

use std::borrow::Cow;

use portcullis_model::Denial;
use unicode_normalization::UnicodeNormalization;

use crate::content::spam::links::{self, Links};
use crate::content::spam::parts::{outside_links, outside_questions};
use crate::content::spam::phrases::{PHRASES, Phrases};
use crate::content::spam::repeated_characters;
use crate::content::text::is_invisible;

/// Links of one message that [`SpamRule::ManyLinks`] and [`SpamRule::ShoutingWithLinks`] accept.
const LINKS_MAX: usize = 2;
/// Different hosts that [`SpamRule::ManyLinks`] accepts.
const HOSTS_MAX: usize = 2;

/// A rule; messages that it matches are rejected, recorded or ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpamRule {
    /// A link directly after the scheme of another one: `http://http://x`.
    LinkInLink,
    /// A text that repeats one character.
    OneCharacter,
    /// A text that is one link, three times or more.
    OneLink,
    /// One of the phrases outside of links, and a link; a common phrase needs another one.
    PhraseWithLink,
    /// Three phrases or more, and nothing else.
    OnlyPhrases,
    /// More than two links, and a long run of `!`, `?`, currency signs or pictures.
    ShoutingWithLinks,
    /// One of the phrases.
    Phrase,
    /// More than two links or hosts.
    ManyLinks,
    /// Any character more than ten times in a row.
    LongRun,
}

impl SpamRule {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 9] = [
        Self::LinkInLink,
        Self::OneCharacter,
        Self::OneLink,
        Self::PhraseWithLink,
        Self::OnlyPhrases,
        Self::ShoutingWithLinks,
        Self::Phrase,
        Self::ManyLinks,
        Self::LongRun,
    ];

    /// The name in the configuration, in answers and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LinkInLink => "link_in_link",
            Self::OneCharacter => "one_character",
            Self::OneLink => "one_link",
            Self::PhraseWithLink => "phrase_with_link",
            Self::OnlyPhrases => "only_phrases",
            Self::ShoutingWithLinks => "shouting_with_links",
            Self::Phrase => "phrase",
            Self::ManyLinks => "many_links",
            Self::LongRun => "long_run",
        }
    }

    /// The default action; the last three rules also match ordinary text.
    fn usual(self) -> SpamAction {
        match self {
            Self::LinkInLink
            | Self::OneCharacter
            | Self::OneLink
            | Self::PhraseWithLink
            | Self::OnlyPhrases
            | Self::ShoutingWithLinks => SpamAction::Refuse,
            Self::Phrase | Self::ManyLinks | Self::LongRun => SpamAction::Off,
        }
    }
}

/// The action for a text that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpamAction {
    /// It is rejected, with the name of the rule.
    Refuse,
    /// It is accepted, and recorded.
    Record,
    /// The rule is not asked.
    Off,
}

impl SpamAction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Record, Self::Off];

    /// The word in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Record => "record",
            Self::Off => "off",
        }
    }
}

/// The actions of the rules, and the phrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpamOptions {
    actions: [SpamAction; SpamRule::ALL.len()],
    /// The phrases that rules search for; 1,000 at most, each of 4 to 128 letters.
    pub phrases: Vec<String>,
}

impl Default for SpamOptions {
    fn default() -> Self {
        let phrases = PHRASES.into_iter().map(String::from).collect();
        Self { actions: SpamRule::ALL.map(SpamRule::usual), phrases }
    }
}

impl SpamOptions {
    /// The action of a rule.
    #[must_use]
    pub fn action(&self, rule: SpamRule) -> SpamAction {
        let actions = SpamRule::ALL.into_iter().zip(self.actions);
        let mut actions = actions.filter(|(known, _)| *known == rule);
        actions.next().map_or(SpamAction::Refuse, |(_, action)| action)
    }

    /// Sets the action of a rule.
    pub fn set(&mut self, rule: SpamRule, action: SpamAction) {
        for (known, place) in SpamRule::ALL.into_iter().zip(&mut self.actions) {
            if known == rule {
                *place = action;
            }
        }
    }
}

/// The rules, ready to be asked.
#[derive(Debug)]
pub(crate) struct SpamFilter {
    options: SpamOptions,
    phrases: Phrases,
}

impl SpamFilter {
    /// Reads the phrases; an error is the phrase and its fault.
    pub(crate) fn build(options: SpamOptions) -> Result<Self, (String, &'static str)> {
        let phrases = Phrases::build(&options.phrases)?;
        Ok(Self { options, phrases })
    }

    /// Applies every rule; returns the first match of a rule that only records.
    ///
    /// `targets` are links that the text does not show. Linear time; a text without links costs
    /// one pass and no memory.
    pub(crate) fn check<'a>(
        &self,
        text: &str,
        targets: impl Iterator<Item = &'a str>,
    ) -> Result<Option<&'static str>, Denial> {
        let targets: Vec<&str> = targets.collect();
        let readable = links::may_point_anywhere(text).then(|| readable(text));
        let mut links = readable.as_deref().map(Links::of).unwrap_or_default();
        // The text of a link often is its target, so the larger number counts.
        links.links = links.links.max(targets.len());
        let shown = readable.as_deref().unwrap_or_default();
        let mut recorded = None;
        for rule in SpamRule::ALL {
            let action = self.options.action(rule);
            if action == SpamAction::Off || !self.finds(rule, text, shown, &links) {
                continue;
            }
            if action == SpamAction::Refuse {
                return Err(Denial::Spam(rule.name()));
            }
            recorded = recorded.or(Some(rule.name()));
        }
        Ok(recorded)
    }

    fn finds(&self, rule: SpamRule, text: &str, readable: &str, links: &Links<'_>) -> bool {
        let points = links.links > 0 || links.hosts() > 0;
        match rule {
            SpamRule::LinkInLink => links.nested,
            SpamRule::OneCharacter => repeated_characters::is_one_character(text),
            SpamRule::OneLink => links.links > LINKS_MAX && links::is_one_link(readable),
            SpamRule::PhraseWithLink => points && self.offers(text),
            SpamRule::OnlyPhrases => self.phrases.are_all(text),
            SpamRule::ShoutingWithLinks => {
                links.links > LINKS_MAX && repeated_characters::shouts(text)
            }
            SpamRule::Phrase => self.phrases.are_in(text) && (!points || self.says(text)),
            SpamRule::ManyLinks => links.links > LINKS_MAX || links.hosts() > HOSTS_MAX,
            SpamRule::LongRun => repeated_characters::has_run(text),
        }
    }

    /// Whether a text with a link holds a phrase outside of links.
    fn says(&self, text: &str) -> bool {
        let find = |part: &str| self.phrases.are_in(part);
        outside_links(text).iter().any(|part| part.holds(find))
    }

    /// Whether a text with a link offers something: a phrase that needs no other one, outside of
    /// links and of questions.
    fn offers(&self, text: &str) -> bool {
        let find = |part: &str| {
            outside_questions(part).into_iter().any(|statement| self.phrases.offer(statement))
        };
        // Most texts with a link hold no phrase at all.
        self.phrases.offer(text) && outside_links(text).iter().any(|part| part.holds(find))
    }
}

/// The text in compatibility form and lower case, without invisible characters.
fn readable(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let seen = text.nfkc().filter(|character| !is_invisible(*character));
    Cow::Owned(seen.flat_map(char::to_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(options: &SpamOptions, text: &str) -> &'static str {
        let filter = SpamFilter::build(options.clone()).unwrap();
        match filter.check(text, std::iter::empty()) {
            Ok(None) => "ham",
            Ok(Some(rule)) => rule,
            Err(denial) => denial.reason(),
        }
    }

    fn check_all(options: &SpamOptions, expect: &str, texts: &[&str]) {
        for text in texts {
            assert_eq!(verdict(options, text), expect, "{text:?}");
        }
    }

    #[test]
    fn t_135_to_t_137_combinations_reject() {
        let options = SpamOptions::default();
        let coins =
            "\u{1f4b0}".repeat(11) + " https://a.example https://b.example http://c.example";
        check_all(&options, "link_in_link", &["http://http://x", "see HTTPS://http://a.example"]);
        check_all(
            &options,
            "one_character",
            &["aaaaaaaaaaa", "-----------", "a a a a a a a a a a a"],
        );
        check_all(&options, "one_link", &["https://a.example https://a.example https://a.example"]);
        check_all(&options, "shouting_with_links", &[&coins]);
        check_all(
            &options,
            "phrase_with_link",
            &[
                "buy now https://a.example",
                "https://a.example/ buy now",
                "free money at www.a.example",
                "buy now: evil.icu",
                "free money at evil.sbs/x",
                "buy now 192.0.2.1/x",
                "click here to get free money https://a.example",
                "https://a.example/click-here buy now",
                "Should I wait? Buy now: https://a.example",
                "https://a.example/#buy now",
                "free money.com",
                "\u{299}\u{1d1c}\u{28f} \u{274}\u{1d0f}\u{1d21} https://a.example",
                "\u{24d1}\u{24e4}\u{24e8} \u{24dd}\u{24de}\u{24e6} https://a.example",
                "\u{1f171}\u{1f184}\u{1f188} \u{1f17d}\u{1f17e}\u{1f186} https://a.example",
                "FREE M0NEY: a.com",
                "b u y  n o w \u{ff48}ttp://a.example",
                "bu\u{443} now HTTP\u{200b}://A.EXAMPLE",
            ],
        );
    }

    #[test]
    fn t_139_ordinary_text_passes() {
        check_all(
            &SpamOptions::default(),
            "ham",
            &[
                "nooooooooooooo, really?",
                "1000000000000 bytes is a terabyte",
                "| a | b |\n|--------------|---|\n| 1 | 2 |",
                "=========== log ===========",
                "commit 0000000000000000000000000000000000000000",
                &"\u{1f389}".repeat(12),
                "should I buy now, or wait for the sale?",
                "do not write \"click here\" as the text of a link",
                "sources: https://a.example/1 https://b.example/2 https://c.example/3",
                "did you buy? Now I am curious: https://a.example",
                "a.com b.com c.net d.org",
                "10.0.0.1 and 10.0.0.2 answer on :8080",
                "https://en.wiki.example/wiki/Get-rich-quick_scheme",
                "Look: https://www.nn.example/articles/click-here/",
                "https://shop.example/checkout?action=buy-now",
                "https://blog.example/how-to-make-money-online-2024",
                "Click here to join the meeting\nhttps://teams.example/l/meetup-join/19%3ameeting",
                "If it does not work, click here: https://docs.example/faq",
                "Should I buy now or wait for next week? https://flights.example/LIS",
                "How do I claim your prize money on https://lotto.example ?",
                "\"click here\" in index.com and in main.cc",
                "the buy now handler is in main.cc, see button.click()",
            ],
        );
    }

    #[test]
    fn spam_rule_can_reject_record_or_be_off() {
        let examples = [
            (SpamRule::LinkInLink, "http://http://x"),
            (SpamRule::OneCharacter, "xxxxxxxxxxx"),
            (SpamRule::OneLink, "http://a http://a http://a"),
            (SpamRule::PhraseWithLink, "buy now http://a"),
            (SpamRule::OnlyPhrases, "buy now click here free money"),
            (SpamRule::ShoutingWithLinks, "!!!!!!!!!!! http://a http://b http://c"),
            (SpamRule::Phrase, "buy now"),
            (SpamRule::ManyLinks, "http://a http://b http://c"),
            (SpamRule::LongRun, "nooooooooooo"),
        ];
        for (rule, text) in examples {
            let mut options = SpamOptions::default();
            SpamRule::ALL.into_iter().for_each(|other| options.set(other, SpamAction::Off));
            assert_eq!(verdict(&options, text), "ham", "{rule:?}");
            for action in [SpamAction::Record, SpamAction::Refuse] {
                options.set(rule, action);
                assert_eq!(options.action(rule), action);
                assert_eq!(verdict(&options, text), rule.name());
                let filter = SpamFilter::build(options.clone()).unwrap();
                let refused = filter.check(text, std::iter::empty()).is_err();
                assert_eq!(refused, action == SpamAction::Refuse, "{rule:?}");
            }
        }
    }

    #[test]
    fn phrases_can_be_added_and_removed() {
        let mut options = SpamOptions::default();
        options.phrases.retain(|phrase| phrase != "buy now");
        options.phrases.push(String::from("kaufe jetzt"));
        assert_eq!(verdict(&options, "buy now http://a"), "ham");
        assert_eq!(verdict(&options, "KAUFE-JETZT http://a"), "phrase_with_link");
    }

    #[test]
    fn targets_of_links_count_as_links() {
        let filter = SpamFilter::build(SpamOptions::default()).unwrap();
        let check = |text: &str, targets: &[&str]| filter.check(text, targets.iter().copied());
        assert_eq!(check("buy now", &["https://a.example"]), Err(Denial::Spam("phrase_with_link")));
        assert_eq!(check("read", &["https://a.example"]), Ok(None));
    }
}
