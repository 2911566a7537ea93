//! Copies the figures of `portcullis capacity` from the pages that state them.
//! Never: a figure that no page states.

use anyhow::{Context, Result, ensure};

use crate::command::{root, step};

/// The figures, as the binary reads them.
const FILE: &str = "crates/portcullis/src/capacity/figures.toml";

/// The place of a figure: a page, a table and a cell.
#[derive(Debug, Default, PartialEq)]
struct Source {
    page: String,
    /// The line before the table, where tables of the page have the same rows.
    heading: String,
    /// The first cell of the row.
    row: String,
    /// The head of the column; without one it is the second column.
    column: Option<String>,
}

/// Writes the values of all figures.
pub(crate) fn run() -> Result<()> {
    step("write the figures of capacity");
    let path = root().join(FILE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
    let updated = update(&text, &read_page)?;
    std::fs::write(&path, updated).with_context(|| format!("cannot write {FILE}"))?;
    println!("{FILE}");
    Ok(())
}

fn read_page(page: &str) -> Result<String> {
    std::fs::read_to_string(root().join(page)).with_context(|| format!("cannot read {page}"))
}

/// The text of the file with the values that the pages state.
fn update(text: &str, read_page: &dyn Fn(&str) -> Result<String>) -> Result<String> {
    let mut blocks = Vec::new();
    for block in text.split_inclusive("\n\n") {
        blocks.push(match block.starts_with("[[figure]]") {
            true => update_figure(block, read_page)?,
            false => String::from(block),
        });
    }
    Ok(blocks.concat())
}

fn update_figure(block: &str, read_page: &dyn Fn(&str) -> Result<String>) -> Result<String> {
    let source = Source::read(block);
    let page = read_page(&source.page)?;
    let value = source.find(&page).with_context(|| format!("no page states {source:?}"))?;
    let lines = block.split_inclusive('\n').map(|line| match line.starts_with("value = ") {
        true => format!("value = {value}\n"),
        false => String::from(line),
    });
    let updated = lines.collect::<String>();
    ensure!(updated.contains(&format!("\nvalue = {value}\n")), "no line for the value: {block}");
    Ok(updated)
}

impl Source {
    fn read(block: &str) -> Self {
        let mut source = Self::default();
        for line in block.lines() {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            let value = String::from(value.trim_matches('"'));
            match key {
                "page" => source.page = value,
                "heading" => source.heading = value,
                "row" => source.row = value,
                "column" => source.column = Some(value),
                _ => {}
            }
        }
        source
    }

    /// The number in the cell, with a decimal point and without unit and spread.
    fn find(&self, page: &str) -> Option<String> {
        let (_, text) = page.split_once(&self.heading)?;
        let mut head: Vec<&str> = Vec::new();
        for line in text.lines() {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            if !line.starts_with('|') {
                head.clear();
            } else if head.is_empty() {
                head = cells;
            } else if cells.first() == Some(&self.row.as_str()) {
                let column = match &self.column {
                    Some(name) => head.iter().position(|title| title == name)?,
                    None => 1,
                };
                let number = cells.get(column)?.split(' ').next()?.replace(',', "");
                let whole = number.parse::<f64>().ok()?;
                return Some(format!("{whole:?}"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_capacity_are_those_of_the_pages() {
        let text = std::fs::read_to_string(root().join(FILE)).unwrap();
        let updated = update(&text, &read_page).unwrap();
        assert!(text == updated, "run `cargo xtask figures`");
        assert!(text.matches("[[figure]]").count() > 15);
    }

    #[test]
    fn figure_is_read_from_its_table_row_and_column() {
        let page = "| work | A | B |\n|---|---|---|\n| x | 1.50 µs | 2 µs<br>1× |\n\n\
                    Two:\n\n| n | m |\n|---|---|\n| x | 1,009 KB (8 to 10) |\n";
        for (heading, row, column, expect) in [
            ("", "x", Some("B"), Some("2.0")),
            ("", "x", None, Some("1.5")),
            ("Two:", "x", None, Some("1009.0")),
            ("", "y", None, None),
            ("", "x", Some("C"), None),
            ("Three:", "x", None, None),
        ] {
            let (heading, row) = (String::from(heading), String::from(row));
            let column = column.map(String::from);
            let source = Source { page: String::new(), heading, row, column };
            assert_eq!(source.find(page).as_deref(), expect, "{source:?}");
        }
    }

    #[test]
    fn values_are_replaced_and_all_else_stays() {
        let page = |_: &str| Ok(String::from("| work | A |\n|---|---|\n| x | 7.25 µs |\n"));
        let text =
            "# comment\n\n[[figure]]\nname = \"a\"\nvalue = 1.0\npage = \"p\"\nrow = \"x\"\n";
        let expect = text.replace("1.0", "7.25");
        assert_eq!(update(text, &page).unwrap(), expect);
        assert!(update(&text.replace("\"x\"", "\"y\""), &page).is_err(), "no such row");
        assert!(update(&text.replace("value = 1.0\n", ""), &page).is_err(), "no line for it");
    }
}
