//! The map of the code in `ARCHITECTURE.md`: each file that it names exists, with its functions.
//! Never: whether a row answers its question; its author reads the file.

/// The section whose last column names functions.
const SECTION: &str = "## Where is";
/// Endings of the files that are checked.
const ENDINGS: [&str; 4] = [".rs", ".ts", ".tsx", ".mjs"];
/// Folders of the root that paths can begin with.
const ROOTS: [&str; 8] =
    ["crates/", "web/", "xtask/", "tests/", "bench/", "fuzz/", "docs/", "monitoring/"];

/// A file of the repository: its path below the root, and its text.
type File = (String, String);

/// The faults of the files and names of a document, each as `:line fault`.
pub(crate) fn check(text: &str, files: &[File]) -> Vec<String> {
    let (mut findings, mut in_code, mut in_section) = (Vec::new(), false, false);
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        if line.starts_with("## ") {
            in_section = line.starts_with(SECTION);
        }
        let found = line_findings(line, files, in_section);
        findings.extend(found.into_iter().map(|finding| format!(":{number} {finding}")));
    }
    findings
}

fn line_findings(line: &str, files: &[File], in_section: bool) -> Vec<String> {
    let is_row = line.starts_with('|');
    let (mut findings, mut found) = (Vec::new(), Vec::new());
    let mut folder = None;
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 0 {
            // The last crate that a row names is the crate of the files after it.
            let mut words = part.rsplit([' ', '|', ',', ';']);
            folder = words.find_map(|word| of(word, files)).or(folder);
            continue;
        }
        if !ENDINGS.iter().any(|ending| part.ends_with(ending)) || part.contains(['*', ' ']) {
            continue;
        }
        let named = matching(part, folder.as_deref().filter(|_| is_row), files);
        if named.is_empty() {
            findings.push(format!("`{part}`: there is no such file"));
        }
        found.extend(named);
    }
    if in_section && is_row && !found.is_empty() {
        findings.extend(missing_names(line, &found));
    }
    findings
}

/// The source folder of a crate, by the name without `portcullis-`.
fn of(word: &str, files: &[File]) -> Option<String> {
    let folder = match word {
        "portcullis" => String::from("crates/portcullis/src/"),
        "" => return None,
        word => format!("crates/portcullis-{word}/src/"),
    };
    files.iter().any(|(name, _)| name.starts_with(&folder)).then_some(folder)
}

/// The files that a path can mean: below the crate, below the root, or anywhere.
fn matching<'a>(path: &str, folder: Option<&str>, files: &'a [File]) -> Vec<&'a File> {
    let is_rooted = ROOTS.iter().any(|root| path.starts_with(root));
    let is_meant = |name: &str| match folder {
        _ if is_rooted && name == path => true,
        Some(folder) => name.strip_prefix(folder) == Some(path),
        None => name.strip_suffix(path).is_some_and(|rest| rest.is_empty() || rest.ends_with('/')),
    };
    files.iter().filter(|(name, _)| is_meant(name)).collect()
}

/// The names in the last cell of a row that none of its files contains.
fn missing_names(row: &str, files: &[&File]) -> Vec<String> {
    let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    let names = last.split('`').skip(1).step_by(2);
    let names = names.filter(|name| !ENDINGS.iter().any(|ending| name.ends_with(ending)));
    let missing = names.filter(|name| !files.iter().any(|(_, text)| text.contains(name)));
    missing.map(|name| format!("`{name}`: the files of this row do not contain it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_files_and_names_of_the_map_are_found() {
        let file = |name: &str, text: &str| (String::from(name), String::from(text));
        let files = [
            file("crates/portcullis-guard/src/load/state.rs", "fn lower() {}"),
            file("crates/portcullis-server/src/load/samples.rs", "fn take() {}"),
            file("web/src/api.ts", "function call() {}"),
        ];
        let cases = [
            ("the level is in `load/state.rs`", 0),
            ("the level is in `load/level.rs`", 1),
            ("| where | guard `load/state.rs`, server `load/samples.rs` | |", 0),
            ("| where | server `load/state.rs` | |", 1),
            ("## Where is it?\n| level | guard `load/state.rs` | `lower` |", 0),
            ("## Where is it?\n| level | guard `load/state.rs` | `raise` |", 1),
            ("## Where is it?\n| page | `web/src/api.ts` | `call` |", 0),
            ("## Else\n| level | guard `load/state.rs` | `raise` |", 0),
            ("```\n`load/level.rs`\n```", 0),
        ];
        for (text, expect) in cases {
            assert_eq!(check(text, &files).len(), expect, "{text}");
        }
    }
}
