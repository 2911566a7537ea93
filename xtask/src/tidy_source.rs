//! One source file after another: length, header, functions, names.
//! Never: a parser; lines as rustfmt lays them out are enough.

const FILE_MAX_LINES: usize = 400;
const FUNCTION_MAX_LINES: usize = 60;
const LINE_MAX_CHARS: usize = 100;

/// Words that say nothing, as part of a type's or file's name.
const EMPTY_WORDS: [&str; 4] = ["Manager", "Util", "Helper", "Common"];
/// Marks of unfinished work, put together so that this file does not hold them.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// What is wrong, each as `:line what`.
pub(crate) fn check(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let tests = name.contains("/tests/") || name.ends_with("_tests.rs");
    let lines: Vec<&str> = text.lines().collect();
    check_header(&lines, &mut findings);
    let code = code_lines(&lines);
    if !tests && code > FILE_MAX_LINES {
        findings
            .push(format!(": {code} lines, more than {FILE_MAX_LINES}; one noun or act a file"));
    }
    for (index, line) in lines.iter().enumerate() {
        check_line(index + 1, line, &mut findings);
    }
    if !tests {
        check_functions(lines.get(..code).unwrap_or(&lines), &mut findings);
    }
    findings
}

/// Lines before the file's own tests.
fn code_lines(lines: &[&str]) -> usize {
    let test = lines.windows(2).position(|pair| {
        pair.first() == Some(&"#[cfg(test)]")
            && pair.get(1).is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    });
    test.unwrap_or(lines.len())
}

fn check_header(lines: &[&str], findings: &mut Vec<String>) {
    if !lines.first().is_some_and(|line| line.starts_with("//! ") && line.len() > 12) {
        findings.push(String::from(":1 the first line says what the file is for (//! …)"));
    }
    let header = lines.iter().take_while(|line| line.starts_with("//!"));
    if !header.into_iter().any(|line| line.starts_with("//! Never: ") && line.len() > 13) {
        findings.push(String::from(":2 the second line says what it never does (//! Never: …)"));
    }
}

fn check_line(number: usize, line: &str, findings: &mut Vec<String>) {
    if line.chars().count() > LINE_MAX_CHARS {
        findings.push(format!(":{number} longer than {LINE_MAX_CHARS} characters"));
    }
    let code = line.trim_start();
    if code.starts_with(concat!("#[", "allow(")) || code.starts_with(concat!("#![", "allow(")) {
        findings.push(format!(":{number} say why: #[expect(lint, reason = \"…\")]"));
    }
    if UNFINISHED.iter().any(|mark| code.contains(mark)) {
        findings.push(format!(":{number} unfinished work"));
    }
    if let Some(name) = declared(code, "fn ") {
        if name.starts_with("get_") {
            findings.push(format!(":{number} {name}: a getter is named after what it gives"));
        }
    }
    for keyword in ["struct ", "enum ", "trait "] {
        if let Some(name) = declared(code, keyword) {
            // A word counts as part of a name, `Common` on its own says what shards share.
            let empty = EMPTY_WORDS.iter().any(|word| name.ends_with(word) && name != *word);
            if empty {
                findings.push(format!(":{number} {name}: the name says nothing"));
            }
        }
    }
}

/// The name declared on this line after a keyword.
fn declared<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    let start = code.find(keyword)?;
    let before = code.get(..start)?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "async", "const"];
    if !before.split_whitespace().all(|word| modifiers.contains(&word)) {
        return None;
    }
    let rest = code.get(start + keyword.len()..)?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    rest.get(..end.unwrap_or(rest.len()))
}

/// A function reaches from its `fn` line to the closing brace at the same depth.
fn check_functions(lines: &[&str], findings: &mut Vec<String>) {
    for (index, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = declared(code, "fn ") else { continue };
        let depth = line.len() - code.len();
        let closing = format!("{}}}", " ".repeat(depth));
        let rest = lines.get(index..).unwrap_or_default();
        let ends_here = code.ends_with(';') || code.ends_with('}');
        let length = rest.iter().position(|line| **line == closing).map_or(0, |end| end + 1);
        if !ends_here && length > FUNCTION_MAX_LINES {
            findings.push(format!(":{} fn {name} has {length} lines", index + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "//! What this file is for.\n//! Never: anything else.\n";

    fn found(body: &str) -> usize {
        check("crates/x/src/x.rs", &format!("{HEADER}{body}")).len()
    }

    #[test]
    fn headers_are_needed() {
        assert_eq!(check("x.rs", "fn main() {}\n").len(), 2);
        assert_eq!(found(""), 0);
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(found(&"// x\n".repeat(399)), 1);
        assert_eq!(found(&format!("// {}\n", "x".repeat(98))), 1);
        let long = format!("fn long() {{\n{}}}\n", "    work();\n".repeat(60));
        assert_eq!(found(&long), 1);
        let short = format!("fn short() {{\n{}}}\n", "    work();\n".repeat(58));
        assert_eq!(found(&short), 0);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // x\n".repeat(500));
        assert_eq!(found(&tests), 0);
    }

    #[test]
    fn names_and_marks() {
        let cases = [
            ("fn get_name() {}\n", 1),
            ("pub(crate) async fn get_name() {}\n", 1),
            ("fn name() {}\n", 0),
            ("struct RoomManager;\n", 1),
            ("struct Common;\n", 0),
            ("// calls get_name\n", 0),
        ];
        for (body, expect) in cases {
            assert_eq!(found(body), expect, "{body:?}");
        }
        assert_eq!(found(concat!("#[", "allow(dead_code)]\n")), 1);
        assert_eq!(found(&format!("// {}: later\n", UNFINISHED[0])), 1);
    }
}
