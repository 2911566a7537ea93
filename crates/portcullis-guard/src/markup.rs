//! Safe formatting: `b i em strong code`, and `https:` links where they are allowed.
//! Never: an attribute, a tag or a reference that is not on the list.
//!
//! Three steps: `tags` decides which `<` and `&` of ordinary text are no markup, html5ever reads
//! the rest as a browser does and ammonia drops what is not on the list, and the result is read
//! once more: formatting that reads differently the second time is given up.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

use crate::markup_tags;
use crate::text::Fault;

/// A text in its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Tags gone, references decoded once.
    pub(crate) text: String,
    /// Only when there is formatting.
    pub(crate) html: Option<String>,
}

/// Whether `a` is on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Links become their text.
    Dropped,
    /// Links to `https:` stay.
    Kept,
}

/// Longest source, in bytes: html5ever takes about 1 us per 20 bytes and 100 bytes a tag.
const SOURCE_MAX_BYTES: usize = 16 * 1024;
/// How often the formatting is read until it no longer changes.
const READINGS_MAX: usize = 3;

const FORMATTING: [&str; 5] = ["b", "i", "em", "strong", "code"];
const LINK_REL: &str = "noopener noreferrer nofollow ugc";

/// Elements whose content is no text: code, other languages, other documents.
const CONTENT_DROPPED: [&str; 20] = [
    "applet",
    "audio",
    "canvas",
    "embed",
    "frame",
    "frameset",
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "script",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "xmp",
];

static WITHOUT_LINKS: LazyLock<Builder<'static>> = LazyLock::new(from_nothing);

static WITH_LINKS: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = from_nothing();
    builder
        .add_tags(["a"])
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"]))]))
        .url_schemes(HashSet::from(["https"]))
        .link_rel(Some(LINK_REL))
        .attribute_filter(|_, _, value| is_link(value).then_some(Cow::Borrowed(value)));
    builder
});

/// ammonia's own lists are long, also those of its `empty`: every one of them is replaced.
fn from_nothing() -> Builder<'static> {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(FORMATTING))
        .clean_content_tags(HashSet::from(CONTENT_DROPPED))
        .tag_attributes(HashMap::new())
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::new())
        .url_relative(UrlRelative::Deny)
        .link_rel(None)
        .strip_comments(true);
    builder
}

/// Reads a text that may hold formatting.
pub(crate) fn clean(source: &str, links: Links) -> Result<Marked, Fault> {
    if memchr::memchr2(b'<', b'&', source.as_bytes()).is_none() {
        return Ok(Marked { text: String::from(source), html: None });
    }
    if source.len() > SOURCE_MAX_BYTES {
        return Err("markup_size");
    }
    let prepared = markup_tags::prepare(source)?;
    let builder = match links {
        Links::Dropped => &WITHOUT_LINKS,
        Links::Kept => &WITH_LINKS,
    };
    let first = read(builder, &prepared);
    let text = first.text.clone();
    Ok(Marked { text, html: settle(builder, first) })
}

/// Gives the formatting once it reads as it is written; none when it never does.
fn settle(builder: &Builder<'_>, mut reading: Read) -> Option<String> {
    if !reading.formatted {
        return None;
    }
    for _ in 1..READINGS_MAX {
        let again = read(builder, &reading.html);
        if again == reading {
            return Some(reading.html);
        }
        reading = again;
    }
    None
}

/// One reading: ammonia's output, taken apart.
#[derive(PartialEq, Eq)]
struct Read {
    text: String,
    html: String,
    formatted: bool,
}

/// What ammonia writes is canonical: `<` begins a tag, double quotes surround attributes, and only
/// five references occur. So one pass finds the text, and drops links that lost their target.
fn read(builder: &Builder<'_>, source: &str) -> Read {
    let written = builder.clean(source).to_string();
    let mut found = Read { text: String::new(), html: String::new(), formatted: false };
    let mut in_dead_link = false;
    let mut rest = written.as_str();
    while let Some(at) = memchr::memchr2(b'<', b'&', rest.as_bytes()) {
        let (before, from_here) = rest.split_at_checked(at).unwrap_or((rest, ""));
        found.text.push_str(before);
        found.html.push_str(before);
        let length = if from_here.starts_with('<') {
            tag_length(from_here)
        } else {
            from_here.find(';').map_or(from_here.len(), |end| end + 1)
        };
        let (token, behind) = from_here.split_at_checked(length).unwrap_or((from_here, ""));
        rest = behind;
        let dead_link = token.starts_with("<a") && !token.contains(" href=\"");
        if dead_link || (in_dead_link && token == "</a>") {
            in_dead_link = dead_link;
            continue;
        }
        found.html.push_str(token);
        match token {
            "&amp;" => found.text.push('&'),
            "&lt;" => found.text.push('<'),
            "&gt;" => found.text.push('>'),
            "&quot;" => found.text.push('"'),
            "&nbsp;" => found.text.push('\u{a0}'),
            _ => found.formatted = true,
        }
    }
    found.text.push_str(rest);
    found.html.push_str(rest);
    found
}

/// The length of the tag the text begins with; a `>` inside quotes ends nothing.
fn tag_length(text: &str) -> usize {
    let mut quoted = false;
    let end = text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'>' && !quoted
    });
    end.map_or(text.len(), |end| end + 1)
}

/// The targets of all links in formatting that came out of [`clean`].
pub(crate) fn targets(html: &str) -> impl Iterator<Item = &str> {
    html.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// An absolute `https:` URL whose host is plainly what it says: ASCII, no user name in front.
fn is_link(value: &str) -> bool {
    let Some(rest) = value.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let path_sound =
        |c: char| !c.is_whitespace() && !c.is_control() && !"\\\"'`<>^{}|".contains(c);
    host.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'[')
        && host.bytes().all(host_sound)
        && rest.chars().all(path_sound)
}
