//! Text in: normalised, bounded, cleaned, looked at; what a handler stores and shows.
//! Never: text passed on as it came.

use portcullis_model::Denial;

use crate::gate::Gate;
use crate::gate_options::GateOptions;
use crate::markup::{self, Links};
use crate::spam;
use crate::text::{self, Fault};

/// Longest message, in characters, after normalisation and with its markup.
const MESSAGE_MAX_CHARS: usize = 1000;

/// Cleans the text of one payload.
pub struct Cleaner<'a> {
    options: &'a GateOptions,
}

/// A message in its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanText {
    /// Plain text, never HTML: tags are gone, entities decoded once.
    pub text: String,
    /// Safe formatting, when the message has any.
    pub html: Option<String>,
}

impl Gate {
    /// A cleaner, for text that does not come in an event.
    #[must_use]
    pub fn cleaner(&self) -> Cleaner<'_> {
        Cleaner::new(&self.options)
    }
}

impl<'a> Cleaner<'a> {
    pub(crate) fn new(options: &'a GateOptions) -> Self {
        Self { options }
    }

    /// A message: 1 to 1,000 characters, line breaks and safe formatting allowed, not spam.
    ///
    /// # Errors
    /// [`Denial::Schema`] naming the field, or [`Denial::Spam`].
    pub fn message(&mut self, field: &'static str, raw: &str) -> Result<CleanText, Denial> {
        let wrong = |rule| Denial::Schema { field: Some(field), rule };
        let source = text::normalise(raw).map_err(wrong)?;
        match source.chars().count() {
            0 => return Err(wrong("empty")),
            1..=MESSAGE_MAX_CHARS => {}
            _ => return Err(wrong("long")),
        }
        let links = if self.options.links_allowed { Links::Kept } else { Links::Dropped };
        let clean = read_markup(&source, links).map_err(wrong)?;
        if text::looks_empty(&clean.text) {
            return Err(wrong("empty"));
        }
        let html = clean.html.as_deref().unwrap_or_default();
        spam::check(&clean.text, markup::targets(html))?;
        Ok(clean)
    }

    /// A name: one line of 1 to `max_chars` visible characters, taken as it is or refused.
    ///
    /// # Errors
    /// [`Denial::Schema`] naming the field.
    pub fn name(
        &mut self,
        field: &'static str,
        raw: &str,
        max_chars: usize,
    ) -> Result<String, Denial> {
        let wrong = |rule| Denial::Schema { field: Some(field), rule };
        text::check_name(raw, max_chars).map_err(wrong)
    }
}

/// Reads markup, and holds what was written as a character reference to the rules of text too.
///
/// Formatting whose references hide what the rules would take out is given up: taking it out of
/// HTML could join what stands beside it, such as a `>` and a combining stroke.
fn read_markup(source: &str, links: Links) -> Result<CleanText, Fault> {
    let marked = markup::clean(source, links)?;
    let text = text::normalise(&marked.text)?.into_owned();
    let unchanged = |html: &String| text::normalise(html).is_ok_and(|again| again == *html);
    Ok(CleanText { text, html: marked.html.filter(unchanged) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean_with(links_allowed: bool, raw: &str) -> Result<CleanText, Denial> {
        let options = GateOptions { links_allowed, ..GateOptions::default() };
        Cleaner::new(&options).message("message", raw)
    }

    /// Text and formatting, or the reason.
    type Expect<'a> = Result<(&'a str, Option<&'a str>), &'a str>;

    fn check(cases: &[(&str, Expect<'_>)]) {
        for (raw, expect) in cases {
            let shown: String = raw.chars().take(40).collect();
            match (clean_with(false, raw), expect) {
                (Ok(clean), Ok((text, html))) => {
                    assert_eq!((clean.text.as_str(), clean.html.as_deref()), (*text, *html));
                }
                (Err(denial), Err(reason)) => {
                    assert_eq!(denial.reason(), *reason, "{shown:?}");
                    let is_schema = matches!(denial, Denial::Schema { .. });
                    assert_eq!(denial.field(), is_schema.then_some("message"), "{shown:?}");
                }
                (outcome, _) => panic!("{shown:?}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn t_116_the_bounds_are_exact_and_emptiness_is_what_the_eye_sees() {
        let thousand = "ab".repeat(500);
        let more = [&thousand, "c"].concat();
        let wide = "\u{1f600}\u{1f601}".repeat(500);
        let composed = "e\u{301}x".repeat(500);
        let composed_text = "\u{e9}x".repeat(500);
        check(&[
            ("", Err("empty")),
            ("a", Ok(("a", None))),
            (&thousand, Ok((&thousand, None))),
            (&more, Err("long")),
            (&wide, Ok((&wide, None))),
            (&composed, Ok((&composed_text, None))),
            ("   \n", Err("empty")),
            ("\u{200b}\u{feff}\u{2060}", Err("empty")),
            ("\u{202e}", Err("empty")),
            ("<b></b>", Err("empty")),
            ("<i> \u{2800} </i>", Err("empty")),
            ("<script>alert(1)</script>", Err("empty")),
            ("&nbsp;&#8203;", Err("empty")),
        ]);
    }

    #[test]
    fn t_117_references_hide_nothing() {
        check(&[
            ("a\0b", Err("control")),
            ("a&#1;b", Err("control")),
            ("a&#x9b;31m", Ok(("a\u{203a}31m", None))),
            ("a&#127;b", Err("control")),
            ("a&#xffff;b", Err("noncharacter")),
            ("a&#x202e;b", Ok(("ab", None))),
            ("<b>a&#x202e;b</b>", Ok(("ab", None))),
            ("<b>e&#x301;</b>", Ok(("\u{e9}", None))),
            // U+0338 behind a `>` would compose with it, and no tag would end there any more.
            ("x<b>&#x338; onclick=alert(1) </b>", Ok(("x\u{338} onclick=alert(1) ", None))),
            ("&#xd800;", Ok(("\u{fffd}", None))),
            ("<b>a</b>&#13;&#10;b", Ok(("a\nb", Some("<b>a</b>\nb")))),
        ]);
    }

    #[test]
    fn t_131_formatting_and_plain_text_are_two_forms_of_one_message() {
        check(&[
            ("<b>hi</b> a < b", Ok(("hi a < b", Some("<b>hi</b> a &lt; b")))),
            ("caf\u{65}\u{301} <i>x</i>", Ok(("caf\u{e9} x", Some("caf\u{e9} <i>x</i>")))),
            ("5 &lt; 6", Ok(("5 < 6", None))),
        ]);
    }

    #[test]
    fn t_137_spam_is_looked_for_in_what_is_seen() {
        check(&[
            ("<b>bu</b>y now", Err("phrase")),
            ("bu<!-- x -->y&#32;now", Err("phrase")),
            ("b&#117;y now", Err("phrase")),
            ("<i>aaaaaa</i>aaaaa", Err("run")),
            ("https://a.example https://b.example <b>https://c.example</b>", Err("links")),
        ]);
        let link = |host: &str| format!("<a href=\"https://{host}/\">read</a>");
        let three = ["one", "two", "three"].map(|name| link(&format!("{name}.example"))).join(" ");
        assert!(clean_with(true, &link("one.example")).unwrap().html.is_some());
        assert_eq!(clean_with(true, &three), Err(Denial::Spam("links")));
        assert!(clean_with(false, &three).is_ok(), "links that are dropped point nowhere");
    }

    #[test]
    fn names_name_their_field() {
        let options = GateOptions::default();
        let mut cleaner = Cleaner::new(&options);
        assert_eq!(cleaner.name("name", "General", 64), Ok(String::from("General")));
        let refused = cleaner.name("name", "a<b", 64);
        assert_eq!(refused, Err(Denial::Schema { field: Some("name"), rule: "markup" }));
    }
}
