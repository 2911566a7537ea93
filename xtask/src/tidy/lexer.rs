//! Divides a source file into code, comments and text literals, and code into tokens.
//! Never: a syntax tree; the checks need only the words and their order.

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syntax {
    /// Rust.
    Rust,
    /// TypeScript and JavaScript, with or without tags.
    Script,
    /// Text that people read: Markdown, and every other format.
    Prose,
}

/// What a part of a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Identifiers and signs.
    Code,
    /// A comment, without the signs that start it.
    Comment,
    /// The inside of a string literal.
    Literal,
}

/// A part of a file, with the number of its first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// A token of code. A literal is one token without its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Token<'a> {
    /// An identifier, a keyword or a number.
    Word(&'a str),
    /// Two colons.
    Path,
    /// Any other sign.
    Sign(char),
    /// A string literal.
    Literal,
}

/// Divides a file. The parts leave out the delimiters of comments and literals.
pub(crate) fn parts(text: &str, syntax: Syntax) -> Vec<Part<'_>> {
    if syntax == Syntax::Prose {
        return vec![Part { kind: Kind::Comment, text, line: 1 }];
    }
    let mut lexer = Lexer { text, syntax, at: 0, start: 0, parts: Vec::new() };
    lexer.run();
    let mut line = (1, 0);
    for part in &mut lexer.parts {
        let begin = part.text.as_ptr().addr() - text.as_ptr().addr();
        let between = text.get(line.1..begin).unwrap_or_default();
        line = (line.0 + between.matches('\n').count(), begin);
        part.line = line.0;
    }
    lexer.parts
}

struct Lexer<'a> {
    text: &'a str,
    syntax: Syntax,
    at: usize,
    /// Where the current code began.
    start: usize,
    parts: Vec<Part<'a>>,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) {
        while let Some(sign) = self.rest().chars().next() {
            let rest = self.rest();
            if rest.starts_with("//") && !self.is_in_address() {
                let end = rest.find('\n').unwrap_or(rest.len());
                let text = rest.get(..end).unwrap_or_default();
                let inside = text.trim_start_matches(['/', '!']);
                self.push(Kind::Comment, end - inside.len(), inside.len(), 0);
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").unwrap_or(rest.len());
                self.push(Kind::Comment, 2, end.saturating_sub(2), 2);
            } else if let Some(hashes) = self.raw_hashes() {
                let close = format!("\"{}", "#".repeat(hashes));
                let inside = rest.get(hashes + 1..).unwrap_or_default();
                let length = inside.find(&close).unwrap_or(inside.len());
                self.push(Kind::Literal, hashes + 1, length, close.len());
            } else if sign == '"' || (self.syntax == Syntax::Script && "'`".contains(sign)) {
                let length = literal_len(rest.get(1..).unwrap_or_default(), sign, self.syntax);
                self.push(Kind::Literal, 1, length, 1);
            } else if sign == '\'' {
                self.at += character_len(rest);
            } else {
                self.at += sign.len_utf8();
            }
        }
        self.push(Kind::Code, 0, 0, 0);
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Whether two slashes belong to an address in the text between tags.
    fn is_in_address(&self) -> bool {
        self.syntax == Syntax::Script
            && self.text.get(..self.at).is_some_and(|before| before.ends_with(':'))
    }

    /// How many `#` open a raw string here, if one starts.
    fn raw_hashes(&self) -> Option<usize> {
        if self.syntax != Syntax::Rust {
            return None;
        }
        let before = self.text.get(..self.at)?;
        let prefix = before.trim_end_matches(|sign: char| sign.is_alphanumeric() || sign == '_');
        if !["r", "br", "cr"].contains(&before.get(prefix.len()..)?) {
            return None;
        }
        let rest = self.rest();
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        rest.get(hashes..)?.starts_with('"').then_some(hashes)
    }

    /// Ends the current code and adds a part between two delimiters.
    fn push(&mut self, kind: Kind, open: usize, length: usize, close: usize) {
        let code = self.text.get(self.start..self.at).unwrap_or_default();
        if !code.is_empty() {
            self.parts.push(Part { kind: Kind::Code, text: code, line: 0 });
        }
        if kind != Kind::Code {
            let begin = self.at + open;
            let text = self.text.get(begin..begin + length).unwrap_or_default();
            self.parts.push(Part { kind, text, line: 0 });
        }
        self.at = (self.at + open + length + close).min(self.text.len());
        self.start = self.at;
    }
}

/// The length of a literal up to the sign that closes it.
fn literal_len(inside: &str, close: char, syntax: Syntax) -> usize {
    let mut escaped = false;
    for (at, sign) in inside.char_indices() {
        let ends_line = sign == '\n' && syntax == Syntax::Script && close != '`';
        if (sign == close && !escaped) || ends_line {
            return at;
        }
        escaped = sign == '\\' && !escaped;
    }
    inside.len()
}

/// The length of a character literal, or of the quote of a lifetime.
fn character_len(rest: &str) -> usize {
    let mut signs = rest.char_indices().skip(1);
    match signs.next() {
        Some((_, '\\')) => {
            let close = signs.skip(1).find(|(_, sign)| *sign == '\'');
            close.map_or(1, |(at, _)| at + 1)
        }
        Some(_) => match signs.next() {
            Some((at, '\'')) => at + 1,
            Some(_) | None => 1,
        },
        None => 1,
    }
}

/// The tokens of Rust code, without comments and without what only tests compile.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for part in parts(text, Syntax::Rust) {
        match part.kind {
            Kind::Code => tokenize(part.text, &mut tokens),
            Kind::Literal => tokens.push(Token::Literal),
            Kind::Comment => {}
        }
    }
    tokens
}

fn tokenize<'a>(code: &'a str, tokens: &mut Vec<Token<'a>>) {
    let mut rest = code;
    while let Some(sign) = rest.chars().next() {
        let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
        let length = if is_word(sign) {
            let end = rest.find(|sign| !is_word(sign)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest.get(..end).unwrap_or_default()));
            end
        } else if rest.starts_with("::") {
            tokens.push(Token::Path);
            2
        } else {
            if !sign.is_whitespace() && sign != '"' && sign != '\'' {
                tokens.push(Token::Sign(sign));
            }
            sign.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Leaves out every item under `#[cfg(test)]`.
pub(crate) fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    const TEST: [Token<'_>; 7] = [
        Token::Sign('#'),
        Token::Sign('['),
        Token::Word("cfg"),
        Token::Sign('('),
        Token::Word("test"),
        Token::Sign(')'),
        Token::Sign(']'),
    ];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(item) = rest.strip_prefix(&TEST) {
            rest = item.get(item_len(item)..).unwrap_or_default();
        } else {
            kept.push(*first);
            rest = behind;
        }
    }
    kept
}

/// How many tokens an item has: up to its semicolon or the brace that closes it.
fn item_len(item: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (index, token) in item.iter().enumerate() {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                depth = depth.saturating_sub(1);
                let is_import = item.first() == Some(&Token::Word("use"));
                if depth == 0 && !is_import {
                    return index + 1;
                }
            }
            Token::Sign(';') if depth == 0 => return index + 1,
            Token::Word(_) | Token::Path | Token::Sign(_) | Token::Literal => {}
        }
    }
    item.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, syntax: Syntax) -> Vec<(Kind, &str, usize)> {
        let parts = parts(text, syntax).into_iter();
        let shown = parts.map(|part| (part.kind, part.text.trim(), part.line));
        shown.filter(|(_, text, _)| !text.is_empty()).collect()
    }

    #[test]
    fn rust_file_is_divided_into_code_comments_and_literals() {
        let text = "//! Header\nlet a = \"b \\\" // c\"; // d\nlet e = r#\"f \"g\"#;\n\
                    let h = '\"';\nfn i<'a>(j: &'a str) {} /* k\n*/ l(b\"m\")";
        let expect = [
            (Kind::Comment, "Header", 1),
            (Kind::Code, "let a =", 1),
            (Kind::Literal, "b \\\" // c", 2),
            (Kind::Code, ";", 2),
            (Kind::Comment, "d", 2),
            (Kind::Code, "let e = r", 2),
            (Kind::Literal, "f \"g", 3),
            (Kind::Code, ";\nlet h = '\"';\nfn i<'a>(j: &'a str) {}", 3),
            (Kind::Comment, "k", 5),
            (Kind::Code, "l(b", 6),
            (Kind::Literal, "m", 6),
            (Kind::Code, ")", 6),
        ];
        assert_eq!(shown(text, Syntax::Rust), expect);
    }

    #[test]
    fn script_is_divided_into_code_comments_and_literals() {
        let text = "const a = 'b'; // c\nd(`e ${f}`)\n<p>It isn't at http://g.example</p>\nh";
        let expect = [
            (Kind::Code, "const a =", 1),
            (Kind::Literal, "b", 1),
            (Kind::Code, ";", 1),
            (Kind::Comment, "c", 1),
            (Kind::Code, "d(", 1),
            (Kind::Literal, "e ${f}", 2),
            (Kind::Code, ")\n<p>It isn", 2),
            (Kind::Literal, "t at http://g.example</p>", 3),
            (Kind::Code, "h", 4),
        ];
        assert_eq!(shown(text, Syntax::Script), expect);
    }

    #[test]
    fn items_of_tests_are_left_out_of_tokens() {
        let text = "use a::b;\n#[cfg(test)]\nuse c::{d, e};\nfn f() {}\n#[cfg(test)]\nmod tests {\n\
                    fn g() {}\n}\nstruct H;\n#[cfg(test)]\nmod i;\n";
        let tokens = tokens(text);
        let words: Vec<&str> = without_tests(&tokens)
            .iter()
            .filter_map(|token| match token {
                Token::Word(word) => Some(*word),
                Token::Path | Token::Sign(_) | Token::Literal => None,
            })
            .collect();
        assert_eq!(words, ["use", "a", "b", "fn", "f", "struct", "H"]);
    }
}
