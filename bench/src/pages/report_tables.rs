//! The tables of the page: figures, ratios, spread, verdicts.
//! Never: a verdict without its figure.

use crate::pages::chart::{short, thousands};
use crate::pages::results::Results;
use crate::rows::growth::Growth;
use crate::rows::sample::Sample;
use crate::rows::work::Target;
use crate::servers::contender::Contender;

/// One row a work, one column a server.
pub(crate) fn comparison_table(results: &Results) -> String {
    let Some(first) = results.comparisons.first() else {
        return String::new();
    };
    let servers: Vec<Contender> = Contender::ALL
        .into_iter()
        .filter(|it| results.comparisons.iter().any(|row| row.of(*it).is_some()))
        .collect();
    let reference = first.of(Contender::UWebSockets).is_some();
    let names: Vec<&str> = servers.iter().map(|server| server.name()).collect();
    let mut rows = vec![
        format!("| work | {} |", names.join(" | ")),
        format!("|---|{}", "---|".repeat(servers.len())),
    ];
    for row in &results.comparisons {
        let base = row.of(Contender::UWebSockets).filter(|_| reference);
        let cell = |server: &Contender| match row.of(*server) {
            None => String::from("left out"),
            Some(sample) => {
                let own = format!("{} {}", short(sample.median()), row.work.unit());
                match base.filter(|_| *server != Contender::UWebSockets) {
                    Some(base) => format!("{own}<br>{}", spread(&sample.over(base), "×")),
                    None => own,
                }
            }
        };
        let cells: Vec<String> = servers.iter().map(cell).collect();
        rows.push(format!("| {} | {} |", row.work.title(), cells.join(" | ")));
    }
    rows.join("\n")
}

/// The table of measurements without a peer.
pub(crate) fn own_table(results: &Results) -> String {
    if results.own.is_empty() {
        return String::new();
    }
    let mut rows = vec![String::from("| work | median (smallest to largest) |\n|---|---|")];
    for (work, sample) in &results.own {
        rows.push(format!("| {} | {} |", work.title(), spread(sample, &unit(work.unit()))));
    }
    rows.join("\n")
}

/// One row for each line of each chart.
pub(crate) fn growth_table(results: &Results) -> String {
    let table = |growth: &Growth| {
        let sizes = growth.lines.first().map(|line| {
            let sizes = line.points.iter().map(|(size, _)| thousands(*size));
            sizes.collect::<Vec<_>>()
        });
        let sizes = sizes.unwrap_or_default();
        let mut rows = vec![
            format!("{}, in µs:\n", growth.title),
            format!("| shards | {} {} | from the middle |", sizes.join(" | "), growth.along),
            format!("|---|{}---|", "---|".repeat(sizes.len())),
        ];
        for line in &growth.lines {
            let medians = line.points.iter().map(|(_, sample)| short(sample.median()));
            let medians: Vec<String> = medians.collect();
            rows.push(format!(
                "| {} | {} | ±{:.0} % |",
                line.shards,
                medians.join(" | "),
                line.deviation() * 100.0
            ));
        }
        rows.join("\n")
    };
    results.growths.iter().map(table).collect::<Vec<_>>().join("\n\n")
}

/// Every target with its figure and its verdict.
pub(crate) fn target_table(results: &Results) -> String {
    let mut rows = Vec::new();
    for row in &results.comparisons {
        let Some(sample) = row.of(Contender::Portcullis) else { continue };
        let measured = match row.work.target() {
            Target::AtMost(_) => Some(sample.clone()),
            Target::Ratio(_) => row.of(Contender::UWebSockets).map(|base| sample.over(base)),
        };
        if let Some(measured) = measured {
            let title = row.work.title();
            rows.push(verdict(title, row.work.target(), &measured, row.work.unit()));
        }
    }
    for (work, sample) in &results.own {
        if let Some(target) = work.target() {
            rows.push(verdict(work.title(), target, sample, work.unit()));
        }
    }
    for growth in &results.growths {
        for line in &growth.lines {
            let verdict = if line.is_flat() { "**met**" } else { "**missed**" };
            let (title, shards) = (growth.title, line.shards);
            let deviation = line.deviation() * 100.0;
            rows.push(format!(
                "| {title}, {shards} shard(s) | flat | ±{deviation:.0} % | {verdict} |"
            ));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("| work | target | measured | verdict |\n|---|---|---|---|\n{}", rows.join("\n"))
}

fn verdict(title: &str, target: Target, measured: &Sample, own_unit: &str) -> String {
    let (limit, unit) = match target {
        Target::Ratio(limit) => (limit, String::from("×")),
        Target::AtMost(limit) => (limit, unit(own_unit)),
    };
    let median = measured.median();
    let mut verdict = if median <= limit {
        String::from("**met**")
    } else {
        format!("**missed** by {:.0} %", (median / limit - 1.0) * 100.0)
    };
    if measured.min() <= limit && measured.max() > limit {
        verdict.push_str(", the spread reaches across");
    }
    format!("| {title} | ≤ {limit}{unit} | {} | {verdict} |", spread(measured, &unit))
}

fn spread(sample: &Sample, unit: &str) -> String {
    let [median, min, max] = [sample.median(), sample.min(), sample.max()].map(short);
    format!("{median}{unit} ({min} to {max})")
}

fn unit(name: &str) -> String {
    format!(" {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let cases = [
            (Target::Ratio(1.3), vec![1.2, 1.2], "**met** |"),
            (Target::Ratio(1.0), vec![1.5, 1.5], "**missed** by 50 % |"),
            (Target::AtMost(60.0), vec![50.0, 55.0, 61.0], "**met**, the spread reaches across |"),
            (Target::AtMost(60.0), vec![59.0, 66.0, 67.0], "by 10 %, the spread reaches across |"),
        ];
        for (target, figures, expect) in cases {
            let line = verdict("work", target, &Sample(figures), "µs");
            assert!(line.ends_with(expect), "{line}");
        }
    }
}
