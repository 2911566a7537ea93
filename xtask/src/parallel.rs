//! Runs steps of the test command, alone or in groups at the same time.
//! Never: starts a step after one that failed.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};
use portcullis_model::Moment;

use crate::command::must;
use crate::install::target;

/// A program with the name that is shown for it.
pub(crate) struct Step {
    name: &'static str,
    command: Command,
}

impl Step {
    pub(crate) fn new(name: &'static str, command: Command) -> Self {
        Self { name, command }
    }
}

/// Runs one step and shows its output at once.
pub(crate) fn alone(step: Step) -> Result<()> {
    let Step { name, command } = step;
    crate::command::step(name);
    let started = Moment::now();
    must(command)?;
    println!("took {} s", Moment::now().since(started).as_secs());
    Ok(())
}

/// Runs groups at the same time, and the steps of each group in order. After a failure, no further
/// step starts. Returns the first failure.
pub(crate) fn together(groups: Vec<Vec<Step>>) -> Result<()> {
    let failed = AtomicBool::new(false);
    let output = Mutex::new(());
    let mut results = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = groups
            .into_iter()
            .enumerate()
            .map(|(group, steps)| {
                let (failed, output) = (&failed, &output);
                scope.spawn(move || run_group(group, steps, failed, output))
            })
            .collect();
        for group in running {
            results.push(
                group.join().unwrap_or_else(|_| Err(anyhow!("a group of steps has panicked"))),
            );
        }
    });
    results.into_iter().collect()
}

fn run_group(
    group: usize,
    steps: Vec<Step>,
    failed: &AtomicBool,
    output: &Mutex<()>,
) -> Result<()> {
    for step in steps {
        if failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let log = target().join(format!("step-{}-{group}.log", std::process::id()));
        let result = run_step(step, &log, output);
        let _removed = std::fs::remove_file(&log);
        if result.is_err() {
            failed.store(true, Ordering::Release);
            return result;
        }
    }
    Ok(())
}

/// Runs a step and shows its output after it has ended.
fn run_step(step: Step, log: &Path, output: &Mutex<()>) -> Result<()> {
    let Step { name, mut command } = step;
    let file = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let errors = file.try_clone().context("cannot share a log file")?;
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    println!("-- starts: {name}");
    let started = Moment::now();
    let result = must(command);
    let seconds = Moment::now().since(started).as_secs();
    let written = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&written);
    let _one_at_a_time = output.lock();
    crate::command::step(name);
    println!("{text}took {seconds} s");
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(script: &str) -> Step {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Step::new("a step of a test", command)
    }

    #[test]
    fn failed_step_ends_its_group_and_is_the_result() {
        let mark = target().join(format!("mark-{}", std::process::id()));
        let touch = format!("touch {}", mark.display());
        assert!(together(vec![vec![step("exit 1"), step(&touch)], vec![step("true")]]).is_err());
        assert!(!mark.exists());
        assert!(together(vec![vec![step("true"), step("true")], Vec::new()]).is_ok());
    }
}
