//! The security records of a server under test, as they come.
//! Never: a wait without a deadline.

use std::io::{BufRead, BufReader, Lines, Read};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

use crate::deadline::{Deadline, WAIT};

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<String>>,
    errors: Mutex<String>,
    more: Condvar,
}

/// Everything a server wrote: security records, one JSON line each, and its error output.
#[derive(Clone, Default)]
pub struct Records {
    shared: Arc<Shared>,
}

impl Records {
    pub(crate) fn take(&self, line: &str) {
        self.shared.lines.lock().unwrap().push(line.to_owned());
        self.shared.more.notify_all();
    }

    pub(crate) fn follow<R: Read + Send + 'static>(&self, lines: Lines<BufReader<R>>) {
        let records = self.clone();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| records.take(&line));
        });
    }

    pub(crate) fn follow_errors<R: Read + Send + 'static>(&self, errors: R) {
        let records = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut errors = records.shared.errors.lock().unwrap();
                errors.push_str(&line);
                errors.push('\n');
            }
        });
    }

    /// The error output so far.
    #[must_use]
    pub fn errors(&self) -> String {
        self.shared.errors.lock().unwrap().clone()
    }

    /// Every line so far, as written.
    #[must_use]
    pub fn text(&self) -> String {
        self.shared.lines.lock().unwrap().join("\n")
    }

    /// Waits for a record that fits, and gives it.
    ///
    /// # Panics
    /// When none comes in time; the message shows what did come.
    #[must_use]
    pub fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Deadline::after(WAIT);
        let mut seen = 0;
        let mut lines = self.shared.lines.lock().unwrap();
        loop {
            for line in &lines[seen..] {
                if let Ok(record) = serde_json::from_str::<Value>(line)
                    && fits(&record)
                {
                    return record;
                }
            }
            seen = lines.len();
            let Some(left) = deadline.left() else {
                panic!("no such record; there are:\n{}", lines.join("\n"));
            };
            lines = self.shared.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for a record of a rule (`rule.name`), and gives it.
    #[must_use]
    pub fn wait_for_rule(&self, rule: &str) -> Value {
        self.wait_for(|record| {
            record.pointer("/rule/name").and_then(Value::as_str) == Some(rule)
                || record.get("rule.name").and_then(Value::as_str) == Some(rule)
        })
    }
}
