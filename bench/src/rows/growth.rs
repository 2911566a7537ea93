//! The cost of one delivery as rooms and connections grow, on one shard and on two.
//! Never: compared with another server; the question is whether the line is flat.

use anyhow::Result;

use crate::rows::echo;
use crate::rows::effort::Effort;
use crate::rows::fan_out;
use crate::rows::sample::Sample;
use crate::rows::work::FLAT;
use crate::servers::contender::start_own;
use crate::servers::echo_server::Setup;
use crate::servers::explain::attempt;

const SHARDS: [usize; 2] = [1, 2];

/// One chart: a line for each number of shards.
pub(crate) struct Growth {
    pub(crate) title: &'static str,
    pub(crate) slug: &'static str,
    /// The label of the axis that grows.
    pub(crate) along: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// One line, its points by what grows.
pub(crate) struct Line {
    pub(crate) shards: usize,
    pub(crate) points: Vec<(usize, Sample)>,
}

impl Line {
    /// The largest deviation of the cost from the middle of its range, as a ratio.
    pub(crate) fn deviation(&self) -> f64 {
        let range = Sample(self.points.iter().map(|(_, sample)| sample.median()).collect());
        (range.max() - range.min()) / (range.max() + range.min())
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.deviation() <= FLAT
    }
}

/// Deliveries to rooms of ten members and more.
pub(crate) async fn rooms(effort: &Effort) -> Result<Vec<Growth>> {
    let mut one = Vec::new();
    let mut many = Vec::new();
    for shards in SHARDS {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for members in sizes(10, effort.largest) {
            let (mut at_one, mut at_many) = (Sample::default(), Sample::default());
            for _ in 0..effort.growth_rounds {
                let running = start_own(&Setup { shards, ..Setup::default() })?;
                let measured = fan_out::measure(&running, members, &[1, 32], effort);
                let figures = attempt(&running.served, measured).await?;
                at_one.0.extend(figures.first());
                at_many.0.extend(figures.get(1));
            }
            let medians = (at_one.median(), at_many.median());
            eprintln!("{members} members, {shards} shard(s): {medians:.2?} µs a delivery");
            first.push((members, at_one));
            second.push((members, at_many));
        }
        one.push(Line { shards, points: first });
        many.push(Line { shards, points: second });
    }
    let growth = |title, slug, lines| Growth { title, slug, along: "members of the room", lines };
    Ok(vec![
        growth("Cost of a delivery as the room grows, window 1", "members-1", one),
        growth("Cost of a delivery as the room grows, window 32", "members-32", many),
    ])
}

/// Echoes over one connection and more, each used in turn.
pub(crate) async fn connections(effort: &Effort) -> Result<Growth> {
    let mut lines = Vec::new();
    for shards in SHARDS {
        let mut points = Vec::new();
        for connections in sizes(1, effort.largest) {
            let mut sample = Sample::default();
            for _ in 0..effort.growth_rounds {
                let running = start_own(&Setup { shards, ..Setup::default() })?;
                let measured = echo::measure_many(&running, connections, effort);
                sample.0.push(attempt(&running.served, measured).await?);
            }
            let median = sample.median();
            eprintln!("{connections} connections, {shards} shard(s): {median:.2} µs an echo");
            points.push((connections, sample));
        }
        lines.push(Line { shards, points });
    }
    Ok(Growth {
        title: "Cost of an echo as connections grow, each used in turn",
        slug: "connections",
        along: "connections",
        lines,
    })
}

/// Powers of ten.
fn sizes(from: usize, largest: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(from), |size| Some(size * 10)).take_while(move |it| *it <= largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_close_to_its_median_is_flat() {
        let line = |figures: &[f64]| Line {
            shards: 1,
            points: figures.iter().map(|figure| (1, Sample(vec![*figure]))).collect(),
        };
        let cases = [(&[1.0, 1.3], true), (&[1.0, 1.4], false), (&[5.0, 5.0], true)];
        for (figures, expect) in cases {
            assert_eq!(line(figures).is_flat(), expect, "{figures:?}");
        }
        assert_eq!(sizes(10, 10_000).collect::<Vec<_>>(), [10, 100, 1_000, 10_000]);
    }
}
