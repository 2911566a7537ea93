//! The page with all figures, and its charts.
//! Never: a figure that was not measured in this run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::pages::chart::{self, Bar, Curve, Figure};
use crate::pages::machine;
use crate::pages::report_tables::{comparison_table, growth_table, own_table, target_table};
use crate::pages::results::Results;
use crate::rows::sample::Sample;
use crate::rows::work::{FLAT, Shared};
use crate::servers::contender::Contender;

/// The page, with places for figures.
const PAGE: &str = include_str!("../../report.md");

/// The tables alone, for a part of a run.
pub(crate) fn tables(results: &Results) -> String {
    [
        comparison_table(results),
        own_table(results),
        growth_table(results),
        target_table(results),
        left_out(results),
    ]
    .into_iter()
    .filter(|table| !table.is_empty())
    .collect::<Vec<_>>()
    .join("\n\n")
}

/// Writes `docs/benchmarks.md` and its charts.
pub(crate) fn write(results: &Results) -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs");
    let charts = docs.join("benchmarks");
    std::fs::create_dir_all(&charts)?;
    let bars = write_bars(results, &charts)?;
    let curves = write_curves(results, &charts)?;
    let effort = results.effort;
    let mut page = PAGE.to_owned();
    let mut fill = |place: &str, text: &str| page = page.replace(&format!("{{{{{place}}}}}"), text);
    fill("facts", &facts(results)?);
    fill("rounds", &effort.rounds.to_string());
    fill("comparison", &comparison_table(results));
    fill("charts", &bars);
    fill("own", &own_table(results));
    fill("flat", &format!("±{:.0} %", FLAT * 100.0));
    fill("growth", &growth_table(results));
    fill("growth_charts", &curves);
    fill("targets", &target_table(results));
    fill("product_target", PRODUCT_TARGET);
    fill("reference", &reference(results));
    fill("budget", &chart::short(effort.cpu_us / 1e6));
    fill("connections", &chart::thousands(effort.connections));
    for (name, version) in machine::versions()? {
        fill(name, &version);
    }
    let path = docs.join("benchmarks.md");
    std::fs::write(&path, page).context("cannot write docs/benchmarks.md")?;
    eprintln!("written: docs/benchmarks.md, docs/benchmarks/");
    Ok(())
}

const PRODUCT_TARGET: &str = "The target for `chat:send` (twelve times the messages a core of a \
guarded Node.js stack with a store) has no peer here yet, so this page gives no verdict on it.";

/// Microseconds of processor time the bare server took where the targets were set.
const REFERENCE: [(Shared, f64); 2] = [(Shared::EchoOne, 6.8), (Shared::Connect, 17.0)];

/// Compares this machine with the one on which the targets in µs were set.
fn reference(results: &Results) -> String {
    let mut parts = Vec::new();
    for (work, then) in REFERENCE {
        let row = results.comparisons.iter().find(|row| row.work == work);
        if let Some(sample) = row.and_then(|row| row.of(Contender::UWebSockets)) {
            let now = chart::short(sample.median());
            parts.push(format!("{now} µs instead of {then} µs for *{}*", work.title()));
        }
    }
    if parts.is_empty() {
        return String::from(
            "The reference did not run, so nothing says how this machine compares.",
        );
    }
    format!("In this run bare uWebSockets took {}.", parts.join(", and "))
}

fn facts(results: &Results) -> Result<String> {
    let machine = machine::read()?;
    let mut text = format!(
        "| measured on | {} |\n|---|---|\n| version | {} |\n| processor | {}, {} cores |\n\
         | memory | {:.0} GiB |\n| kernel | Linux {} |\n| rounds | {} |",
        machine.date,
        machine::version(),
        machine.processor,
        machine.processors,
        machine.memory_gib,
        machine.kernel,
        results.effort.rounds,
    );
    let left_out = left_out(results);
    if !left_out.is_empty() {
        text.push_str(&format!("\n\n{left_out}"));
    }
    Ok(text)
}

fn left_out(results: &Results) -> String {
    let lines = results.left_out.iter().map(|(name, why)| format!("- {name}: {why}"));
    let lines: Vec<String> = lines.collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("Left out of this run:\n\n{}", lines.join("\n")),
    }
}

/// Writes a bar chart for each work, and gives the lines that show them.
fn write_bars(results: &Results, folder: &Path) -> Result<String> {
    let mut shown = Vec::new();
    for comparison in &results.comparisons {
        let bar = |(contender, sample): &(Contender, Sample)| Bar {
            label: contender.name().to_owned(),
            figure: figure(sample),
            own: *contender == Contender::Portcullis,
        };
        let bars: Vec<Bar> = comparison.columns.iter().map(bar).collect();
        let (title, unit) = (capitalised(comparison.work.title()), comparison.work.unit());
        let text = chart::bars(&title, unit, &bars);
        shown.push(write_chart(folder, comparison.work.slug(), &title, &text)?);
    }
    Ok(shown.join("\n\n"))
}

fn write_curves(results: &Results, folder: &Path) -> Result<String> {
    let mut shown = Vec::new();
    for growth in &results.growths {
        let curves = growth.lines.iter().map(|line| Curve {
            label: if line.shards == 1 { String::from("one shard") } else { "two shards".into() },
            points: line.points.iter().map(|(size, sample)| (*size, sample.median())).collect(),
        });
        let curves: Vec<Curve> = curves.collect();
        let text = chart::curves(growth.title, "µs", growth.along, &curves);
        shown.push(write_chart(folder, growth.slug, growth.title, &text)?);
    }
    Ok(shown.join("\n\n"))
}

fn write_chart(folder: &Path, slug: &str, title: &str, text: &str) -> Result<String> {
    let path: PathBuf = folder.join(format!("{slug}.svg"));
    std::fs::write(&path, text).with_context(|| format!("cannot write the chart {slug}"))?;
    Ok(format!("![{title}](benchmarks/{slug}.svg)"))
}

fn figure(sample: &Sample) -> Figure {
    Figure { median: sample.median(), min: sample.min(), max: sample.max() }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
