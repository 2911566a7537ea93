//! Safe formatting: `b i em strong code`, and `https:` links where they are allowed.
//! Never: an attribute, a tag or a reference that is not on the list.
//!
//! Three steps:
//! 1. Text outside formatting is escaped; with [`Markup::Strip`], ordinary text only.
//! 2. html5ever reads the rest as a browser does, and ammonia drops unlisted tags and attributes.
//! 3. The result is read again. Formatting that reads differently then is dropped.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

use crate::content::markup::tags::FORMATTING;
use crate::content::markup::{escape, tags};
use crate::content::text::Fault;

/// A text in its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MarkupText {
    /// Without tags, references decoded once; with [`Markup::Escape`] only if it has formatting.
    pub(crate) text: String,
    /// Safe HTML; `None` if the text has no formatting.
    pub(crate) html: Option<String>,
}

/// The action for markup that is not formatting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Markup {
    /// It is text, and is displayed as written.
    #[default]
    Escape,
    /// It is removed, and scripts, styles and the like with their content.
    Strip,
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
/// Most readings of the formatting until it no longer changes.
const READINGS_MAX: usize = 3;

const LINK_REL: &str = "noopener noreferrer nofollow ugc";

/// Elements whose content is not text: code, other languages, other documents.
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
        .attribute_filter(|_, attribute, value| {
            let keep = attribute != "href" || is_link(value);
            keep.then_some(Cow::Borrowed(value))
        });
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

/// Reads a text that can contain formatting.
pub(crate) fn clean(source: &str, links: Links, markup: Markup) -> Result<MarkupText, Fault> {
    if memchr::memchr2(b'<', b'&', source.as_bytes()).is_none() {
        return Ok(MarkupText { text: String::from(source), html: None });
    }
    if source.len() > SOURCE_MAX_BYTES {
        return Err("markup_size");
    }
    let builder = match links {
        Links::Dropped => &WITHOUT_LINKS,
        Links::Kept => &WITH_LINKS,
    };
    match markup {
        Markup::Escape => {
            let prepared = escape::prepare(source, links)?;
            if !prepared.has_formatting {
                return Ok(MarkupText { text: String::from(source), html: None });
            }
            let again = |html: &str| {
                let prepared = escape::prepare(html, links).ok()?;
                Some(read(builder, &prepared.html))
            };
            Ok(settle(read(builder, &prepared.html), again))
        }
        Markup::Strip => {
            let prepared = tags::prepare(source)?;
            Ok(settle(read(builder, &prepared), |html| Some(read(builder, html))))
        }
    }
}

/// Reads the formatting until a reading returns its own source; otherwise drops the formatting.
fn settle(first: Read, read_again: impl Fn(&str) -> Option<Read>) -> MarkupText {
    let plain = MarkupText { text: first.text.clone(), html: None };
    if !first.formatted {
        return plain;
    }
    let mut reading = first;
    for _ in 1..READINGS_MAX {
        let Some(again) = read_again(&reading.html) else { return plain };
        // Read again, the tags are not formatting. They are omitted: the user did not write them.
        if !again.formatted {
            return plain;
        }
        if again == reading {
            return MarkupText { text: again.text, html: Some(again.html) };
        }
        reading = again;
    }
    plain
}

/// One reading: the parsed output of ammonia.
#[derive(PartialEq, Eq)]
struct Read {
    text: String,
    html: String,
    formatted: bool,
}

/// ammonia's output is canonical: `<` begins a tag, double quotes surround attributes, and only
/// five references occur. So one pass finds the text, and drops links that lost their target.
fn read(builder: &Builder<'_>, source: &str) -> Read {
    let written = builder.clean(source).to_string();
    let mut found = Read { text: String::new(), html: String::new(), formatted: false };
    let mut dead_links = Vec::new();
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
        let (token, after) = from_here.split_at_checked(length).unwrap_or((from_here, ""));
        rest = after;
        let is_dead = match token {
            "</a>" => dead_links.pop().unwrap_or(false),
            _ if token.starts_with("<a") => {
                let is_dead = !token.contains(" href=\"");
                dead_links.push(is_dead);
                is_dead
            }
            _ => false,
        };
        if is_dead {
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

/// An absolute `https:` URL with an unambiguous host: ASCII, without a user name.
pub(crate) fn is_link(value: &str) -> bool {
    let Some(rest) = value.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_path = |c: char| !c.is_whitespace() && !c.is_control() && !"\\\"'`<>^{}|".contains(c);
    host.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'[')
        && host.bytes().all(is_host)
        && rest.chars().all(is_path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks the string: only text, balanced listed tags, and links as the cleaner writes them.
    fn assert_safe(source: &str, html: &str) {
        let mut open = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find(['<', '>', '&']) {
            let (_, from_here) = rest.split_at(at);
            let last = if from_here.starts_with('<') { '>' } else { ';' };
            let end = from_here.find(last).expect(html);
            let token = &from_here[..=end];
            rest = &from_here[end + 1..];
            let reference = ["&amp;", "&lt;", "&gt;", "&nbsp;"].contains(&token);
            if reference {
                continue;
            }
            if let Some(name) = token.strip_prefix("</").and_then(|name| name.strip_suffix('>')) {
                assert_eq!(open.pop(), Some(name), "{source:?} -> {html:?}");
                continue;
            }
            let name = token.strip_prefix('<').and_then(|name| name.strip_suffix('>'));
            let name = name.unwrap_or_else(|| panic!("{source:?} -> {html:?}"));
            if FORMATTING.contains(&name) {
                open.push(name);
                continue;
            }
            let target = name.strip_prefix("a href=\"https://");
            let target = target
                .and_then(|rest| rest.strip_suffix("\" rel=\"noopener noreferrer nofollow ugc\""));
            let target = target.unwrap_or_else(|| panic!("{source:?} -> {html:?}"));
            assert!(!target.contains(['"', '<', ' ', '\n']), "{source:?} -> {html:?}");
            open.push("a");
        }
        assert!(open.is_empty(), "{source:?} -> {html:?}");
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    fn clean(source: &str, links: Links) -> Result<MarkupText, Fault> {
        super::clean(source, links, Markup::Strip)
    }

    /// Checks that cleaning an output again changes nothing.
    fn assert_settled(source: &str, links: Links, marked: &MarkupText) {
        assert_settled_as(source, links, Markup::Strip, marked);
    }

    fn assert_settled_as(source: &str, links: Links, markup: Markup, marked: &MarkupText) {
        let clean = |source: &str, links| super::clean(source, links, markup);
        match &marked.html {
            Some(html) => {
                assert_safe(source, html);
                let again = clean(html, links);
                let expect = MarkupText { text: marked.text.clone(), html: Some(html.clone()) };
                assert_eq!(again, Ok(expect), "{source:?}");
            }
            None => {
                let written = escaped(&marked.text);
                let again = clean(&written, links);
                let text = match markup {
                    Markup::Escape => written,
                    Markup::Strip => marked.text.clone(),
                };
                assert_eq!(again, Ok(MarkupText { text, html: None }), "{source:?}");
            }
        }
    }

    fn check_with(links: Links, cases: &[(&str, &str, Option<&str>)]) {
        for (source, text, html) in cases {
            let marked = clean(source, links).unwrap();
            let seen = (marked.text.as_str(), marked.html.as_deref());
            assert_eq!(seen, (*text, *html), "{source:?}");
            assert_settled(source, links, &marked);
        }
    }

    fn check(cases: &[(&str, &str, Option<&str>)]) {
        check_with(Links::Dropped, cases);
        check_with(Links::Kept, cases);
    }

    #[test]
    fn plain_text_holds_no_text_of_the_cleaner() {
        let sources = [
            "<b>&#x200b;</b>hello",
            "<a href=\"https://a.example/\">&#x200b;</a>hello",
            "<i>&#x2060;</i><b>&#xfeff;</b>hello",
        ];
        for source in sources {
            for links in [Links::Kept, Links::Dropped] {
                for markup in [Markup::Escape, Markup::Strip] {
                    let marked = super::clean(source, links, markup).unwrap();
                    let added = ["noopener", "<b>\u{200b}", "<i>\u{2060}"];
                    let holds = added.iter().any(|text| marked.text.contains(text));
                    assert!(!holds, "{source:?} {links:?} {markup:?}: {marked:?}");
                }
            }
        }
    }

    #[test]
    fn t_120_scripts_go_with_their_content() {
        check(&[
            ("a<script>alert(1)</script>b", "ab", None),
            ("a<SCRIPT/x>alert(1)</SCRIPT>b", "ab", None),
            ("a<script\n>alert(1)</script\n>b", "ab", None),
            ("<scr<script>ipt>alert(1)</script>", "<scr", None),
            ("a<script", "a", None),
            ("a<script src=//evil", "a", None),
            ("a<script>alert(1)", "a", None),
            ("a</script>b", "ab", None),
            ("<style>*{x:expression(alert(1))}</style>b", "b", None),
        ]);
    }

    #[test]
    fn t_121_other_elements_lose_their_tags() {
        check(&[
            ("a<img src=x onerror=alert(1)>b", "ab", None),
            ("a<img/src=x/onerror=alert(1)>b", "ab", None),
            ("a<img src=x onerror=alert(1)", "a", None),
            ("<svg onload=alert(1)>b", "", None),
            ("<svg/onload=alert(1)>b</svg>c", "c", None),
            ("<body onload=alert(1)>b", "b", None),
            ("<details ontoggle=alert(1) open>b", "b", None),
            ("<input autofocus onfocus=alert(1)>b", "b", None),
            ("<xss onpointermove=alert(1)>b</xss>", "b</xss>", None),
            ("<marquee onstart=alert(1)>b</marquee>", "b", None),
            ("<a/onmouseover=alert(1)>b</a>", "b", None),
            ("<form action=javascript:alert(1)><button>b", "b", None),
            ("<div style=\"background:url(javascript:alert(1))\">b</div>", "b", None),
        ]);
    }

    #[test]
    fn t_122_allowed_tags_keep_nothing_but_their_name() {
        check(&[
            ("<b onclick=alert(1)>x</b>", "x", Some("<b>x</b>")),
            ("<i style=\"position:fixed\">x</i>", "x", Some("<i>x</i>")),
            ("<strong id=x class=y>x</strong>", "x", Some("<strong>x</strong>")),
            ("<EM\tLANG=x title=\"</em><script>\">x</EM>", "x", Some("<em>x</em>")),
            ("<code/onclick=alert(1)>x</code>", "x", Some("<code>x</code>")),
            ("<b>x", "x", Some("<b>x</b>")),
            ("<b><i>x</b>y</i>", "xy", Some("<b><i>x</i></b><i>y</i>")),
            ("x</b>", "x", None),
            ("<b>one</b><br>two", "one\ntwo", Some("<b>one</b>\ntwo")),
            ("<p>one</p>", "one", None),
        ]);
    }

    #[test]
    fn t_124_only_plain_https_links_stay() {
        let rel = LINK_REL;
        let linked = |url: &str| format!("<a href=\"{url}\" rel=\"{rel}\">x</a>");
        for url in ["https://ok.example", "https://ok.example:8443/a?b=c#d", "https://[::1]/"] {
            let source = format!("<a href={url} onclick=alert(1) target=_blank>x</a>");
            check_with(Links::Kept, &[(&source, "x", Some(&linked(url)))]);
            check_with(Links::Dropped, &[(&source, "x", None)]);
        }
        let amp = "<a href='https://ok.example/?a=1&copy=2'>x</a>";
        check_with(Links::Kept, &[(amp, "x", Some(&linked("https://ok.example/?a=1&amp;copy=2")))]);
        for url in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "java\nscript:alert(1)",
            "\u{1}javascript:alert(1)",
            "&#x6A;avascript:alert(1)",
            "&#0000106avascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:x",
            "//evil.example",
            "/path",
            "#x",
            "",
            "http://a.example",
            "HTTPS://a.example",
            " https://a.example",
            "https:a.example",
            "https:///a.example",
            "https:\\\\a.example",
            "https://user@evil.example",
            "https://a.example\\@evil.example",
            "https://\u{430}pple.example",
            "https://a.example/\"onclick=alert(1)",
            "https://",
        ] {
            let source = format!("<a href='{url}'>x</a>");
            check_with(Links::Kept, &[(&source, "x", None)]);
        }
        let nested = "<a href=https://a.example>x<a>y</a>z</a>";
        let marked = clean(nested, Links::Kept).unwrap();
        assert_settled(nested, Links::Kept, &marked);
        let html = linked("https://a.example") + "<b>y</b>" + &linked("https://b.example/c");
        let found: Vec<_> = targets(&html).collect();
        assert_eq!(found, ["https://a.example", "https://b.example/c"]);
    }

    #[test]
    fn t_126_raw_text_goes_with_its_content() {
        check(&[
            ("<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">", "\">", None),
            ("<xmp><img src=x onerror=alert(1)></xmp>b", "b", None),
            ("<textarea><b>x</textarea>b", "b", None),
            ("<title><b>x</title>b", "b", None),
            ("<iframe srcdoc=\"<script>alert(1)</script>\">x</iframe>b", "b", None),
            ("<noembed><img src=x></noembed>b", "b", None),
            ("<noframes><img src=x></noframes>b", "b", None),
            ("<template><script>alert(1)</script></template>b", "b", None),
            ("a<plaintext>b</plaintext>c", "a", None),
            ("<object data=x><embed src=y>z</object>b", "b", None),
        ]);
    }

    #[test]
    fn t_127_foreign_content_goes_with_its_content() {
        let cases = [
            "<math><annotation-xml encoding=text/html><img src=x onerror=alert(1)></math>",
            "<svg><desc><img src=x onerror=alert(1)></desc></svg>",
            "<svg><a><set attributeName=href to=javascript:alert(1)><text>x</text></a></svg>",
            "<math><mtext><table><mglyph><style><!--</style>\
             <img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
            "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            "<math><mtext><option><FAKEFAKE><option></option><mglyph>\
             <svg><mtext><style><a title=\"</style><img src='#' onerror='alert(1)'>\">",
        ];
        for source in cases {
            for links in [Links::Dropped, Links::Kept] {
                let marked = clean(source, links).unwrap();
                assert_eq!(marked.html, None, "{source:?}");
                assert!(!marked.text.contains("<img"), "{source:?} -> {marked:?}");
                assert_settled(source, links, &marked);
            }
        }
    }

    #[test]
    fn t_129_comments_declarations_and_odd_characters_go() {
        check(&[
            ("a<!-- <b>x</b> -->b", "ab", None),
            ("a<!--><img src=x onerror=alert(1)>-->b", "a-->b", None),
            ("a<!-- x", "a", None),
            ("a<![CDATA[<b>x</b>]]>b", "ax]]>b", None),
            ("a<?xml version=\"1.0\"?>b", "ab", None),
            ("<!DOCTYPE html>b", "b", None),
            ("a<\x0cb>x", "a<\x0cb>x", None),
            ("a<b\x0conclick=alert(1)>x</b>", "ax", Some("a<b>x</b>")),
            ("a<\0script>alert(1)", "a<script>alert(1)", None),
        ]);
    }

    #[test]
    fn t_131_ordinary_text_keeps_its_meaning() {
        check(&[
            (
                "<b>bold</b> <em>x</em> a < b && c > d",
                "bold x a < b && c > d",
                Some("<b>bold</b> <em>x</em> a &lt; b &amp;&amp; c &gt; d"),
            ),
            ("5 &lt; 6", "5 < 6", None),
            ("&amp;lt;", "&lt;", None),
            ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>", None),
            ("O'Hara & \"Sons\"", "O'Hara & \"Sons\"", None),
            (
                "\u{1f600} & \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
                "\u{1f600} & \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
                None,
            ),
            ("i <3 you </3", "i <3 you </3", None),
            ("a<b and c>d", "a<b and c>d", None),
            ("if a<b then", "if a<b then", None),
            ("x<y&&y>z", "x<y&&y>z", None),
            ("Vec<String> and Map<K, V>", "Vec<String> and Map<K, V>", None),
            ("<your name> <me@x.example>", "<your name> <me@x.example>", None),
            ("AT&T; R&D &copy &nosuch;", "AT&T; R&D &copy &nosuch;", None),
            ("https://a.example/?x=1&copy=2&lt=3", "https://a.example/?x=1&copy=2&lt=3", None),
            ("&copy; &#233; &#xe9;", "\u{a9} \u{e9} \u{e9}", None),
            ("what <? really <! no </ way", "what <? really <! no </ way", None),
            ("<> << >> <=> -> <- &&", "<> << >> <=> -> <- &&", None),
            ("no markup > at all", "no markup > at all", None),
            ("a\n\n  <b>b</b>\t&nbsp;c", "a\n\n  b\t\u{a0}c", Some("a\n\n  <b>b</b>\t&nbsp;c")),
        ]);
    }

    /// Text and formatting where markup is escaped.
    fn check_escaped(cases: &[(&str, &str, Option<&str>)]) {
        for (source, text, html) in cases {
            for links in [Links::Dropped, Links::Kept] {
                let marked = super::clean(source, links, Markup::Escape).unwrap();
                let seen = (marked.text.as_str(), marked.html.as_deref());
                assert_eq!(seen, (*text, *html), "{source:?}");
                assert_settled_as(source, links, Markup::Escape, &marked);
            }
        }
    }

    #[test]
    fn t_120_to_t_129_markup_is_shown_as_it_was_written() {
        for source in [
            "put it into the <title> of the page",
            "<title>x</title>, <head>, <body> and </html>",
            "Vec<S>, Vec<i>, Map<b, i> and docker run <image>",
            "the <b> tag, </b>, <b></b> and <code> with </code>",
            "#include <stdio.h>",
            "a<b && c>d, if (a<b) { c>d }",
            "<!-- remember --> <!doctype html> <?php x ?> <![CDATA[x]]>",
            "one<br>two<br/>three <p>four</p> <img src=x> <hr>",
            "<script>alert(1)</script>",
            "<scr<script>ipt>alert(1)</script>",
            "<script",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>x</svg>",
            "<style>*{color:red}</style><textarea>x</textarea><plaintext>x",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<math><mtext><table><mglyph><style><!--</style>",
            "<a href=\"javascript:alert(1)\">x</a> <a name=x>y</a> <a>z</a>",
            "</b onclick=alert(1)>",
            "<custom-element onclick=alert(1)>x</custom-element>",
        ] {
            check_escaped(&[(source, source, None)]);
            let mixed = format!("<b>ok</b> {source}");
            let html = format!("<b>ok</b> {}", escaped(source));
            check_escaped(&[(&mixed, &format!("ok {source}"), Some(&html))]);
        }
    }

    #[test]
    fn t_122_escaped_markup_leaves_formatting_without_attributes() {
        check_escaped(&[
            ("<b onclick=alert(1)>x</b>", "x", Some("<b>x</b>")),
            ("<i style=\"position:fixed\">x</i>", "x", Some("<i>x</i>")),
            ("<EM\tLANG=x title=\"</em><script>\">x</EM>", "x", Some("<em>x</em>")),
            ("<code/onclick=alert(1)>x</code>", "x", Some("<code>x</code>")),
            ("<b>x", "x", Some("<b>x</b>")),
            ("<b><i>x</b>y</i>", "xy", Some("<b><i>x</i></b><i>y</i>")),
            ("x</b>", "x</b>", None),
            ("<b>x</b> <b></b>", "x <b></b>", Some("<b>x</b> &lt;b&gt;&lt;/b&gt;")),
            ("<code><div></code>", "<div>", Some("<code>&lt;div&gt;</code>")),
            ("<b>&lt;script&gt;</b>", "<script>", Some("<b>&lt;script&gt;</b>")),
        ]);
        let many = "<b>x</b>".repeat(128);
        check_escaped(&[(&many, &"x".repeat(128), Some(&many))]);
        let deep = "<b>x".repeat(33) + &"</b>".repeat(33);
        assert_eq!(super::clean(&deep, Links::Kept, Markup::Escape), Err("markup_depth"));
    }

    #[test]
    fn t_131_escaped_markup_keeps_references_and_comparisons() {
        check_escaped(&[
            (
                "<b>bold</b> <em>x</em> a < b && c > d",
                "bold x a < b && c > d",
                Some("<b>bold</b> <em>x</em> a &lt; b &amp;&amp; c &gt; d"),
            ),
            ("5 &lt; 6", "5 &lt; 6", None),
            ("&amp;lt;", "&amp;lt;", None),
            (
                "&lt;script&gt;alert(1)&lt;/script&gt;",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
                None,
            ),
            ("O'Hara & \"Sons\"", "O'Hara & \"Sons\"", None),
            ("i <3 you </3", "i <3 you </3", None),
            ("AT&T; R&D &copy &nosuch;", "AT&T; R&D &copy &nosuch;", None),
            ("https://a.example/?x=1&copy=2&lt=3", "https://a.example/?x=1&copy=2&lt=3", None),
            ("&copy; &#233; &#xe9;", "&copy; &#233; &#xe9;", None),
            ("?a=1&gt;b, write &amp; for &", "?a=1&gt;b, write &amp; for &", None),
            ("`<b>text</b>`", "`<b>text</b>`", None),
            ("<b>x</b> &copy; &amp;lt;", "x \u{a9} &lt;", Some("<b>x</b> \u{a9} &amp;lt;")),
            ("<b>x</b> `<i>y</i>`", "x `<i>y</i>`", Some("<b>x</b> `&lt;i&gt;y&lt;/i&gt;`")),
            ("<> << >> <=> -> <- &&", "<> << >> <=> -> <- &&", None),
        ]);
    }

    #[test]
    fn size_and_depth_are_bounded() {
        assert!(clean(&"<b>".repeat(32), Links::Kept).is_ok());
        assert_eq!(clean(&"<b>".repeat(33), Links::Kept), Err("markup_depth"));
        assert_eq!(clean(&"<b></b>".repeat(129), Links::Kept), Err("markup_size"));
        assert_eq!(clean(&"&amp;".repeat(4_000), Links::Kept), Err("markup_size"));
        assert!(clean(&"<a ".repeat(5_000), Links::Kept).is_ok());
        assert!(clean(&"<div>".repeat(256), Links::Kept).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_input_becomes_safe_and_settled_formatting(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "<b>", "</b>", "<i", ">", "</i>", "<em x=y>", "</em>", "<code>", "</code>",
                    "<a href=https://x.example>", "<a>", "</a>", "<a href=\"javascript:x\">",
                    "<script>", "</script>", "<svg>", "</svg>", "<math>", "<mtext>", "<style>",
                    "</style>", "<table>", "<td>", "<tr>", "</table>", "<p>", "</p>", "<select>",
                    "<option>", "<form>", "<noscript>", "<!--", "-->", "<template>", "<textarea>",
                    "<img src=x onerror=y>", "<li>", "<br>", "&lt;", "&amp;", "&#60;", "&", "<",
                    "\"", "'", "=", " ", "x", "\u{e9}", "<desc>", "<foreignobject>", "<title>",
                    "<plaintext>", "`", "\n", "<button>", "<nobr>", "<font color=x>", "<h1>",
                ]),
                0..14,
            )
        ) {
            let source = parts.concat();
            for links in [Links::Dropped, Links::Kept] {
                for markup in [Markup::Escape, Markup::Strip] {
                    if let Ok(marked) = super::clean(&source, links, markup) {
                        assert_settled_as(&source, links, markup, &marked);
                    }
                }
            }
        }
    }
}
