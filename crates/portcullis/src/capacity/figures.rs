//! The measured figures, each with the page and the row that state it.
//! Never: a figure without a source; a test of `xtask` compares them with the pages.

use anyhow::{Context, Result};
use serde::Deserialize;

/// The file with all figures.
const TEXT: &str = include_str!("figures.toml");

/// All figures.
#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    #[serde(rename = "figure")]
    list: Vec<Figure>,
}

/// One figure. The file also says in which table and column it is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// The page of the documentation that states it.
    page: String,
    /// The line before the table, where tables of the page have the same rows.
    heading: Option<String>,
    /// The first cell of the row.
    row: String,
}

impl Figure {
    /// Where it is stated, for readers of a plan.
    pub(crate) fn place(&self) -> String {
        let table = self.heading.as_deref().map(|heading| heading.trim_end_matches(", in µs:"));
        format!("{}, {}", self.page, table.unwrap_or(&self.row))
    }
}

impl Figures {
    /// Reads the figures that this build has.
    pub(crate) fn read() -> Result<Self> {
        toml::from_str(TEXT).context("the figures of this build are damaged")
    }

    /// The value of a figure, in its unit.
    pub(crate) fn value(&self, name: &str) -> Result<f64> {
        Ok(self.of(name)?.value)
    }

    /// The figure of this name.
    pub(crate) fn of(&self, name: &str) -> Result<&Figure> {
        let found = self.list.iter().find(|figure| figure.name == name);
        found.with_context(|| format!("this build has no figure {name:?}"))
    }
}
