//! Cleans a text: normalises, bounds and checks it before a handler stores and shows it.
//! Never: text that is passed on unchecked.

use portcullis_model::Denial;
use unicode_normalization::UnicodeNormalization;

use crate::content::markup::active;
use crate::content::markup::formatting::{self, Links, Markup};
use crate::content::spam::filter::SpamFilter;
use crate::content::text::{self, Fault};

/// Longest message, in characters, after normalisation and with its markup; the cause of the
/// rejection names it.
const MESSAGE_MAX_CHARS: usize = 1000;

/// The action for markup that a page would run as a script.
///
/// Either way it is never part of `html`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Malicious {
    /// The message is accepted, and recorded.
    #[default]
    Record,
    /// The message is rejected.
    Refuse,
}

/// Findings in accepted texts that have to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Findings {
    /// Markup that would run as a script.
    pub malicious: bool,
    /// The spam rule that found something and only records it.
    pub spam: Option<&'static str>,
}

/// Cleans the text of one payload.
pub struct Cleaner<'a> {
    links: Links,
    markup: Markup,
    malicious: Malicious,
    spam: &'a SpamFilter,
    findings: Findings,
}

/// A message in its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanText {
    /// Plain text, never HTML, as it was written. In formatted text, tags are left out and
    /// references are decoded once.
    pub text: String,
    /// Safe formatting, when the message has any.
    pub html: Option<String>,
}

impl<'a> Cleaner<'a> {
    pub(crate) fn new(
        spam: &'a SpamFilter,
        links_allowed: bool,
        markup: Markup,
        malicious: Malicious,
    ) -> Self {
        let links = if links_allowed { Links::Kept } else { Links::Dropped };
        Self { links, markup, malicious, spam, findings: Findings::default() }
    }
}

impl Cleaner<'_> {
    /// A message: 1 to 1,000 characters, line breaks and safe formatting allowed, not spam.
    ///
    /// # Errors
    /// [`Denial::Schema`] naming the field, [`Denial::Malicious`] where markup that would run is
    /// rejected, or [`Denial::Spam`].
    pub fn message(&mut self, field: &'static str, raw: &str) -> Result<CleanText, Denial> {
        let wrong = |rule| Denial::Schema { field: Some(field), rule };
        let source = text::normalise(raw).map_err(wrong)?;
        match source.chars().count() {
            0 => return Err(wrong("empty")),
            1..=MESSAGE_MAX_CHARS => {}
            _ => return Err(wrong("text_long")),
        }
        if active::would_run(&source) {
            if self.malicious == Malicious::Refuse {
                return Err(Denial::Malicious);
            }
            self.findings.malicious = true;
        }
        let clean = read_markup(&source, self.links, self.markup).map_err(wrong)?;
        if text::looks_empty(&clean.text) {
            return Err(wrong("empty"));
        }
        let html = clean.html.as_deref().unwrap_or_default();
        let recorded = self.spam.check(&clean.text, formatting::targets(html))?;
        self.findings.spam = self.findings.spam.or(recorded);
        Ok(clean)
    }

    /// The findings in the texts accepted so far.
    #[must_use]
    pub fn findings(&self) -> Findings {
        self.findings
    }

    /// A name: one line of 1 to `max_chars` visible characters, unchanged or rejected.
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

/// Reads markup, and applies the rules of text to character references too.
///
/// Formatting is dropped when its references hold characters that the rules remove. Removing them
/// from HTML could join their neighbours, such as a `>` and a combining stroke.
fn read_markup(source: &str, links: Links, markup: Markup) -> Result<CleanText, Fault> {
    let marked = formatting::clean(source, links, markup)?;
    // Text without markup is the source, which follows the rules already.
    let text = if marked.text == source {
        marked.text
    } else {
        text::normalise(&marked.text)?.into_owned()
    };
    let html = marked.html.and_then(|html| {
        if text::normalise(&html).is_ok_and(|again| again == html) {
            return Some(html);
        }
        let composed = compose_between_tags(&html);
        let is_normal = text::normalise(&composed).is_ok_and(|again| again == composed);
        let reads_the_same = || {
            let again = formatting::clean(&composed, links, markup).ok()?;
            let read = text::normalise(&again.text).ok()?;
            Some(again.html.as_deref() == Some(composed.as_str()) && read == text)
        };
        (is_normal && reads_the_same() == Some(true)).then_some(composed)
    });
    Ok(CleanText { text, html })
}

/// Composes each text between tags by itself, so that no mark joins the `>` of a tag.
///
/// In the cleaned HTML, `<` and `>` occur only in tags.
fn compose_between_tags(html: &str) -> String {
    let mut composed = String::with_capacity(html.len());
    for part in html.split_inclusive('>') {
        let at = part.find('<').unwrap_or(part.len());
        let (text, tag) = part.split_at_checked(at).unwrap_or((part, ""));
        composed.extend(text.nfc());
        composed.push_str(tag);
    }
    composed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::spam::filter::SpamOptions;

    fn clean_as(markup: Markup, links: Links, raw: &str) -> Result<CleanText, Denial> {
        let spam = SpamFilter::build(SpamOptions::default()).unwrap();
        let malicious = Malicious::Record;
        let findings = Findings::default();
        let mut cleaner = Cleaner { links, markup, malicious, spam: &spam, findings };
        cleaner.message("message", raw)
    }

    /// Text and formatting, or the reason.
    type Expect<'a> = Result<(&'a str, Option<&'a str>), &'a str>;

    fn check(cases: &[(&str, Expect<'_>)]) {
        check_as(Markup::Escape, cases);
    }

    fn check_as(markup: Markup, cases: &[(&str, Expect<'_>)]) {
        for (raw, expect) in cases {
            let shown: String = raw.chars().take(40).collect();
            match (clean_as(markup, Links::Dropped, raw), expect) {
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
    fn t_116_bounds_are_exact_and_invisible_text_is_empty() {
        let thousand = "ab".repeat(500);
        let more = [&thousand, "c"].concat();
        let wide = "\u{1f600}\u{1f601}".repeat(500);
        let composed = "e\u{301}x".repeat(500);
        let composed_text = "\u{e9}x".repeat(500);
        check(&[
            ("", Err("empty")),
            ("a", Ok(("a", None))),
            (&thousand, Ok((&thousand, None))),
            (&more, Err("text_long")),
            (&wide, Ok((&wide, None))),
            (&composed, Ok((&composed_text, None))),
            ("   \n", Err("empty")),
            ("\u{200b}\u{feff}\u{2060}", Err("empty")),
            ("\u{202e}", Err("empty")),
            ("<b></b>", Err("empty")),
            ("<i> \u{2800} </i>", Err("empty")),
            ("&nbsp;&#8203;", Ok(("&nbsp;&#8203;", None))),
            ("<b>&nbsp;&#8203;</b>", Err("empty")),
            ("<b>", Ok(("<b>", None))),
            ("<title>", Ok(("<title>", None))),
            ("<script>alert(1)</script>", Ok(("<script>alert(1)</script>", None))),
        ]);
        check_as(
            Markup::Strip,
            &[
                ("<title>x</title>", Err("empty")),
                ("<script>alert(1)</script>", Err("empty")),
                ("a<br>b", Ok(("a\nb", None))),
            ],
        );
    }

    #[test]
    fn t_117_references_are_checked_like_text() {
        check(&[
            ("a\0b\u{b}c", Ok(("ab\nc", None))),
            ("\0", Err("empty")),
            ("a\u{ffff}b", Err("noncharacter")),
            ("<b>a</b>&#1;&#0;b", Ok(("a&#1;&#0;b", Some("<b>a</b>&amp;#1;&amp;#0;b")))),
            ("<b>a</b>&#x9b;31m", Ok(("a\u{203a}31m", Some("<b>a</b>\u{203a}31m")))),
            (
                "<b>a</b>&#127;&#xffff;",
                Ok(("a&#127;&#xffff;", Some("<b>a</b>&amp;#127;&amp;#xffff;"))),
            ),
            ("a&#x202e;b &#1; &nbsp;", Ok(("a&#x202e;b &#1; &nbsp;", None))),
            ("<b>a&#x202e;b</b>", Ok(("ab", None))),
            ("<b>e&#x301;</b>", Ok(("\u{e9}", Some("<b>\u{e9}</b>")))),
            // U+0338 after a `>` would compose with it, so the tag would not end.
            ("x<b>&#x338; onclick=alert(1) </b>", Ok(("x\u{338} onclick=alert(1) ", None))),
            ("<b>a</b>&#xd800;", Ok(("a&#xd800;", Some("<b>a</b>&amp;#xd800;")))),
            ("<b>a</b>&#13;&#10;b", Ok(("a\nb", Some("<b>a</b>\nb")))),
            ("<b>a</b>\u{a0}b", Ok(("a\u{a0}b", Some("<b>a</b>&nbsp;b")))),
        ]);
    }

    #[test]
    fn t_131_formatting_and_plain_text_are_two_forms_of_one_message() {
        check(&[
            ("<b>hi</b> a < b", Ok(("hi a < b", Some("<b>hi</b> a &lt; b")))),
            ("caf\u{65}\u{301} <i>x</i>", Ok(("caf\u{e9} x", Some("caf\u{e9} <i>x</i>")))),
            ("5 &lt; 6", Ok(("5 &lt; 6", None))),
            ("<b>5</b> &lt; 6", Ok(("5 < 6", Some("<b>5</b> &lt; 6")))),
        ]);
        check_as(Markup::Strip, &[("5 &lt; 6", Ok(("5 < 6", None)))]);
    }

    #[test]
    fn t_137_spam_is_searched_in_visible_text() {
        check(&[
            ("<b>bu</b>y now http://a", Err("phrase_with_link")),
            ("b&#117;y now <b>http://a</b>", Err("phrase_with_link")),
            ("<i>aaaaaa</i>aaaaa", Err("one_character")),
            ("b\0uy no\u{1b}[1mw http://a", Err("phrase_with_link")),
            ("http:<b></b>//http://x", Ok(("http:<b></b>//http://x", None))),
        ]);
        check_as(Markup::Strip, &[("bu<!-- x -->y&#32;now http://a", Err("phrase_with_link"))]);
        let link = "buy now: <a href=\"https://one.example/\">read</a>";
        let linked = clean_as(Markup::Escape, Links::Kept, link);
        assert_eq!(linked, Err(Denial::Spam("phrase_with_link")));
        let read = clean_as(Markup::Escape, Links::Kept, &link.replace("buy now", "see"));
        assert!(read.unwrap().html.is_some());
    }

    #[test]
    fn t_131_marks_written_as_references_compose_and_keep_formatting() {
        let two = "\u{1ec7}";
        check(&[
            ("<b>x</b> e&#769;", Ok(("x \u{e9}", Some("<b>x</b> \u{e9}")))),
            ("<b>x</b> e&#x301;", Ok(("x \u{e9}", Some("<b>x</b> \u{e9}")))),
            ("<b>x</b> a&#778;o&#776;", Ok(("x \u{e5}\u{f6}", Some("<b>x</b> \u{e5}\u{f6}")))),
            ("<b>x</b> &#101;&#769;", Ok(("x \u{e9}", Some("<b>x</b> \u{e9}")))),
            ("<b>x</b> &eacute;", Ok(("x \u{e9}", Some("<b>x</b> \u{e9}")))),
            (
                "<b>x</b> e&#770;&#803;",
                Ok((&["x ", two].concat(), Some(&["<b>x</b> ", two].concat()))),
            ),
            ("<b>x</b> &#4370;&#4449;&#4523;", Ok(("x \u{d55c}", Some("<b>x</b> \u{d55c}")))),
            ("<b>x</b> &#8491;", Ok(("x \u{c5}", Some("<b>x</b> \u{c5}")))),
            ("e&#769; <b>x</b> e&#769;", Ok(("\u{e9} x \u{e9}", Some("\u{e9} <b>x</b> \u{e9}")))),
            (
                "<b>e&#769;<i>a&#768;</i></b>",
                Ok(("\u{e9}\u{e0}", Some("<b>\u{e9}<i>\u{e0}</i></b>"))),
            ),
            ("<b>e</b>&#769;", Ok(("\u{e9}", Some("<b>e</b>\u{301}")))),
            // The stroke would join the `>` of the tag, so the formatting is dropped.
            ("<b>x</b>&#824; e&#769;", Ok(("x\u{338} \u{e9}", None))),
            ("<b>&#824;x</b> e&#769;", Ok(("\u{338}x \u{e9}", None))),
            // More marks than the rules allow, and characters that they remove.
            (
                "<b>x</b> q&#821;&#821;&#821;&#821;&#821;",
                Ok((&["x q", &"\u{335}".repeat(4)].concat(), None)),
            ),
            ("<b>x</b> e&#769;&#x202e;", Ok(("x \u{e9}", None))),
            // A reference to a look-alike of the backtick does not open a code span.
            ("<b>x</b> &#8175;<i>y</i>&#8175;", Ok(("x `y`", None))),
        ]);
    }

    #[test]
    fn malicious_markup_is_found_and_recorded_or_rejected() {
        let spam = SpamFilter::build(SpamOptions::default()).unwrap();
        let (links, markup) = (Links::Dropped, Markup::Escape);
        for malicious in [Malicious::Record, Malicious::Refuse] {
            let findings = Findings::default();
            let mut cleaner = Cleaner { links, markup, malicious, spam: &spam, findings };
            let title = cleaner.message("message", "put it into the <title> of the page");
            assert!(title.is_ok() && cleaner.findings() == Findings::default());
            let script = cleaner.message("message", "<img src=x onerror=alert(1)>");
            match malicious {
                Malicious::Record => assert!(script.is_ok() && cleaner.findings().malicious),
                Malicious::Refuse => assert_eq!(script, Err(Denial::Malicious)),
            }
        }
    }

    #[test]
    fn names_name_their_field() {
        let spam = SpamFilter::build(SpamOptions::default()).unwrap();
        let (links, markup, malicious) = (Links::Dropped, Markup::Escape, Malicious::Record);
        let findings = Findings::default();
        let mut cleaner = Cleaner { links, markup, malicious, spam: &spam, findings };
        assert_eq!(cleaner.name("name", "General", 64), Ok(String::from("General")));
        let refused = cleaner.name("name", "a<b", 64);
        assert_eq!(refused, Err(Denial::Schema { field: Some("name"), rule: "markup" }));
    }
}
