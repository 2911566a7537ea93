//! Tests that the command line accepts every command of the documentation.
//! Never: runs a command.

use std::path::Path;

use clap::error::ErrorKind;

use crate::cli::definition;

/// The words that start a command; `trial` is a function of a page, which calls the program.
const PROGRAMS: [&str; 4] = ["portcullis", "/usr/bin/portcullis", "portcullisctl", "trial"];
/// Code in sentences that begins with the name of the program and is not a command.
const NOT_COMMANDS: [&str; 2] = ["portcullis operator request", "portcullis operator answer"];
/// Values for placeholders; one of them has to be valid for all placeholders of a line.
const VALUES: [&str; 6] = ["POST", "192.0.2.0/24", "192.0.2.1", "127.0.0.1:9443", "2h", "7"];
/// Languages of blocks with commands.
const LANGUAGES: [&str; 3] = ["sh", "console", "text"];

/// A command of a page.
struct Line {
    page: String,
    text: String,
    /// Whether it is in a block, where a command has to be complete. In a sentence, it can be the
    /// name of a command without its arguments.
    is_complete: bool,
}

/// The reason why the command line rejects a command.
fn fault(text: &str, is_complete: bool) -> Option<String> {
    let words = arguments(text);
    if words.first().is_some_and(|word| is_placeholder(word)) {
        return None;
    }
    let mut reason = String::new();
    // First as it is: a word in capitals can be a value.
    for value in std::iter::once(None).chain(VALUES.map(Some)) {
        let filled = words.iter().map(|word| match value.filter(|_| is_placeholder(word)) {
            Some(value) => String::from(value),
            None => word.clone(),
        });
        let whole = std::iter::once(String::from("portcullis")).chain(filled);
        match definition().try_get_matches_from(whole).map_err(|error| (error.kind(), error)) {
            Ok(_) => return None,
            Err((
                ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                _,
            )) if !is_complete => return None,
            Err((_, error)) => reason = error.to_string(),
        }
    }
    Some(reason)
}

/// Whether a reader replaces a word: capitals, brackets, a variable of the shell, an ellipsis.
fn is_placeholder(word: &str) -> bool {
    let capitals = |sign: char| sign.is_ascii_uppercase() || ['_', '|'].contains(&sign);
    word.len() > 1 && word.chars().all(capitals)
        || word.starts_with('$')
        || word.starts_with('<') && word.ends_with('>')
        || word.contains('…')
        || word.contains("...")
}

/// The arguments of a command, without quotes, comments and redirections. Square brackets around
/// optional arguments are left out, and the first of several alternatives is taken.
fn arguments(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in shell_words(text) {
        if ["<", ">", ">>", "|", "#", "&&"].contains(&word.as_str()) {
            break;
        }
        let word = word.trim_start_matches('[').trim_end_matches(']');
        if word == "…" || word == "$@" {
            continue;
        }
        let first = word.split('|').next().unwrap_or_default();
        let is_choice = !is_placeholder(word) && !first.contains(' ');
        words.push(String::from(if is_choice { first } else { word }));
    }
    words
}

/// The words of a line, as a shell separates them.
fn shell_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    for sign in text.chars() {
        match quote {
            Some(end) if sign == end => quote = None,
            Some(_) => word.push(sign),
            None if sign == '"' || sign == '\'' => (quote, is_word) = (Some(sign), true),
            None if sign.is_whitespace() => {
                if is_word || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            None => word.push(sign),
        }
    }
    if is_word || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The words after the program in each command of a line of a shell.
fn commands(line: &str) -> Vec<&str> {
    let code = line.split(" # ").next().unwrap_or_default();
    let mut found = Vec::new();
    let by_path = " /usr/bin/portcullis ";
    for part in code.split("&&").flat_map(|part| part.split("; ")).flat_map(|part| part.split("| "))
    {
        let mut rest = part.trim_start().trim_start_matches("$ ");
        while let Some((word, after)) = rest.split_once(char::is_whitespace) {
            let after = after.trim_start();
            // A container runs the program by its path, and can have the same name.
            let is_name = !word.starts_with('/') && part.contains(by_path);
            if PROGRAMS.contains(&word) && !is_name {
                found.push(after);
                break;
            }
            rest = match word {
                "sudo" => after,
                "-u" => after.split_once(char::is_whitespace).map_or("", |(_, rest)| rest),
                _ if part.contains(by_path) => after,
                _ if word.contains('=') => after,
                _ => break,
            };
        }
    }
    found
}

/// All commands of a page.
fn lines_of(page: &str, text: &str) -> Vec<Line> {
    let (mut lines, mut language, mut joined) = (Vec::new(), None, String::new());
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix("```") {
            language = if language.is_none() { Some(name) } else { None };
            continue;
        }
        match language {
            Some(name) if LANGUAGES.contains(&name) => {
                joined.push_str(trimmed);
                if joined.ends_with('\\') {
                    joined.pop();
                    continue;
                }
                let found = commands(&joined).into_iter().map(String::from);
                lines.extend(found.map(|text| (text, true)));
                joined.clear();
            }
            Some(_) => {}
            None => lines.extend(in_sentence(line).map(|text| (text, false))),
        }
    }
    let line = |(text, is_complete)| Line { page: String::from(page), text, is_complete };
    lines.into_iter().map(line).collect()
}

/// Commands in the code of a sentence.
fn in_sentence(line: &str) -> impl Iterator<Item = String> {
    // In tables, a bar is written with a backslash.
    let spans = line.split('`').skip(1).step_by(2).map(|span| span.replace("\\|", "|"));
    let spans = spans.filter(|span| !NOT_COMMANDS.iter().any(|start| span.starts_with(start)));
    spans.flat_map(|span| commands(&span).into_iter().map(String::from).collect::<Vec<_>>())
}

#[test]
fn documented_commands_are_accepted_by_the_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = root.join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let others = ["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root.join(name));
    let mut lines = Vec::new();
    for path in docs.chain(others).filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        lines.extend(lines_of(&name, &std::fs::read_to_string(&path).unwrap()));
    }
    let mut faults = Vec::new();
    for Line { page, text, is_complete } in &lines {
        if let Some(fault) = fault(text, *is_complete) {
            faults.push(format!("{page}: portcullis {text}\n{fault}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let complete = lines.iter().filter(|line| line.is_complete).count();
    assert!(complete > 80 && lines.len() > 200, "{complete} of {} commands", lines.len());
}

#[test]
fn wrong_command_is_found() {
    for (line, expect) in [
        ("portcullis user ban ann --for 24h   # and so on", 0),
        ("portcullis user lock", 1),
        ("portcullis users list", 1),
        ("portcullis doctor --xml", 1),
        ("portcullis state pin overloaded", 1),
        ("portcullis state pin shedding --for 2", 1),
        ("portcullis state pin shedding --for TIME", 0),
        ("sudo portcullisctl block add PREFIX --reason TEXT", 0),
        ("sudo portcullisctl block add PREFIX --for office --reason TEXT", 1),
        ("sudo -u portcullis portcullis why <ref>", 0),
        ("$ portcullis why 7f3kq09mzx2c", 0),
        ("cat access.log | portcullis limits simulate /dev/stdin", 0),
        ("cat access.log | portcullis limits replay /dev/stdin", 1),
        ("A=1 portcullis check && portcullis start", 1),
        ("docker exec portcullis /usr/bin/portcullis health --quiet", 1),
        ("sudo systemctl reload portcullis now", 0),
        ("portcullis user password ann < new.txt", 0),
        ("portcullis token make --issuer https://app.example \\\n  --subjects 42", 1),
    ] {
        let page = format!("```sh\n{line}\n```\n");
        let faults = lines_of("page", &page);
        let faults = faults.iter().filter_map(|line| fault(&line.text, line.is_complete));
        assert_eq!(faults.count(), expect, "{line}");
    }
}

#[test]
fn code_in_a_sentence_can_name_a_command_without_its_arguments() {
    for (line, expect) in [
        ("run `portcullis limits explain ADDRESS\\|USER`", 0),
        ("`portcullis user`, `portcullis user …` and `portcullis user door`", 0),
        ("`portcullis init [FILE]`, `portcullis serve [--profile strict|production]`", 0),
        ("| a | `portcullis token make NAME \\| portcullis doctor --json` |", 0),
        ("| a | `portcullis token make NAME \\| portcullis doctor --xml` |", 1),
        ("`portcullis user doors`", 1),
        ("`sudo portcullisctl COMMAND`", 0),
        ("`portcullis operator request v1`", 0),
        ("`portcullis block add --why TEXT`", 1),
    ] {
        let faults = lines_of("page", line);
        let faults = faults.iter().filter_map(|line| fault(&line.text, line.is_complete));
        assert_eq!(faults.count(), expect, "{line}");
    }
}
