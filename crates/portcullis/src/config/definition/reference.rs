//! The page of the documentation that lists all keys.
//! Never: an explanation of more than a key; `docs/configuration.md` has those.

use super::key::{Key, KeyPlace, Section, SectionKind, sections};
use super::source::TableKind;
use crate::config::read::error::ConfigError;

const HEADING: &str = "# Configuration keys

All keys of `portcullis.toml`, in the order of [Configuration](configuration.md), which explains
them. `portcullis config example` prints the same as an annotated file, and `portcullis config
schema` as a JSON Schema for editors.

`cargo xtask reference` generates this page from the definitions of the keys.
";

/// The page, in Markdown.
pub(crate) fn reference() -> Result<String, ConfigError> {
    let mut page = String::from(HEADING);
    for section in sections()? {
        let path = &section.path;
        let heading = match section.kind {
            SectionKind::Top => String::from("Before the first section"),
            SectionKind::Table(TableKind::One) | SectionKind::Events => format!("`[{path}]`"),
            SectionKind::Table(TableKind::List) => format!("`[[{path}]]`"),
            SectionKind::Table(TableKind::Named) => format!("`[{path}.NAME]`"),
        };
        page.push_str(&format!("\n## {heading}\n"));
        if !matches!(section.kind, SectionKind::Top | SectionKind::Events) {
            page.push_str(&format!("\n{}\n", section.description));
        }
        page.push_str("\n| key | type | default | description |\n|---|---|---|---|\n");
        for key in &section.keys {
            page.push_str(&row(key, &section));
        }
    }
    Ok(page)
}

fn row(key: &Key, section: &Section) -> String {
    let name = match section.kind {
        SectionKind::Events => String::from("name of an event"),
        SectionKind::Top | SectionKind::Table(_) => format!("`{}`", key.name),
    };
    let kind = match (key.place, key.permitted(), section.kind) {
        (KeyPlace::Elsewhere, _, _) => String::from("not in the file"),
        (KeyPlace::File, Some(permitted), _) => format!("{}: {permitted}", key.kind),
        (KeyPlace::File, None, SectionKind::Events) => String::from("list of texts"),
        (KeyPlace::File, None, _) => key.kind.clone(),
    };
    let kind = kind.replacen("table: ", "text: ", 1);
    format!("| {name} | {kind} | {} | {} |\n", key.default_text(), key.description)
}
