//! Finds formatting in ordinary text: its tags are kept, everything else is text as it was written.
//! Never: text that is left out, or a safety decision; the sanitiser that follows reads the result.
//!
//! A tag is formatting when it has its counterpart and there is something between them to format,
//! or when it opens a word and is never closed. So `the <b> tag`, `<b></b>`, `Vec<i>` and `</code>`
//! are text, and so is every tag between backticks.

use crate::content::markup::attributes::{Attributes, tag_name};
use crate::content::markup::code::code_spans;
use crate::content::markup::formatting::Links;
use crate::content::markup::tags::{DEPTH_MAX, FORMATTING, TAGS_MAX, is_reference};
use crate::content::text::{self, Fault};

/// A text whose only tags are formatting.
#[derive(Debug)]
pub(crate) struct FormattedText {
    /// HTML: balanced tags without attributes but `href`, references, and escaped text.
    pub(crate) html: String,
    /// Whether there is any formatting; where there is none, the text reads as it is written.
    pub(crate) has_formatting: bool,
}

const LINK: &str = "a";

/// The effect of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Opens,
    Closes,
}

/// A tag that is formatting if it fits.
#[derive(Debug)]
struct Tag<'a> {
    start: usize,
    end: usize,
    name: &'static str,
    side: Side,
    /// Of a link; empty for others.
    href: &'a str,
    /// The tag it belongs to, by its place in the list.
    partner: Option<usize>,
    kept: bool,
}

/// Keeps the formatting of a text and escapes the rest. Linear time, 256 tags at most.
pub(crate) fn prepare(source: &str, links: Links) -> Result<FormattedText, Fault> {
    let mut tags = find_tags(source, links)?;
    pair(&mut tags);
    judge(source, &mut tags);
    let mut writer = Writer::new(source);
    for tag in tags.iter().filter(|tag| tag.kept) {
        writer.tag(tag)?;
    }
    Ok(writer.finish())
}

fn find_tags(source: &str, links: Links) -> Result<Vec<Tag<'_>>, Fault> {
    let mut tags = Vec::new();
    let mut next = 0;
    let mut spans = code_spans(source).into_iter().peekable();
    for at in memchr::memchr_iter(b'<', source.as_bytes()) {
        while spans.peek().is_some_and(|(_, end)| *end <= at) {
            spans.next();
        }
        let is_code = spans.peek().is_some_and(|(start, _)| *start < at);
        if at < next || is_code {
            continue;
        }
        if let Some(tag) = read_tag(source, at, links) {
            next = tag.end;
            tags.push(tag);
            if tags.len() > TAGS_MAX {
                return Err("markup_size");
            }
        }
    }
    Ok(tags)
}

/// Reads the tag at a `<`; `None` when it is not a formatting tag.
fn read_tag(source: &str, start: usize, links: Links) -> Option<Tag<'_>> {
    let behind = source.get(start + 1..)?;
    let (side, named) = match behind.strip_prefix('/') {
        Some(named) => (Side::Closes, named),
        None => (Side::Opens, behind),
    };
    let written = tag_name(named)?;
    let link = (links == Links::Kept).then_some(LINK);
    let mut names = FORMATTING.into_iter().chain(link);
    let name = names.find(|name| name.eq_ignore_ascii_case(written))?;
    let mut attributes = Attributes::new(source, source.len() - named.len() + written.len());
    let mut href = None;
    let mut has_value = false;
    let mut count = 0;
    for attribute in attributes.by_ref() {
        count += 1;
        // `a<b && c=d>e` is a comparison, and a tag has few attributes.
        if side == Side::Closes || count > ATTRIBUTES_MAX || !is_attribute_name(attribute.name) {
            return None;
        }
        has_value |= attribute.has_value;
        if href.is_none() && attribute.name.eq_ignore_ascii_case("href") {
            href = Some(attribute.value);
        }
    }
    let end = attributes.end()?;
    let is_tag =
        (count == 0 || has_value) && (name != LINK || side == Side::Closes || href.is_some());
    let href = href.filter(|_| name == LINK).unwrap_or_default();
    let is_sound = name != LINK || side == Side::Closes || is_plain_link(href);
    (is_tag && is_sound).then_some(Tag { start, end, name, side, href, partner: None, kept: false })
}

const ATTRIBUTES_MAX: usize = 16;

fn is_attribute_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:.".contains(&byte))
}

/// Whether the sanitiser will keep the link as it is written.
fn is_plain_link(href: &str) -> bool {
    let decoded = href.replace("&amp;", "&");
    let hidden = href.match_indices('&').any(|(at, _)| {
        let behind = href.get(at + 1..).unwrap_or_default();
        is_reference(behind) && !behind.starts_with("amp;")
    });
    !hidden && crate::content::markup::formatting::is_link(&decoded)
}

/// Finds the counterpart of each tag: the nearest one of its name that is still open.
fn pair(tags: &mut [Tag<'_>]) {
    let mut open: Vec<usize> = Vec::new();
    for index in 0..tags.len() {
        let Some((name, side)) = tags.get(index).map(|tag| (tag.name, tag.side)) else { continue };
        let is_same = |at: &usize| tags.get(*at).is_some_and(|tag| tag.name == name);
        let place = open.iter().rposition(is_same);
        match (side, place) {
            // A link inside a link is none.
            (Side::Opens, Some(_)) if name == LINK => {}
            (Side::Opens, _) => open.push(index),
            (Side::Closes, None) => {}
            (Side::Closes, Some(place)) => {
                let opener = open.remove(place);
                for (one, other) in [(opener, index), (index, opener)] {
                    if let Some(tag) = tags.get_mut(one) {
                        tag.partner = Some(other);
                    }
                }
            }
        }
    }
}

/// Decides which tags are formatting.
fn judge(source: &str, tags: &mut [Tag<'_>]) {
    let ends: Vec<(usize, usize)> = tags.iter().map(|tag| (tag.start, tag.end)).collect();
    let is_blank = |from: usize, to: usize| is_blank_between(source, &ends, from, to);
    // Formatting of nothing is text, unless it is all there is: then the message is empty.
    let nothing_else = is_blank(0, source.len()) && !tags.is_empty();
    for index in 0..tags.len() {
        let Some(tag) = tags.get(index) else { continue };
        let kept = match (tag.partner, tag.side) {
            (Some(_), _) if nothing_else => true,
            (Some(partner), Side::Opens) => {
                let inner = source.get(tag.end..tags.get(partner).map_or(0, |end| end.start));
                let inner = inner.unwrap_or_default();
                let apart =
                    inner.starts_with(char::is_whitespace) && inner.ends_with(char::is_whitespace);
                !apart && !is_blank(tag.end, tag.end + inner.len())
            }
            (Some(partner), Side::Closes) => tags.get(partner).is_some_and(|tag| tag.kept),
            (None, Side::Opens) => opens_a_word(source, &ends, tag),
            (None, Side::Closes) => false,
        };
        if let Some(tag) = tags.get_mut(index) {
            tag.kept = kept;
        }
    }
}

/// Whether nothing can be seen between two places but tags.
fn is_blank_between(source: &str, tags: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut at = from;
    let first = tags.partition_point(|(start, _)| *start < from);
    for (start, end) in tags.get(first..).unwrap_or_default() {
        if *start >= to {
            break;
        }
        if !text::looks_empty(source.get(at..*start).unwrap_or_default()) {
            return false;
        }
        at = *end;
    }
    text::looks_empty(source.get(at..to).unwrap_or_default())
}

/// `<b>word`, with nothing that a word could go on from in front: not `Vec<i>`, not `the <b> tag`.
fn opens_a_word(source: &str, tags: &[(usize, usize)], tag: &Tag<'_>) -> bool {
    if tag.name == LINK {
        return false;
    }
    let before = source.get(..tag.start).unwrap_or_default().chars().next_back();
    let mut at = tag.end;
    while let Some((_, end)) = tags.iter().find(|(start, _)| *start == at) {
        at = *end;
    }
    let behind = source.get(at..).unwrap_or_default().chars().next();
    !before.is_some_and(char::is_alphanumeric) && behind.is_some_and(char::is_alphanumeric)
}

/// Writes text and tags so that every tag is closed in its order.
struct Writer<'a> {
    source: &'a str,
    done: usize,
    html: String,
    open: Vec<(&'static str, String)>,
    /// Closed to keep the order; they are opened again with the next text.
    suspended: Vec<(&'static str, String)>,
    has_formatting: bool,
}

impl<'a> Writer<'a> {
    fn new(source: &'a str) -> Self {
        let html = String::with_capacity(source.len() + source.len() / 8);
        let (open, suspended) = (Vec::new(), Vec::new());
        Self { source, done: 0, html, open, suspended, has_formatting: false }
    }

    fn tag(&mut self, tag: &Tag<'_>) -> Result<(), Fault> {
        self.text_up_to(tag.start);
        self.done = tag.end;
        self.has_formatting = true;
        match tag.side {
            Side::Opens => {
                self.resume();
                self.open(tag.name, opening(tag));
                if self.open.len() > DEPTH_MAX { Err("markup_depth") } else { Ok(()) }
            }
            Side::Closes => {
                self.close(tag.name);
                Ok(())
            }
        }
    }

    fn text_up_to(&mut self, end: usize) {
        let text = self.source.get(self.done..end).unwrap_or_default();
        if !text.is_empty() {
            self.resume();
            escape(&mut self.html, text);
        }
    }

    fn resume(&mut self) {
        for (name, written) in std::mem::take(&mut self.suspended) {
            self.open(name, written);
        }
    }

    fn open(&mut self, name: &'static str, written: String) {
        self.html.push_str(&written);
        self.open.push((name, written));
    }

    fn close(&mut self, name: &str) {
        if let Some(place) = self.suspended.iter().rposition(|(known, _)| *known == name) {
            self.suspended.remove(place);
            return;
        }
        let Some(place) = self.open.iter().rposition(|(known, _)| *known == name) else { return };
        let mut inner = self.open.split_off(place);
        for (known, written) in inner.iter().rev() {
            if self.html.ends_with(written.as_str()) {
                self.html.truncate(self.html.len() - written.len());
            } else {
                self.html.push_str(&format!("</{known}>"));
            }
        }
        inner.remove(0);
        inner.append(&mut self.suspended);
        self.suspended = inner;
    }

    fn finish(mut self) -> FormattedText {
        self.text_up_to(self.source.len());
        while let Some((name, _)) = self.open.pop() {
            self.html.push_str(&format!("</{name}>"));
        }
        FormattedText { html: self.html, has_formatting: self.has_formatting }
    }
}

fn opening(tag: &Tag<'_>) -> String {
    if tag.name != LINK {
        return format!("<{}>", tag.name);
    }
    let href = tag.href.replace("&amp;", "&").replace('&', "&amp;");
    format!("<a href=\"{href}\">")
}

/// Escapes a text, without its references. A tag that is text is displayed as written, with the
/// references inside.
fn escape(html: &mut String, text: &str) {
    let mut done = 0;
    let mut tags_end = true;
    while let Some(at) = next_special(text, done) {
        html.push_str(text.get(done..at).unwrap_or_default());
        done = at + 1;
        match text.as_bytes().get(at) {
            Some(b'<') => {
                html.push_str("&lt;");
                if let Some(end) = tag_end(text, at).filter(|_| tags_end) {
                    match end {
                        Some(end) => {
                            escape_all(html, text.get(done..end).unwrap_or_default());
                            done = end;
                        }
                        // Nor does any later tag: the rest of the text was read.
                        None => tags_end = false,
                    }
                }
            }
            Some(b'>') => html.push_str("&gt;"),
            Some(_) | None => {
                let is_reference = is_reference(text.get(done..).unwrap_or_default());
                html.push_str(if is_reference { "&" } else { "&amp;" });
            }
        }
    }
    html.push_str(text.get(done..).unwrap_or_default());
}

fn next_special(text: &str, from: usize) -> Option<usize> {
    let rest = text.as_bytes().get(from..)?;
    memchr::memchr3(b'<', b'&', b'>', rest).map(|at| from + at)
}

/// Where the tag at a `<` ends, if it is one: `Some(None)` for a tag that does not end.
fn tag_end(text: &str, at: usize) -> Option<Option<usize>> {
    let behind = text.get(at + 1..).unwrap_or_default();
    let named = behind.strip_prefix('/').unwrap_or(behind);
    let name = tag_name(named)?;
    let mut attributes = Attributes::new(text, text.len() - named.len() + name.len());
    attributes.by_ref().for_each(drop);
    Some(attributes.end())
}

fn escape_all(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_stays_and_everything_else_is_text() {
        let cases = [
            ("<b>x</b>", "<b>x</b>"),
            ("<B\n>x</B >", "<b>x</b>"),
            ("<b onclick=alert(1)>x</b>", "<b>x</b>"),
            ("<b>x", "<b>x</b>"),
            ("<b><i>x", "<b><i>x</i></b>"),
            ("x</b>", "x&lt;/b&gt;"),
            ("the <b> tag", "the &lt;b&gt; tag"),
            ("<b>, <i> or <em>", "&lt;b&gt;, &lt;i&gt; or &lt;em&gt;"),
            ("<b> and </b>", "&lt;b&gt; and &lt;/b&gt;"),
            ("x <b></b>", "x &lt;b&gt;&lt;/b&gt;"),
            ("<b></b>", ""),
            ("Vec<i>", "Vec&lt;i&gt;"),
            ("Vec<i>x", "Vec&lt;i&gt;x"),
            ("if a<b and c=d>e", "if a&lt;b and c=d&gt;e"),
            ("<b>x<i>y</b>z</i>", "<b>x<i>y</i></b><i>z</i>"),
            ("<b>x<i></b>y</i>", "<b>x</b><i>y</i>"),
            ("<title>x</title>", "&lt;title&gt;x&lt;/title&gt;"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("<!-- x --> <br> </ b>", "&lt;!-- x --&gt; &lt;br&gt; &lt;/ b&gt;"),
            ("&lt; &copy; &copy &", "&lt; &copy; &amp;copy &amp;"),
            ("<a href=https://x.example>x</a>", "&lt;a href=https://x.example&gt;x&lt;/a&gt;"),
            ("<code><div></code>", "<code>&lt;div&gt;</code>"),
            ("type `<b>x</b>` or <b>y</b>", "type `&lt;b&gt;x&lt;/b&gt;` or <b>y</b>"),
            ("<b>x `</b>` y", "<b>x `&lt;/b&gt;` y</b>"),
            ("don`t <b>x</b> don`t", "don`t <b>x</b> don`t"),
            ("<p title=\"&lt;>\">&lt;", "&lt;p title=\"&amp;lt;&gt;\"&gt;&lt;"),
            ("<p &amp; <p &lt; x", "&lt;p &amp; &lt;p &lt; x"),
        ];
        for (source, expect) in cases {
            let prepared = prepare(source, Links::Dropped).unwrap();
            assert_eq!(prepared.html, expect, "{source:?}");
        }
    }

    #[test]
    fn links_stay_where_they_are_allowed_and_plain() {
        let cases = [
            (
                "<a href=https://x.example/?a&b=1>x</a>",
                "<a href=\"https://x.example/?a&amp;b=1\">x</a>",
            ),
            (
                "<a href='https://x.example/&#x22;'>x</a>",
                "&lt;a href='https://x.example/&amp;#x22;'&gt;x&lt;/a&gt;",
            ),
            ("<a>x</a>", "&lt;a&gt;x&lt;/a&gt;"),
            ("<a href=/x>x</a>", "&lt;a href=/x&gt;x&lt;/a&gt;"),
            ("<a href=https://x.example>x", "&lt;a href=https://x.example&gt;x"),
        ];
        for (source, expect) in cases {
            assert_eq!(prepare(source, Links::Kept).unwrap().html, expect, "{source:?}");
        }
    }
}
