//! Source files that no module contains: the compiler and the tests never see them.
//! Never: programs with a `main` of their own.

use std::collections::{BTreeMap, BTreeSet};

/// Folders whose files are modules of a crate or of a test program.
const PARTS: [&str; 2] = ["/src/", "/tests/"];
/// Files that Cargo finds by itself.
const ROOTS: [&str; 3] = ["lib", "main", "build"];

/// The findings, each as `file: fault`, of files: paths below the root and texts.
pub(crate) fn check(files: &[(String, String)]) -> Vec<String> {
    let texts: BTreeMap<&str, &str> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let named: BTreeSet<&str> = files.iter().flat_map(|(_, text)| paths(text)).collect();
    let is_lost = |name: &&str| {
        parents(name).is_some_and(|(module, parents)| {
            let contains = |parent: &String| {
                texts.get(parent.as_str()).is_some_and(|text| declares(text, &module))
            };
            let file = name.rsplit('/').next().unwrap_or_default();
            !parents.iter().any(contains) && !named.contains(file)
        })
    };
    let lost = texts.keys().copied().filter(is_lost);
    lost.map(|name| format!("{name}: no module contains this file: declare or remove it")).collect()
}

/// The name of the module in a file, and the files that can declare it; none for other files.
fn parents(name: &str) -> Option<(String, Vec<String>)> {
    let stem = name.strip_suffix(".rs")?;
    if !name.starts_with("crates/") && !name.starts_with("bench/") && !name.starts_with("xtask/") {
        return None;
    }
    let part = PARTS.iter().find(|part| name.contains(**part))?;
    let (_, inside) = stem.split_once(part)?;
    let (folder, module) = stem.rsplit_once('/')?;
    let is_root = ROOTS.contains(&module) || !inside.contains('/') && *part == "/tests/";
    // `tests/fixture/mod.rs` belongs to any of the programs beside it.
    let is_shared = module == "mod" && *part == "/tests/" && inside.matches('/').count() == 1;
    if is_root || is_shared || inside.starts_with("bin/") {
        return None;
    }
    let (folder, module) =
        if module == "mod" { folder.rsplit_once('/')? } else { (folder, module) };
    let mut parents: Vec<_> =
        ["mod", "lib", "main"].iter().map(|root| format!("{folder}/{root}.rs")).collect();
    parents.push(format!("{folder}.rs"));
    Some((String::from(module), parents))
}

/// Whether a text has the line that declares a module of this name.
fn declares(text: &str, module: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default().trim();
        code.strip_suffix(';')
            .and_then(|code| code.strip_suffix(module))
            .is_some_and(|before| before.ends_with("mod ") && !before.contains('"'))
    })
}

/// The file names in `#[path = "…"]`.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[path = \"").skip(1).filter_map(|rest| {
        let path = rest.split('"').next()?;
        path.rsplit('/').next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| (String::from(*name), String::from(*text))).collect()
    }

    #[test]
    fn file_that_no_module_contains_is_found() {
        let tree = files(&[
            ("crates/a/src/lib.rs", "mod part; // a part\npub(crate) mod other;\n"),
            ("crates/a/src/part/mod.rs", "mod inner;\n"),
            (
                "crates/a/src/part/inner.rs",
                "#[cfg(test)]\n#[path = \"inner_tests.rs\"]\nmod tests;\n",
            ),
            ("crates/a/src/part/inner_tests.rs", ""),
            ("crates/a/src/other.rs", "mod below;\n"),
            ("crates/a/src/other/below.rs", ""),
            ("crates/a/tests/wire/main.rs", "mod client;\n"),
            ("crates/a/tests/wire/client.rs", ""),
            ("crates/a/tests/alone.rs", ""),
        ]);
        assert_eq!(check(&tree), Vec::<String>::new());
        let mut lost = tree;
        lost.extend(files(&[
            ("crates/a/src/part/lost.rs", ""),
            ("crates/a/tests/wire/lost.rs", ""),
        ]));
        let expect = ["crates/a/src/part/lost.rs", "crates/a/tests/wire/lost.rs"];
        let expect = expect
            .map(|name| format!("{name}: no module contains this file: declare or remove it"));
        assert_eq!(check(&lost), expect);
    }
}
