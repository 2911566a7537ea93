//! The security records of a server under test, as they come.
//! Never: a wait without a deadline.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::deadline::{Deadline, WAIT};

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<String>>,
    printed: Mutex<PrintedLines>,
    errors: Mutex<String>,
    more: Condvar,
    more_printed: Condvar,
    unread: Mutex<bool>,
    read_again: Condvar,
}

/// The lines printed for people, without records.
#[derive(Default)]
struct PrintedLines {
    lines: Vec<String>,
    ended: bool,
}

/// Everything a server wrote: security records, one JSON line each, and its error output.
#[derive(Clone, Default)]
pub struct Records {
    shared: Arc<Shared>,
}

impl Records {
    fn take(&self, line: String) {
        if line.starts_with('{') {
            self.shared.lines.lock().unwrap().push(line);
            self.shared.more.notify_all();
        } else {
            self.shared.printed.lock().unwrap().lines.push(line);
            self.shared.more_printed.notify_all();
        }
    }

    /// Leaves both outputs unread, as a parent that forgot them does, or reads them again.
    pub fn set_unread(&self, unread: bool) {
        *self.shared.unread.lock().unwrap() = unread;
        self.shared.read_again.notify_all();
    }

    fn wait_while_unread(&self) {
        let unread = self.shared.unread.lock().unwrap();
        drop(self.shared.read_again.wait_while(unread, |unread| *unread).unwrap());
    }

    pub(crate) fn follow<R: Read + Send + 'static>(&self, output: R) -> JoinHandle<()> {
        let records = self.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            for line in lines.map_while(Result::ok) {
                records.take(line);
                records.wait_while_unread();
            }
            records.shared.printed.lock().unwrap().ended = true;
            records.shared.more_printed.notify_all();
        })
    }

    /// The text printed after a prefix, if any.
    pub(crate) fn printed(&self, prefix: &str) -> Option<String> {
        printed_after(&self.shared.printed.lock().unwrap(), prefix)
    }

    /// Waits until something is printed behind a prefix; `None` at the end, or when it is late.
    pub(crate) fn wait_until_printed(&self, prefix: &str) -> Option<String> {
        let deadline = Deadline::after(WAIT);
        let mut printed = self.shared.printed.lock().unwrap();
        loop {
            if let Some(rest) = printed_after(&printed, prefix) {
                return Some(rest);
            }
            let left = deadline.left().filter(|_| !printed.ended)?;
            printed = self.shared.more_printed.wait_timeout(printed, left).unwrap().0;
        }
    }

    pub(crate) fn follow_errors<R: Read + Send + 'static>(&self, errors: R) -> JoinHandle<()> {
        let records = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let mut errors = records.shared.errors.lock().unwrap();
                errors.push_str(&line);
                errors.push('\n');
                drop(errors);
                records.wait_while_unread();
            }
        })
    }

    /// The error output so far.
    #[must_use]
    pub fn errors(&self) -> String {
        self.shared.errors.lock().unwrap().clone()
    }

    /// Every record so far, as written.
    #[must_use]
    pub fn text(&self) -> String {
        self.shared.lines.lock().unwrap().join("\n")
    }

    /// Every record so far.
    #[must_use]
    pub fn all(&self) -> Vec<Value> {
        let lines = self.shared.lines.lock().unwrap();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The number of lines: later records begin there.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.shared.lines.lock().unwrap().len()
    }

    /// Waits for a record that fits, and gives it.
    ///
    /// # Panics
    /// If none arrives in time; the message shows what arrived.
    #[must_use]
    pub fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_after(0, fits)
    }

    /// Waits for a record that fits and was written after a [`Records::mark`], and gives it.
    ///
    /// # Panics
    /// If none arrives in time; the message shows what arrived.
    #[must_use]
    pub fn wait_after(&self, mark: usize, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Deadline::after(WAIT);
        let mut seen = mark;
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
        self.wait_for(|record| text_at(record, "rule.name") == Some(rule))
    }

    /// Waits for the record of a refusal, by the `ref` its client was given (`trace.id`).
    #[must_use]
    pub fn wait_for_reference(&self, reference: &str) -> Value {
        self.wait_for(|record| text_at(record, "trace.id") == Some(reference))
    }
}

fn printed_after(printed: &PrintedLines, prefix: &str) -> Option<String> {
    printed.lines.iter().find_map(|line| line.strip_prefix(prefix)).map(String::from)
}

/// A record's text by its dotted ECS name, nested or flat.
fn text_at<'a>(record: &'a Value, name: &str) -> Option<&'a str> {
    let nested = record.pointer(&format!("/{}", name.replace('.', "/")));
    nested.or_else(|| record.get(name)).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_found_nested_and_flat() {
        let cases = [
            (json!({ "rule": { "name": "a" } }), Some("a")),
            (json!({ "rule.name": "a" }), Some("a")),
            (json!({ "rule": { "name": 1 } }), None),
            (json!({ "rule": "a" }), None),
            (json!([]), None),
        ];
        for (record, expect) in cases {
            assert_eq!(text_at(&record, "rule.name"), expect, "{record}");
        }
    }

    #[test]
    fn records_are_found_after_a_mark_and_other_lines_kept_apart() {
        let records = Records::default();
        let take = |line: &str| records.take(line.to_owned());
        take("listening public https://127.0.0.1:1");
        take(r#"{"rule":{"name":"a"},"n":1}"#);
        let mark = records.mark();
        take(r#"{"rule":{"name":"a"},"n":2}"#);
        let printed = records.wait_until_printed("listening public ");
        assert_eq!(printed.as_deref(), Some("https://127.0.0.1:1"));
        assert_eq!(records.printed("set-up link "), None);
        assert_eq!(records.wait_for_rule("a")["n"], 1);
        assert_eq!(records.wait_after(mark, |_| true)["n"], 2);
        assert_eq!(records.all().len(), 2);
        assert!(!records.text().contains("listening"));
    }

    #[test]
    fn waiting_ends_with_the_output() {
        let records = Records::default();
        let follower = records.follow(b"one\n{}\n".as_slice());
        assert_eq!(records.wait_until_printed("two"), None);
        follower.join().unwrap();
        assert_eq!(records.printed("o").as_deref(), Some("ne"));
    }
}
