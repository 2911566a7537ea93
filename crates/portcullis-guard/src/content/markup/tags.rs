//! Finds the `<` and `&` of a text that are markup, where markup is removed.
//! Never: a safety decision; the parser that follows reads all that is left.
//!
//! People write `a<b`, `Vec<String>`, `<3` and `?x=1&copy=2`. A browser's parser would swallow all
//! of them. Text other than a tag or a complete reference is escaped, which is always safe.

use memchr::memchr;

use crate::content::text::{Fault, is_noncharacter};

/// Tags in one text.
pub(crate) const TAGS_MAX: usize = 256;
/// Formatting inside formatting.
pub(crate) const DEPTH_MAX: usize = 32;

/// Escapes text outside markup, and turns `<br>` into a line break. Linear time.
pub(crate) fn prepare(source: &str) -> Result<String, Fault> {
    let mut prepared = String::with_capacity(source.len() + source.len() / 8);
    let mut counts = Counts { tags: 0, depth: 0 };
    let mut ahead = Ahead { source, end: 0, equals: 0 };
    let mut done = 0;
    for at in memchr::memchr2_iter(b'<', b'&', source.as_bytes()) {
        let Some(before) = source.get(done..at) else { continue };
        prepared.push_str(before);
        done = at + 1;
        let behind = source.get(done..).unwrap_or_default();
        if source.as_bytes().get(at) == Some(&b'&') {
            prepared.push_str(if is_reference(behind) { "&" } else { "&amp;" });
            continue;
        }
        match ahead.classify(done, behind) {
            AngleBracket::Text => prepared.push_str("&lt;"),
            AngleBracket::LineBreak { end } => {
                prepared.push('\n');
                done = end + 1;
            }
            AngleBracket::Tag(tag) => {
                counts.add(tag)?;
                prepared.push('<');
            }
        }
    }
    prepared.push_str(source.get(done..).unwrap_or_default());
    Ok(prepared)
}

struct Counts {
    tags: usize,
    depth: usize,
}

impl Counts {
    fn add(&mut self, tag: Tag) -> Result<(), Fault> {
        self.tags += 1;
        match tag {
            Tag::Opens => self.depth += 1,
            Tag::Closes => self.depth = self.depth.saturating_sub(1),
            Tag::Other => {}
        }
        match (self.tags > TAGS_MAX, self.depth > DEPTH_MAX) {
            (true, _) => Err("markup_size"),
            (false, true) => Err("markup_depth"),
            (false, false) => Ok(()),
        }
    }
}

/// The kind of a `<`.
enum AngleBracket {
    Text,
    /// A `<br>`; `end` is the position of its `>`.
    LineBreak {
        end: usize,
    },
    Tag(Tag),
}

/// The effect of a tag on the depth of the tree.
#[derive(Clone, Copy)]
enum Tag {
    Opens,
    Closes,
    Other,
}

/// Longest name of an element there is, and a little more.
const NAME_MAX_BYTES: usize = 20;

/// The positions of the next `>` and `=`, so that no byte is searched twice.
struct Ahead<'a> {
    source: &'a str,
    end: usize,
    equals: usize,
}

impl Ahead<'_> {
    /// Classifies a `<`; `behind` is the text after it, which begins at `from`.
    fn classify(&mut self, from: usize, behind: &str) -> AngleBracket {
        self.end = self.next(b'>', self.end, from);
        let ends = self.end < self.source.len();
        let second = behind.as_bytes().get(1).copied();
        let named = second.is_some_and(|byte| byte.is_ascii_alphabetic());
        let (is_markup, side) = match behind.bytes().next() {
            // Comments, document types, CDATA sections; processing instructions.
            Some(b'!') => (behind.starts_with("!--") || behind.starts_with("![") || named, None),
            Some(b'?') => (named && ends, None),
            Some(b'/') => (named, Some(Tag::Closes)),
            Some(byte) => (byte.is_ascii_alphabetic(), Some(Tag::Opens)),
            None => (false, None),
        };
        match (is_markup, side) {
            (false, _) => AngleBracket::Text,
            (true, None) => AngleBracket::Tag(Tag::Other),
            (true, Some(Tag::Closes)) => self.classify_tag(from + 1, Tag::Closes),
            (true, Some(side)) => self.classify_tag(from, side),
        }
    }

    /// Classifies a tag whose name begins at `from`.
    fn classify_tag(&mut self, from: usize, side: Tag) -> AngleBracket {
        let text = self.source.get(from..).unwrap_or_default();
        let delimits =
            |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' | b'/' | b'>');
        let name_end = text.bytes().take(NAME_MAX_BYTES).position(delimits).unwrap_or(text.len());
        let name = text.get(..name_end.min(NAME_MAX_BYTES)).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        let known = ELEMENTS.binary_search(&name.as_str()).is_ok();
        let short = name.len() == 1;
        let ends = self.end < self.source.len();
        self.equals = self.next(b'=', self.equals, from);
        let has_attribute = self.equals < self.end;
        let bare = || {
            let attributes = self.source.get(from + name_end..self.end).unwrap_or_default();
            attributes.bytes().all(|byte| byte.is_ascii_whitespace() || byte == b'/')
        };
        let is_tag = match (ends, known) {
            // The parser cuts off an element that never ends its own tag; `a<b` is none.
            (false, _) => known && !short,
            // `a<b && c>d` is a comparison.
            (true, true) => !short || has_attribute || bare(),
            (true, false) => has_attribute,
        };
        if !is_tag {
            AngleBracket::Text
        } else if name == "br" && ends {
            AngleBracket::LineBreak { end: self.end }
        } else if name == "a" || FORMATTING.contains(&name.as_str()) {
            AngleBracket::Tag(side)
        } else {
            AngleBracket::Tag(Tag::Other)
        }
    }

    /// The next such byte at `from` or after it; the length of the text when there is none.
    fn next(&self, byte: u8, known: usize, from: usize) -> usize {
        if known > from {
            return known;
        }
        let rest = self.source.as_bytes().get(from..).unwrap_or_default();
        memchr(byte, rest).map_or(self.source.len(), |found| from + found)
    }
}

/// Whether the text after a `&` is `name;`, `#1234;` or `#x12ab;`, with its semicolon.
///
/// A number that is not a character of text is not a reference: people write `&#0;` about XML.
pub(crate) fn is_reference(behind: &str) -> bool {
    let end = behind.bytes().take(NAME_MAX_BYTES * 2).position(|byte| byte == b';');
    let Some(name) = end.and_then(|end| behind.get(..end)) else { return false };
    let is_valid =
        |text: &str, is: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| is(&byte));
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => is_valid(digits, u8::is_ascii_hexdigit) && is_text(digits, 16),
            None => is_valid(number, u8::is_ascii_digit) && is_text(number, 10),
        },
        None => is_valid(name, u8::is_ascii_alphanumeric),
    }
}

/// Whether a number is the code of a character of text, as browsers read it.
///
/// 0x80 to 0x9f are read as windows-1252, which lacks five of them.
fn is_text(digits: &str, radix: u32) -> bool {
    let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    character.is_some_and(|character| match character {
        '\t' | '\n' | '\r' => true,
        '\u{81}' | '\u{8d}' | '\u{8f}' | '\u{90}' | '\u{9d}' => false,
        '\u{80}'..='\u{9f}' => true,
        other => !other.is_control() && !is_noncharacter(other),
    })
}

/// The elements of formatting; links are permitted apart from them.
pub(crate) const FORMATTING: [&str; 5] = ["b", "i", "em", "strong", "code"];

/// Every element that HTML has or had, and the doors to SVG and MathML; sorted.
#[rustfmt::skip]
const ELEMENTS: [&str; 150] = [
    "a", "abbr", "acronym", "address", "animate", "applet", "area", "article", "aside", "audio",
    "b", "base", "basefont", "bdi", "bdo", "bgsound", "big", "blink", "blockquote", "body", "br",
    "button", "canvas", "caption", "center", "cite", "code", "col", "colgroup", "data",
    "datalist", "dd", "del", "details", "dfn", "dialog", "dir", "div", "dl", "dt", "em", "embed",
    "fencedframe", "fieldset", "figcaption", "figure", "font", "footer", "foreignobject", "form",
    "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr",
    "html", "i", "iframe", "image", "img", "input", "ins", "isindex", "kbd", "keygen", "label",
    "legend", "li", "link", "listing", "main", "map", "mark", "marquee", "math", "menu",
    "menuitem", "meta", "meter", "multicol", "nav", "nextid", "nobr", "noembed", "noframes",
    "noscript", "object", "ol", "optgroup", "option", "output", "p", "param", "picture",
    "plaintext", "portal", "pre", "progress", "q", "rb", "rbc", "rp", "rt", "rtc", "ruby", "s",
    "samp", "script", "search", "section", "select", "selectedcontent", "slot", "small", "source",
    "spacer", "span", "strike", "strong", "style", "sub", "summary", "sup", "svg", "table",
    "tbody", "td", "template", "textarea", "tfoot", "th", "thead", "time", "title", "tr", "track",
    "tt", "u", "ul", "var", "video", "wbr", "xmp",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_sorted_lower_case_and_short() {
        assert!(ELEMENTS.is_sorted());
        for name in ELEMENTS {
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(name.len() < NAME_MAX_BYTES, "{name}");
        }
    }

    #[test]
    fn markup_is_kept_and_other_text_is_escaped() {
        let cases = [
            ("<b>x</b>", "<b>x</b>"),
            ("<B >x</ b>", "<B >x&lt;/ b>"),
            ("a<b", "a&lt;b"),
            ("a<b>", "a<b>"),
            ("<script", "<script"),
            ("<scriptx", "&lt;scriptx"),
            ("<x y>", "&lt;x y>"),
            ("<x y=z>", "<x y=z>"),
            ("<x> a=b", "&lt;x> a=b"),
            ("<br><BR/><br x", "\n\n<br x"),
            ("&lt;&lt&#65;&#x;&;&a b;", "&lt;&amp;lt&#65;&amp;#x;&amp;;&amp;a b;"),
            ("&#0;&#1;&#x7f;&#129;", "&amp;#0;&amp;#1;&amp;#x7f;&amp;#129;"),
            ("&#xd800;&#xffff;&#9999999999;", "&amp;#xd800;&amp;#xffff;&amp;#9999999999;"),
            ("&#9;&#10;&#13;&#128;&#x1f600;", "&#9;&#10;&#13;&#128;&#x1f600;"),
            ("<i><i", "<i>&lt;i"),
        ];
        for (source, expect) in cases {
            assert_eq!(prepare(source).as_deref(), Ok(expect), "{source:?}");
        }
    }
}
