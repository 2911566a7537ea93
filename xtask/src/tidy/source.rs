//! A Rust source file: its length, header, functions and names.
//! Never: parses; the lines as rustfmt formats them are enough.

const FILE_MAX_LINES: usize = 400;
const FUNCTION_MAX_LINES: usize = 60;
const LINE_MAX_CHARS: usize = 100;

/// Files that hold one long table.
const TABLES: [&str; 1] = ["crates/portcullis-model/src/rejection/table.rs"];

/// Crates of tests and tools; only these can start processes.
const PROCESS_STARTERS: [&str; 5] = [
    "crates/portcullis-test/",
    "xtask/",
    "bench/",
    // Programs that the operator configures, with fixed arguments and without a shell.
    "crates/portcullis-admin/src/transport/command.rs",
    "crates/portcullis-admin/src/transport/program_runner.rs",
];

/// Words without a meaning in the name of a type or file.
const EMPTY_WORDS: [&str; 4] = ["Manager", "Util", "Helper", "Common"];
/// Words that can precede the keyword of an item.
const MODIFIERS: [&str; 6] = ["pub", "pub(crate)", "pub(super)", "async", "const", "extern"];

/// What is wrong, each as `:line what`.
pub(crate) fn check(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let tests = is_test(name);
    let lines: Vec<&str> = text.lines().collect();
    check_header(&lines, &mut findings);
    check_file_name(name, &mut findings);
    let code = code_lines(&lines);
    if !tests && !TABLES.contains(&name) && code > FILE_MAX_LINES {
        findings.push(format!(
            ": {code} lines, more than {FILE_MAX_LINES}: divide the file along its parts"
        ));
    }
    let may_start = tests || PROCESS_STARTERS.iter().any(|folder| name.starts_with(folder));
    for (index, line) in lines.iter().enumerate() {
        check_line(index + 1, line, &mut findings);
        if !may_start && starts_process(line) {
            findings.push(format!(
                ":{} the server must not start processes, so that input cannot become a command",
                index + 1
            ));
        }
    }
    if !tests {
        check_functions(lines.get(..code).unwrap_or(&lines), &mut findings);
    }
    findings
}

/// Whether the whole file is tests. Limits of size do not apply to tests.
pub(crate) fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.ends_with("_tests.rs")
}

/// How many lines precede the unit tests of the file.
fn code_lines(lines: &[&str]) -> usize {
    let test = lines.windows(2).position(|pair| {
        pair.first() == Some(&"#[cfg(test)]")
            && pair.get(1).is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    });
    test.unwrap_or(lines.len())
}

fn check_header(lines: &[&str], findings: &mut Vec<String>) {
    let says = |number: usize, start: &str| {
        let rest = lines.get(number).and_then(|line| line.strip_prefix(start));
        rest.is_some_and(|rest| rest.trim().len() >= 4)
    };
    if !says(0, "//! ") || says(0, "//! Never: ") {
        findings.push(String::from(":1 the first line says what the file is for (//! …)"));
    }
    if !says(1, "//! Never: ") {
        findings.push(String::from(":2 the second line says what it never does (//! Never: …)"));
    }
}

fn check_file_name(name: &str, findings: &mut Vec<String>) {
    let file = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".rs");
    for word in EMPTY_WORDS.map(str::to_ascii_lowercase) {
        // `password_common` is about common passwords; `common` alone is about nothing.
        let empty = file == word || file == format!("{word}s");
        if empty || (word != "common" && file.split('_').any(|part| part == word)) {
            findings.push(format!(": {file}: the name has no meaning"));
        }
    }
}

fn check_line(number: usize, line: &str, findings: &mut Vec<String>) {
    if line.chars().count() > LINE_MAX_CHARS {
        findings.push(format!(":{number} longer than {LINE_MAX_CHARS} characters"));
    }
    let code = line.trim_start();
    if code.starts_with("//") {
        return;
    }
    if code.starts_with(concat!("#[", "allow(")) || code.starts_with(concat!("#![", "allow(")) {
        findings.push(format!(":{number} say why: #[expect(lint, reason = \"…\")]"));
    }
    if is_unsafe(code) {
        findings.push(format!(":{number} {}: use safe code", concat!("un", "safe")));
    }
    if let Some(name) = declared(code, "fn ")
        && name.starts_with("get_")
    {
        findings.push(format!(":{number} {name}: name a getter after its result, without `get_`"));
    }
    for keyword in ["struct ", "enum ", "trait ", "type "] {
        if let Some(name) = declared(code, keyword)
            && is_empty_name(name)
        {
            findings.push(format!(":{number} {name}: the name has no meaning"));
        }
    }
}

/// Whether a line of code names the type that starts processes.
fn starts_process(line: &str) -> bool {
    let code = line.trim_start();
    !code.starts_with("//") && code.contains("process::") && code.contains("Command")
}

/// Whether a part of a name has no meaning. `Common` alone is accepted: it is what all shards
/// share.
fn is_empty_name(name: &str) -> bool {
    let in_camel_case = |word: &str| {
        name.match_indices(word).any(|(at, _)| {
            let next = name.get(at + word.len()..).and_then(|rest| rest.chars().next());
            next.is_none_or(|letter| letter.is_uppercase() || letter == 's')
        })
    };
    name != "Common" && EMPTY_WORDS.iter().any(|word| in_camel_case(word))
}

/// Whether a line starts a block, function, trait or implementation that the compiler does not
/// check.
fn is_unsafe(code: &str) -> bool {
    let word = concat!("un", "safe");
    code.match_indices(word).any(|(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code.get(at + word.len()..).unwrap_or_default();
        let starts = before.is_none_or(|letter| letter.is_whitespace() || "({=".contains(letter));
        starts
            && [" {", " fn ", " impl", " trait ", " extern "].iter().any(|it| after.starts_with(it))
    })
}

/// The name declared on this line after a keyword.
fn declared<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    let start = code.find(keyword)?;
    let before = code.get(..start)?;
    if !before.split_whitespace().all(|word| MODIFIERS.contains(&word)) {
        return None;
    }
    let rest = code.get(start + keyword.len()..)?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    rest.get(..end.unwrap_or(rest.len()))
}

/// Finds long functions. A function ends at the closing brace with the indentation of its `fn`
/// line.
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

    const HEADER: &str = "//! Purpose of this file.\n//! Never: anything else.\n";

    fn found_in(name: &str, body: &str) -> usize {
        check(name, &format!("{HEADER}{body}")).len()
    }

    fn found(body: &str) -> usize {
        found_in("crates/x/src/x.rs", body)
    }

    #[test]
    fn missing_header_is_found() {
        let cases = [
            ("", 2),
            ("fn main() {}\n", 2),
            ("//! Purpose.\n", 1),
            ("//! Purpose.\n//!\n//! Never: more.\n", 1),
            ("//! Never: more.\n//! Never: more.\n", 1),
            ("//! Purpose.\n//! Never:\n", 1),
            ("// Purpose.\n//! Never: more.\n", 1),
            (HEADER, 0),
        ];
        for (text, expect) in cases {
            assert_eq!(check("crates/x/src/x.rs", text).len(), expect, "{text:?}");
        }
    }

    #[test]
    fn file_function_or_line_over_the_limit_is_found() {
        let function = |indent: &str, lines: usize| {
            format!("{indent}fn long() {{\n{}{indent}}}\n", "    work();\n".repeat(lines))
        };
        let tests = |body: &str| format!("#[cfg(test)]\nmod tests {{\n{body}}}\n");
        let cases = [
            ("// x\n".repeat(398), 0),
            ("// x\n".repeat(399), 1),
            (format!("// {}\n", "ä".repeat(97)), 0),
            (format!("// {}\n", "ä".repeat(98)), 1),
            (function("", 58), 0),
            (function("", 59), 1),
            (function("    ", 59), 1),
            (tests(&function("    ", 99)), 0),
            (tests(&"    // x\n".repeat(500)), 0),
            (String::from("fn one() {}\n"), 0),
            (format!("fn declared();\n{}", function("", 58)), 0),
        ];
        for (body, expect) in cases {
            assert_eq!(found(&body), expect, "{}", body.get(..40).unwrap_or(&body));
        }
        let long = "// x\n".repeat(500);
        for name in ["crates/x/tests/x.rs", "crates/x/src/x_tests.rs", "crates/x/src/x/tests.rs"] {
            assert_eq!(found_in(name, &long), 0, "{name}");
        }
    }

    #[test]
    fn process_start_in_the_server_is_found() {
        let body = "use std::process::{Command, Stdio};\n";
        assert_eq!(found(body), 1);
        assert_eq!(found("let made = tokio::process::Command::new(name);\n"), 1);
        assert_eq!(found(&format!("// {body}use std::process::ExitCode;\n")), 0);
        let others = ["crates/x/tests/x.rs", "crates/portcullis-test/src/x.rs", "xtask/src/x.rs"];
        for name in others {
            assert_eq!(found_in(name, body), 0, "{name}");
        }
    }

    #[test]
    fn name_without_meaning_is_found() {
        let cases = [
            ("fn get_name() {}\n", 1),
            ("pub(crate) async fn get_name() {}\n", 1),
            ("    pub const fn get_name() {}\n", 1),
            ("fn name() {}\n", 0),
            ("fn remove_name() {}\n", 0),
            ("struct RoomManager;\n", 1),
            ("pub struct ManagerOfRooms;\n", 1),
            ("enum RoomUtils {}\n", 1),
            ("pub(super) trait RoomHelper {}\n", 1),
            ("type CommonRoom = ();\n", 1),
            ("struct Common;\n", 0),
            ("struct Utility;\n", 0),
            ("struct Commonplace;\n", 0),
            ("// calls get_name of RoomManager\n", 0),
        ];
        for (body, expect) in cases {
            assert_eq!(found(body), expect, "{body:?}");
        }
        let files = [
            ("util.rs", 1),
            ("utils.rs", 1),
            ("common.rs", 1),
            ("room_helper.rs", 1),
            ("room_manager.rs", 1),
            ("password_common.rs", 0),
            ("utility.rs", 0),
        ];
        for (file, expect) in files {
            assert_eq!(found_in(&format!("crates/x/src/{file}"), ""), expect, "{file}");
        }
    }

    #[test]
    fn lint_or_safety_that_is_disabled_is_found() {
        let word = concat!("un", "safe");
        let cases = [
            (format!("#[{}(dead_code)]\n", "allow"), 1),
            (format!("    #![{}(dead_code)]\n", "allow"), 1),
            (String::from("#[expect(dead_code, reason = \"why\")]\n"), 0),
            (format!("let x = {word} {{ y }};\n"), 1),
            (format!("pub {word} fn f() {{}}\n"), 1),
            (format!("{word} impl Send for X {{}}\n"), 1),
            (format!("#![forbid({word}_code)]\n"), 0),
            (format!("// {word} {{ in prose }}\n"), 0),
            (format!("let text = \"an {word} combination\";\n"), 0),
        ];
        for (body, expect) in cases {
            assert_eq!(found(&body), expect, "{body:?}");
        }
    }
}
