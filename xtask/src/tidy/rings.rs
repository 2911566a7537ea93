//! Import rings: no more than three files of a crate import one another in a circle.
//! Never: imports of other crates; floors govern those.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::exceptions::Exceptions;
use super::lexer::{Token, tokens, without_tests};
use super::source::is_test;

/// The largest ring that is not a finding.
const RING_MAX: usize = 3;
/// How many re-exports are followed one after another.
const REEXPORTS_MAX: usize = 6;

/// The path of a module below its crate; the crate's root has none.
type ModulePath = Vec<String>;

/// An import of a module, and the name it gets there.
struct Import {
    path: ModulePath,
    name: String,
}

/// What a file imports, and which paths its code names.
struct Module {
    imports: Vec<Import>,
    paths: Vec<ModulePath>,
}

type Modules = BTreeMap<ModulePath, Module>;

/// What is wrong in the sources of all crates. The files are paths below the root with their text.
pub(crate) fn check(files: &[(String, String)], exceptions: &mut Exceptions) -> Vec<String> {
    let mut findings = Vec::new();
    for (source, modules) in crates(files) {
        let rings = rings(&modules).into_iter().filter(|ring| ring.len() > RING_MAX);
        for ring in rings {
            if !exceptions.has("rings", &source) {
                findings.push(finding(&source, &ring));
            }
        }
    }
    findings
}

/// All rings of the crates below a folder, whatever their size.
pub(crate) fn list(files: &[(String, String)], folder: &str) -> Vec<String> {
    let folder = format!("{folder}/");
    let is_inside = |source: &str| format!("{source}/").starts_with(&folder);
    let crates = crates(files).into_iter().filter(|(source, _)| is_inside(source));
    crates
        .flat_map(|(source, modules)| {
            let rings = rings(&modules);
            rings.iter().map(|ring| finding(&source, ring)).collect::<Vec<_>>()
        })
        .collect()
}

fn finding(source: &str, ring: &[String]) -> String {
    format!("{source}: {} files import one another: {}", ring.len(), ring.join(", "))
}

/// The modules of each crate, by its folder of sources.
fn crates(files: &[(String, String)]) -> BTreeMap<String, Modules> {
    let mut crates: BTreeMap<String, Modules> = BTreeMap::new();
    for (name, text) in files {
        let Some((source, file)) = name.split_once("/src/") else { continue };
        let is_ours = source == "xtask" || source == "bench" || source.starts_with("crates/");
        if !is_ours || source.contains("/peers/") || is_test(name) || file == "main.rs" {
            continue;
        }
        let Some(file) = file.strip_suffix(".rs") else { continue };
        crates
            .entry(format!("{source}/src"))
            .or_default()
            .insert(module_path(Path::new(file)), read_module(text));
    }
    crates
}

fn module_path(file: &Path) -> ModulePath {
    let mut path: ModulePath =
        file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let is_root = path.len() == 1 && path.iter().any(|part| part == "lib");
    if is_root || path.last().is_some_and(|part| part == "mod") {
        path.pop();
    }
    path
}

fn read_module(text: &str) -> Module {
    let tokens = tokens(text);
    let tokens = without_tests(&tokens);
    let mut module = Module { imports: Vec::new(), paths: Vec::new() };
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            Token::Word("use") => {
                let end = behind.iter().position(|token| *token == Token::Sign(';'));
                let (tree, after) = behind.split_at(end.unwrap_or(behind.len()));
                read_use(tree, &[], &mut module.imports);
                rest = after;
            }
            Token::Word("crate" | "self" | "super") => {
                let path = read_path(first, behind);
                rest = behind.get(2 * (path.len() - 1)..).unwrap_or_default();
                if path.len() > 1 {
                    module.paths.push(path);
                }
            }
            Token::Word(_) | Token::Path | Token::Sign(_) | Token::Literal => {}
        }
    }
    module
}

/// A path with all of its segments.
fn read_path(first: &Token<'_>, behind: &[Token<'_>]) -> ModulePath {
    let mut path = Vec::new();
    if let Token::Word(word) = first {
        path.push(String::from(*word));
    }
    for pair in behind.chunks(2) {
        let [Token::Path, Token::Word(word)] = pair else { break };
        path.push(String::from(*word));
    }
    path
}

/// The imports of a use tree.
fn read_use(tree: &[Token<'_>], prefix: &[String], imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut rest = tree;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            Token::Word("as") => {
                if let Some(Token::Word(name)) = behind.first() {
                    imports.push(Import { path, name: String::from(*name) });
                }
                return;
            }
            Token::Word(word) => path.push(String::from(*word)),
            Token::Sign('{') => {
                let inside = behind.strip_suffix(&[Token::Sign('}')]).unwrap_or(behind);
                for branch in branches(inside) {
                    read_use(branch, &path, imports);
                }
                return;
            }
            Token::Path | Token::Sign(_) | Token::Literal => {}
        }
    }
    // `{self}` imports the module itself.
    if path.len() > 1 && path.last().is_some_and(|word| word == "self") {
        path.pop();
    }
    if let Some(name) = path.last().cloned() {
        imports.push(Import { path, name });
    }
}

/// The branches between the commas of a use tree.
fn branches<'a, 'b>(inside: &'a [Token<'b>]) -> Vec<&'a [Token<'b>]> {
    let mut depth = 0_usize;
    let parts = inside.split(|token| {
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => depth = depth.saturating_sub(1),
            Token::Word(_) | Token::Path | Token::Sign(_) | Token::Literal => {}
        }
        depth == 0 && *token == Token::Sign(',')
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The groups of modules that import one another, largest first.
fn rings(modules: &Modules) -> Vec<Vec<String>> {
    let graph: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
        modules.iter().map(|(path, module)| (path, edges(modules, path, module))).collect();
    // Two modules are in one ring if each reaches the other.
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        graph.keys().map(|path| (*path, reach(&graph, path))).collect();
    let mut rings: BTreeSet<Vec<String>> = BTreeSet::new();
    for (path, others) in &reached {
        let back = |other: &&&ModulePath| {
            reached.get(*other).is_some_and(|reached| reached.contains(path))
        };
        let ring: Vec<String> = others.iter().filter(back).map(|path| path.join("::")).collect();
        if ring.len() > 1 {
            rings.insert(ring);
        }
    }
    let mut rings: Vec<_> = rings.into_iter().collect();
    rings.sort_by_key(|ring| usize::MAX - ring.len());
    rings
}

fn reach<'a>(
    graph: &'a BTreeMap<&'a ModulePath, BTreeSet<ModulePath>>,
    start: &ModulePath,
) -> BTreeSet<&'a ModulePath> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start.clone()];
    while let Some(path) = open.pop() {
        for next in graph.get(&path).into_iter().flatten() {
            if reached.insert(next) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// The files that a module imports. The crate's root imports nothing: it only lists the modules.
fn edges(modules: &Modules, path: &ModulePath, module: &Module) -> BTreeSet<ModulePath> {
    if path.is_empty() {
        return BTreeSet::new();
    }
    let named = module.imports.iter().map(|import| &import.path).chain(&module.paths);
    let targets = named.filter_map(|named| resolve(modules, &absolute(modules, path, named)?, 0));
    targets.filter(|target| target != path).collect()
}

/// A path from the crate's root; nothing for a path of another crate.
fn absolute(modules: &Modules, module: &[String], path: &[String]) -> Option<ModulePath> {
    let mut base = module.to_vec();
    let mut rest = path;
    match rest.first().map(String::as_str)? {
        "crate" => return Some(rest.get(1..)?.to_vec()),
        "self" => rest = rest.get(1..)?,
        "super" => {
            while rest.first().is_some_and(|word| word == "super") {
                base.pop();
                rest = rest.get(1..)?;
            }
        }
        child => {
            base.push(String::from(child));
            if !modules.contains_key(&base) {
                return None;
            }
            rest = rest.get(1..)?;
        }
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The file that holds what a path names. A re-export is followed to its file.
fn resolve(modules: &Modules, path: &ModulePath, depth: usize) -> Option<ModulePath> {
    if depth > REEXPORTS_MAX {
        return None;
    }
    for length in (0..=path.len()).rev() {
        let (start, rest) = path.split_at(length);
        let Some(module) = modules.get(start) else { continue };
        let reexports = module.imports.iter().filter(|import| rest.first() == Some(&import.name));
        for import in reexports {
            let Some(mut target) = absolute(modules, start, &import.path) else { continue };
            if target == *path {
                continue;
            }
            target.extend(rest.iter().skip(1).cloned());
            if let Some(found) = resolve(modules, &target, depth + 1) {
                return Some(found);
            }
        }
        return Some(start.to_vec());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sample<'a> = &'a [(&'a str, &'a str)];

    fn files(files: Sample<'_>) -> Vec<(String, String)> {
        let named = files.iter();
        named.map(|(name, text)| (format!("crates/x/src/{name}"), String::from(*text))).collect()
    }

    #[test]
    fn imports_in_a_circle_are_a_ring() {
        let cases: [(Sample<'_>, &[&str]); 8] = [
            (&[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")], &["a, b"]),
            (&[("a.rs", "use crate::b::B;"), ("b.rs", "fn f(a: crate::a::A) {}")], &["a, b"]),
            (&[("a.rs", "use crate::{b::{B, C as D}, c};"), ("b.rs", ""), ("c.rs", "")], &[]),
            (
                &[
                    ("a.rs", "use crate::{c, b::B};"),
                    ("b.rs", "use super::c;"),
                    ("c.rs", "use crate::a::{self as other};"),
                ],
                &["a, b, c"],
            ),
            // Only tests import back.
            (
                &[
                    ("a.rs", "use crate::b::B;"),
                    ("b.rs", "#[cfg(test)]\nmod tests { use crate::a::A; }"),
                ],
                &[],
            ),
            // A comment and a text import nothing.
            (&[("a.rs", "use crate::b::B;"), ("b.rs", "// crate::a::A\nf(\"crate::a\")")], &[]),
            // A re-export leads to the file of the item.
            (
                &[
                    ("m/mod.rs", "mod a; mod b; pub(crate) use a::A; pub(crate) use b::B;"),
                    ("m/a.rs", "use super::B;"),
                    ("m/b.rs", "use super::A;"),
                ],
                &["m::a, m::b"],
            ),
            (
                &[
                    ("lib.rs", "pub use a::A; pub use b::B;"),
                    ("a.rs", "use crate::B;"),
                    ("b.rs", "use crate::A;"),
                ],
                &["a, b"],
            ),
        ];
        for (sample, expect) in cases {
            let found = list(&files(sample), "crates/x");
            let found: Vec<&str> =
                found.iter().filter_map(|line| line.rsplit(": ").next()).collect();
            assert_eq!(found, expect, "{sample:?}");
        }
    }

    #[test]
    fn ring_of_four_files_needs_an_exception() {
        let ring = [
            ("a.rs", "use crate::b;"),
            ("b.rs", "use crate::c;"),
            ("c.rs", "use crate::d;"),
            ("d.rs", "use crate::a;"),
        ];
        let mut none = Exceptions::parse("");
        assert_eq!(check(&files(&ring), &mut none).len(), 1);
        let mut open = Exceptions::parse("rings crates/x/src: open\n");
        assert!(check(&files(&ring), &mut open).is_empty());
        assert!(open.findings().is_empty());
        // Three files are not a finding, and the exception is not needed.
        let mut open = Exceptions::parse("rings crates/x/src: open\n");
        let smaller = [("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ring[2]];
        assert!(check(&files(&smaller), &mut open).is_empty());
        assert_eq!(open.findings().len(), 1);
    }
}
