//! Plain English: finds the words and phrases of `xtask/tidy/words.txt` in everything people read.
//! Never: grammar; the list holds only what can be found without understanding the sentence.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::lexer::{Kind, Part, Syntax, Token, parts, tokens};

/// Where the words are listed.
const FILE: &str = "xtask/tidy/words.txt";
/// The longest name of a test function.
const TEST_NAME_MAX: usize = 72;
/// Words with which a run of code begins that is a statement and no text between tags.
const STATEMENTS: [&str; 24] = [
    "const", "let", "var", "return", "await", "new", "type", "export", "import", "function",
    "async", "case", "if", "else", "throw", "typeof", "void", "static", "private", "readonly",
    "public", "in", "of", "for",
];
/// Between these two lines, a document may name old words.
const OLD_WORDS: (&str, &str) = ("<!-- old words -->", "<!-- end of old words -->");

/// Where a pattern is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    /// Comments, texts, documents and identifiers.
    Any,
    /// Comments, texts and documents.
    Text,
    /// Identifiers.
    Name,
    /// The last words of a type that is declared.
    Type,
    /// The first words of a sentence.
    Start,
}

/// A pattern with the standard word.
#[derive(Debug)]
struct Rule {
    scope: Scope,
    words: Vec<String>,
    /// No hit behind one of these words.
    not_after: Vec<String>,
    /// No hit before one of these words; for an ending, no hit for them.
    not_before: Vec<String>,
    standard: String,
}

/// The list of words.
#[derive(Debug)]
pub(crate) struct Words {
    rules: Vec<Rule>,
    /// The rules of phrases, by their first word.
    by_first_word: HashMap<String, Vec<usize>>,
}

/// A word of a file, or a sign that no phrase continues across.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Item {
    Word {
        text: String,
        line: usize,
        scope: Scope,
    },
    Break,
    /// The start of a sentence.
    Start,
}

impl Words {
    /// Reads the list of this repository.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(FILE));
        Self::parse(&text.with_context(|| format!("cannot read {FILE}"))?)
    }

    /// Reads a list: `SCOPE PATTERN | PATTERN => STANDARD` a line.
    fn parse(text: &str) -> Result<Self> {
        let mut rules = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let row = line.split_once(" => ").and_then(|(start, standard)| {
                let (scope, patterns) = start.split_once(' ')?;
                Some((scope_of(scope)?, patterns, standard.trim()))
            });
            let Some((scope, patterns, standard)) = row else {
                bail!("{FILE}:{number} write `SCOPE PATTERN | PATTERN => STANDARD`");
            };
            rules.extend(patterns.split(" | ").map(|pattern| rule(scope, pattern, standard)));
        }
        let mut by_first_word: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = rule.words.first() {
                by_first_word.entry(first.clone()).or_default().push(index);
            }
        }
        Ok(Self { rules, by_first_word })
    }

    /// What is wrong in a file, each as `:line what`.
    pub(crate) fn check(&self, name: &str, text: &str) -> Vec<String> {
        let syntax = syntax_of(name);
        let items = items(text, syntax);
        let mut findings: Vec<(usize, String)> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let Item::Word { text, .. } = item else { continue };
            let rules = self.by_first_word.get(text).into_iter().flatten();
            for rule in rules.filter_map(|index| self.rules.get(*index)) {
                findings.extend(hit(rule, &items, at).map(|line| (line, shown(rule))));
            }
        }
        if syntax == Syntax::Rust {
            findings.extend(self.types(text));
            findings.extend(test_names(text));
        }
        findings.sort();
        findings.dedup();
        findings.into_iter().map(|(line, what)| format!(":{line} {what}")).collect()
    }

    /// The declared types whose last words are listed.
    fn types(&self, text: &str) -> Vec<(usize, String)> {
        let mut findings = Vec::new();
        for (line, code) in code_lines(text) {
            let tokens = tokens(code);
            for pair in tokens.windows(2) {
                let [Token::Word("struct" | "enum" | "trait" | "type"), Token::Word(name)] = pair
                else {
                    continue;
                };
                let words = split_name(name);
                let rules = self.rules.iter().filter(|rule| rule.scope == Scope::Type);
                let hits = rules.filter(|rule| ends_with(&words, rule));
                findings.extend(hits.map(|rule| (line, format!("type {name}: {}", rule.standard))));
            }
        }
        findings
    }
}

fn scope_of(word: &str) -> Option<Scope> {
    match word {
        "any" => Some(Scope::Any),
        "text" => Some(Scope::Text),
        "name" => Some(Scope::Name),
        "type" => Some(Scope::Type),
        "start" => Some(Scope::Start),
        _ => None,
    }
}

fn rule(scope: Scope, pattern: &str, standard: &str) -> Rule {
    let mut words: Vec<&str> = pattern.split_whitespace().collect();
    let list = |word: &str| word.trim_start_matches('!').split(',').map(String::from).collect();
    let (mut not_after, mut not_before) = (Vec::new(), Vec::new());
    if words.first().is_some_and(|word| word.starts_with('!')) {
        not_after = list(words.remove(0));
    }
    if let Some(last) = words.pop_if(|word| word.starts_with('!')) {
        not_before = list(last);
    }
    let words = words.into_iter().map(str::to_lowercase).collect();
    Rule { scope, words, not_after, not_before, standard: String::from(standard) }
}

fn shown(rule: &Rule) -> String {
    format!("\"{}\": {}", rule.words.join(" "), rule.standard)
}

/// The line of a pattern that begins at an item.
fn hit(rule: &Rule, items: &[Item], at: usize) -> Option<usize> {
    let word_at = |index: usize| match items.get(index) {
        Some(Item::Word { text, scope, .. }) => Some((text.as_str(), *scope)),
        Some(Item::Break | Item::Start) | None => None,
    };
    let is_start = at.checked_sub(1).is_none_or(|before| items.get(before) == Some(&Item::Start));
    for (offset, word) in rule.words.iter().enumerate() {
        let (text, scope) = word_at(at + offset)?;
        let is_in_scope = match rule.scope {
            Scope::Any => true,
            Scope::Text => scope == Scope::Text,
            Scope::Name => scope == Scope::Name,
            Scope::Start => scope == Scope::Text && is_start,
            Scope::Type => false,
        };
        if !is_in_scope || text != word {
            return None;
        }
    }
    let is_one_of = |index: Option<usize>, list: &[String]| {
        let word = index.and_then(word_at);
        word.is_some_and(|(text, _)| list.iter().any(|listed| listed == text))
    };
    if is_one_of(at.checked_sub(1), &rule.not_after)
        || is_one_of(Some(at + rule.words.len()), &rule.not_before)
    {
        return None;
    }
    match items.get(at) {
        Some(Item::Word { line, .. }) => Some(*line),
        Some(Item::Break | Item::Start) | None => None,
    }
}

fn syntax_of(name: &str) -> Syntax {
    match name.rsplit('.').next() {
        Some("rs") => Syntax::Rust,
        Some("ts" | "tsx" | "js" | "mjs") => Syntax::Script,
        Some(_) | None => Syntax::Prose,
    }
}

/// The words of a file. Comment lines below one another are one text.
fn items(text: &str, syntax: Syntax) -> Vec<Item> {
    let mut items = Vec::new();
    let mut previous = Kind::Code;
    let mut is_off = false;
    for part in parts(text, syntax) {
        let is_blank = part.kind == Kind::Code && part.text.trim().is_empty();
        if is_blank && part.text.matches('\n').count() < 2 {
            continue;
        }
        if part.kind != previous || part.kind == Kind::Literal || part.text.trim().is_empty() {
            items.push(Item::Start);
        }
        previous = part.kind;
        match part.kind {
            Kind::Comment | Kind::Literal => {
                for (line, text) in (part.line..).zip(part.text.split('\n')) {
                    is_off = (is_off || text.trim() == OLD_WORDS.0) && text.trim() != OLD_WORDS.1;
                    if !is_off {
                        text_items(text, line, &mut items);
                    }
                }
            }
            Kind::Code => code_items(part, syntax, &mut items),
        }
    }
    items
}

/// The words of a line of text; signs other than spaces and hyphens end a phrase.
fn text_items(text: &str, line: usize, items: &mut Vec<Item>) {
    let plain = text.trim_start();
    let is_new = ["#", "|", "- ", "* "].iter().any(|mark| plain.starts_with(mark));
    if is_new || plain.is_empty() {
        items.push(Item::Start);
    }
    let mut word = String::new();
    for sign in text.chars().chain([' ']) {
        if sign.is_alphanumeric() || sign == '\'' || sign == '_' {
            word.push(sign);
            continue;
        }
        push_name(&mut word, line, Scope::Text, items);
        match sign {
            '.' | '?' | '!' | ':' | '|' | '>' => items.push(Item::Start),
            ' ' | '-' | '`' | '*' | '#' | '\\' | '\t' | '\r' => {}
            _ => items.push(Item::Break),
        }
    }
}

/// The identifiers of code, each for itself; and the text between tags.
fn code_items(part: Part<'_>, syntax: Syntax, items: &mut Vec<Item>) {
    for (line, text) in (part.line..).zip(part.text.split('\n')) {
        for run in text.split(|sign: char| "(){}[]<>=;:,.?!&|+*/%\"'#@".contains(sign)) {
            let first = run.split_whitespace().next().unwrap_or_default();
            let is_text = syntax == Syntax::Script && !STATEMENTS.contains(&first);
            if is_text && run.trim().contains(' ') {
                items.push(Item::Start);
                text_items(run, line, items);
                continue;
            }
            for name in run.split(|sign: char| !sign.is_alphanumeric() && sign != '_') {
                items.push(Item::Break);
                push_name(&mut String::from(name), line, Scope::Name, items);
            }
        }
        items.push(Item::Break);
    }
}

/// Adds the words of a name: `hard_pressed` and `HardPressed` are two.
fn push_name(name: &mut String, line: usize, scope: Scope, items: &mut Vec<Item>) {
    let words = split_name(name);
    // An identifier inside a text is an identifier.
    let scope = if words.len() > 1 { Scope::Name } else { scope };
    items.extend(words.into_iter().map(|text| Item::Word { text, line, scope }));
    name.clear();
}

fn split_name(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_lower = false;
    for sign in name.chars() {
        let starts = sign == '_' || (sign.is_uppercase() && is_lower);
        is_lower = sign.is_lowercase();
        if starts {
            words.push(String::new());
        }
        if sign != '_'
            && let Some(word) = words.last_mut()
        {
            word.extend(sign.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a name ends with the words of a rule, or its last word with an ending.
fn ends_with(words: &[String], rule: &Rule) -> bool {
    let Some(last) = words.last() else { return false };
    match rule.words.as_slice() {
        [only] if only.starts_with('*') => {
            last.ends_with(only.trim_start_matches('*')) && !rule.not_before.contains(last)
        }
        pattern => words.ends_with(pattern),
    }
}

/// The code of each line.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    parts(text, Syntax::Rust)
        .into_iter()
        .filter(|part| part.kind == Kind::Code)
        .flat_map(|part| (part.line..).zip(part.text.split('\n')))
}

/// Test functions with a name that is too long.
fn test_names(text: &str) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    let mut is_test = false;
    for (line, code) in code_lines(text) {
        let code = code.trim_start();
        if code.starts_with("#[") {
            is_test |= code.contains("test") && !code.contains("cfg");
        } else if let Some((_, rest)) = code.split_once("fn ") {
            let name = rest.split('(').next().unwrap_or_default();
            if is_test && name.len() > TEST_NAME_MAX {
                let length = name.len();
                findings.push((line, format!("test name of {length} characters: 72 at most")));
            }
            is_test = false;
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# comment\nany hard pressed | kept out => blocked\n\
                        any !there is no !longer,more => is not a\nname told => reported\n\
                        type told | *ed !feed => a noun\nstart who => a noun\n\
                        text let go => disconnect\n";

    fn hits(name: &str, text: &str) -> usize {
        Words::parse(LIST).unwrap().check(name, text).len()
    }

    #[test]
    fn phrase_is_found_in_code_comments_and_texts() {
        let cases = [
            ("// It is hard-pressed.\n", 1),
            ("/// It is hard\n/// pressed.\n", 1),
            ("// It is hard.\n// Pressed\n", 0),
            ("// It is hard\nfn f() {}\n// pressed\n", 0),
            ("fn is_hard_pressed() {}\n", 1),
            ("struct HardPressed;\n", 2),
            ("let hard = pressed;\n", 0),
            ("let text = \"clients are kept \\\n out\";\n", 1),
            ("// see `hard_pressed`\n", 1),
            ("// a ticket is no token\n", 1),
            ("// there is no token, and it is no longer valid\n", 0),
            ("let go = 1; // let them go\n", 0),
            ("// let go\n", 1),
            ("// a client is told\nfn told() {}\n", 1),
        ];
        for (text, expect) in cases {
            assert_eq!(hits("x.rs", text), expect, "{text}");
        }
    }

    #[test]
    fn participle_as_a_type_is_found() {
        let cases = [
            ("struct Told;\n", 2),
            ("pub enum KeyTold {}\n", 2),
            ("type Verified = u8;\n", 1),
            ("struct ToldCount;\n", 1),
            ("struct CommitFeed;\n", 0),
            ("enum E { Closed }\n", 0),
        ];
        for (text, expect) in cases {
            assert_eq!(hits("x.rs", text), expect, "{text}");
        }
    }

    #[test]
    fn sentence_that_starts_with_a_listed_word_is_found() {
        let cases = [
            ("/// Who comes, waits.\n", 1),
            ("/// A user\n/// who comes.\n", 0),
            ("/// It waits. Who comes?\n", 1),
            ("let who = 1;\n", 0),
            ("let text = \"Who\";\n", 1),
        ];
        for (text, expect) in cases {
            assert_eq!(hits("x.rs", text), expect, "{text}");
        }
        assert_eq!(hits("x.md", "# Who may enter\n\n- Who else\n- those who\nwho stay\n"), 2);
    }

    #[test]
    fn scripts_and_pages_are_checked() {
        let cases = [
            ("x.tsx", "return <p>You are kept out</p>;\n", 1),
            ("x.tsx", "<p>\n  You are kept out\n</p>\n", 1),
            ("x.ts", "const keptOut = 1;\n", 1),
            ("x.ts", "let go = 'kept out'; // kept out\n", 1),
            ("x.html", "<p>kept out</p>\n", 1),
            ("x.md", "kept\nout, told\n", 1),
            ("x.md", "<!-- old words -->\n| kept out |\n<!-- end of old words -->\nkept out\n", 1),
        ];
        for (name, text, expect) in cases {
            assert_eq!(hits(name, text), expect, "{text}");
        }
    }

    #[test]
    fn test_name_over_the_limit_is_found() {
        let test = |length: usize| format!("#[test]\nfn {}() {{}}\n", "a".repeat(length));
        assert_eq!(hits("x.rs", &test(72)), 0);
        assert_eq!(hits("x.rs", &test(73)), 1);
        assert_eq!(hits("x.rs", &test(73).replace("#[test]", "#[cfg(test)]")), 0);
        assert_eq!(hits("x.rs", &test(73).replace("#[test]", "#[tokio::test]")), 1);
    }

    #[test]
    fn list_of_this_repository_is_readable() {
        assert!(!Words::open(&crate::command::root()).unwrap().rules.is_empty());
        assert!(Words::parse("any kept out\n").is_err());
        assert!(Words::parse("everywhere kept out => blocked\n").is_err());
    }
}
