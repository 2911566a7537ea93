//! The command line: the measurements to run, and the destination of the figures.
//! Never: a measurement itself.

use anyhow::{Result, bail, ensure};

use crate::pages::report;
use crate::pages::results::Results;
use crate::rows::compare::{Contest, Group};
use crate::rows::effort::Effort;
use crate::rows::growth;
use crate::rows::real_server::{backup, capacity};
use crate::rows::work::Own;
use crate::servers::contender::Contender;
use crate::servers::measure;

const USAGE: &str = "use [fan-out | echo | connect | refused | growth | product | capacity | \
                     backup] [--quick] [--check] [--rounds N] [--only SERVER]";

/// The parsed command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct RequestKind<'a> {
    name: Option<&'a str>,
    quick: bool,
    /// Whether only it counts that every row of our own server runs to its end.
    check: bool,
    rounds: Option<usize>,
    only: Option<&'a str>,
}

impl<'a> RequestKind<'a> {
    fn read(words: &[&'a str]) -> Result<Self> {
        let mut request = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => request.quick = true,
                "--check" => request.check = true,
                "--rounds" => match words.next().map(|number| number.parse()) {
                    Some(Ok(rounds)) if rounds > 0 => request.rounds = Some(rounds),
                    _ => bail!("--rounds needs a number; {USAGE}"),
                },
                "--only" => match words.next() {
                    Some(server) => request.only = Some(server),
                    None => bail!("--only needs a server; {USAGE}"),
                },
                "fan-out" | "echo" | "connect" | "refused" | "growth" | "product" | "capacity"
                | "backup"
                    if request.name.is_none() =>
                {
                    request.name = Some(word);
                }
                unknown => bail!("unknown argument {unknown:?}; {USAGE}"),
            }
        }
        if request.check {
            ensure!(
                !request.quick && request.rounds.is_none(),
                "--check has a size of its own; {USAGE}"
            );
            request.only = Some(Contender::Portcullis.word());
        }
        Ok(request)
    }

    fn effort(&self) -> Effort {
        let effort = match (self.check, self.quick) {
            (true, _) => Effort::CHECK,
            (false, true) => Effort::QUICK,
            (false, false) => Effort::FULL,
        };
        Effort { rounds: self.rounds.unwrap_or(effort.rounds), ..effort }
    }
}

/// Measures what the command line asks for; all of it goes to `docs/`, a part to the output.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let request = RequestKind::read(words)?;
    measure::raise_file_limit();
    measure::pin(&[1])?;
    let runtime = awake_runtime()?;
    if request.name == Some("capacity") {
        return runtime.block_on(capacity::run(&request.effort()));
    }
    if request.name == Some("backup") {
        return runtime.block_on(backup::run(&request.effort()));
    }
    let results = runtime.block_on(measure_all(&request));
    let failed = results.failed.join("\n");
    if request.name.is_none() && request.only.is_none() && failed.is_empty() {
        return report::write(&results);
    }
    // A check says nothing of speed: no figure of it is shown.
    if !request.check {
        println!("{}", report::tables(&results));
    }
    ensure!(failed.is_empty(), "{} rows failed:\n{failed}", results.failed.len());
    Ok(())
}

/// A runtime that asks its sockets again and again instead of sleeping.
///
/// To wake a sleeping processor costs the one that wakes it up to a hundred microseconds on a
/// virtual machine. A load that never sleeps keeps that out of the server's figures.
fn awake_runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().event_interval(4).build()?;
    runtime.spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    Ok(runtime)
}

/// The measurements of the cost of a rejection.
const REFUSED: &[Own] = &[
    Own::RefusedHandshake,
    Own::LeastRefused,
    Own::RefusedFlood,
    Own::LeastRefusedFlood,
    Own::RefusedMessage,
    Own::RefusedMemory,
    Own::OffenderKnown,
    Own::OffenderFlood,
    Own::OffenderLoop,
];

async fn measure_all(request: &RequestKind<'_>) -> Results {
    let effort = request.effort();
    let mut contest = Contest::new(effort, request.only);
    let wants = |name: &str| request.name.is_none_or(|request| request == name);
    let ours = request.only.is_none_or(|word| word == "portcullis");
    let mut comparisons = Vec::new();
    for (name, group) in
        [("fan-out", Group::FanOut), ("echo", Group::Echo), ("connect", Group::Connect)]
    {
        if wants(name) {
            comparisons.extend(contest.compare(group).await);
        }
    }
    let mut works = Vec::new();
    for (name, own) in [
        ("connect", &[Own::ConnectEdDsa, Own::IdleTls][..]),
        ("refused", REFUSED),
        ("product", &[Own::ChatSend, Own::LookUp, Own::LookUpBesideHistory]),
        ("echo", &[Own::Yardstick]),
    ] {
        if ours && wants(name) {
            works.extend_from_slice(own);
        }
    }
    let own = contest.own(&works).await;
    let mut growths = Vec::new();
    if ours && wants("growth") {
        match growth::rooms(&effort).await {
            Ok(rooms) => growths = rooms,
            Err(error) => contest.row_failed("as rooms grow", &error),
        }
        match growth::connections(&effort).await {
            Ok(connections) => growths.push(connections),
            Err(error) => contest.row_failed("as connections grow", &error),
        }
    }
    let Contest { left_out, failed, .. } = contest;
    Results { effort, comparisons, own, growths, left_out, failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let request =
            RequestKind::read(&["echo", "--quick", "--rounds", "3", "--only", "portcullis"]);
        let expect = RequestKind {
            name: Some("echo"),
            quick: true,
            rounds: Some(3),
            ..RequestKind::default()
        };
        let expect = RequestKind { only: Some("portcullis"), ..expect };
        assert_eq!(request.unwrap(), expect);
        let checked = RequestKind::read(&["--check"]).unwrap();
        assert_eq!((checked.check, checked.only), (true, Some("portcullis")));
        for wrong in
            [&["--rounds"][..], &["--rounds", "0"], &["--only"], &["all"], &["echo", "echo"]]
                .into_iter()
                .chain([&["--check", "--quick"][..], &["--check", "--rounds", "2"]])
        {
            assert!(RequestKind::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
