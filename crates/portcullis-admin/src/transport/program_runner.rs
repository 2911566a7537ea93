//! The process between the server and the program of a channel: it ends all that the program left.
//! Never: in the server itself; it adopts processes, and ends every one that it has.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, set_child_subreaper, waitid,
};

/// Time between two checks whether a program has ended.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// Time between two rounds in which processes are ended.
const ROUND: Duration = Duration::from_millis(2);
/// Rounds until the rest is given up: two seconds.
const ROUNDS_MAX: u32 = 1_000;

/// Runs a program with the message of standard input, until it ends or standard input is closed.
///
/// Standard input has the length of the message as four bytes, then the message; the server closes
/// it when the program has to end, or by its own end. What the program started is ended as well,
/// also in a session of its own: orphans become children of this process. Prints the fault, and
/// nothing when the program ended with code 0.
///
/// # Errors
/// When standard input or output fails.
pub fn run_program(command: &[String]) -> io::Result<()> {
    let fault = match set_child_subreaper(Some(getpid())) {
        Ok(()) => {
            let message = read_message()?;
            supervise(command, message, &watch_input()).err()
        }
        Err(error) => Some(format!("the program cannot be supervised: {error}")),
    };
    io::stdout().write_all(fault.unwrap_or_default().as_bytes())
}

/// Reads a length and so many bytes.
fn read_message() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let mut message = Vec::new();
    input.take(u64::from(u32::from_be_bytes(length))).read_to_end(&mut message)?;
    Ok(message)
}

fn supervise(command: &[String], message: Vec<u8>, is_over: &AtomicBool) -> Result<(), String> {
    let result = run(command, message, is_over);
    if !end_children() {
        return Err(String::from("processes of the program could not be ended"));
    }
    result
}

/// Runs a program with a message until it ends, or until it has to end.
fn run(command: &[String], message: Vec<u8>, is_over: &AtomicBool) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("the program has no name")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("the program cannot be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // On a thread of its own: a program that does not read its input would block this one, also
        // beyond its deadline. It decides by its exit code.
        std::thread::spawn(move || {
            let _unread = stdin.write_all(&message);
        });
    }
    wait(&mut child, is_over)
}

/// Is set when the server closes standard input.
fn watch_input() -> Arc<AtomicBool> {
    let is_over = Arc::new(AtomicBool::new(false));
    let closed = Arc::clone(&is_over);
    std::thread::spawn(move || {
        let _unexpected = io::copy(&mut io::stdin().lock(), &mut io::sink());
        closed.store(true, Ordering::Relaxed);
    });
    is_over
}

/// Waits for the program, or ends it.
fn wait(child: &mut Child, is_over: &AtomicBool) -> Result<(), String> {
    let id = Pid::from_child(child);
    while !has_ended(id).map_err(|error| format!("the program cannot be observed: {error}"))? {
        if is_over.load(Ordering::Relaxed) {
            let _ended = kill_process(id, Signal::KILL);
            let _reaped = child.wait();
            return Err(String::from("the program was ended early"));
        }
        std::thread::sleep(CHECK_EVERY);
    }
    let status = child.wait().map_err(|error| format!("the program has no exit code: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the program ended with {status}")) }
}

/// Whether a child has ended; it is not reaped, so its number remains its own.
pub(crate) fn has_ended(id: Pid) -> Result<bool, Errno> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(id), options).map(|status| status.is_some())
}

/// Ends the children of this process, and those that become its children then; `false` when some
/// remain.
fn end_children() -> bool {
    for _ in 0..ROUNDS_MAX {
        loop {
            match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
                Ok(Some(_reaped)) => {}
                Ok(None) => break,
                Err(error) => return error == Errno::CHILD,
            }
        }
        // Only this process reaps its children, so none of the numbers has another owner.
        for child in children() {
            let _ended = kill_process(child, Signal::KILL);
        }
        std::thread::sleep(ROUND);
    }
    false
}

/// The processes whose parent is this one.
fn children() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = getpid().as_raw_nonzero().get();
    let child = |entry: io::Result<std::fs::DirEntry>| {
        let id: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        (parent(&stat)? == own).then(|| Pid::from_raw(id))?
    };
    entries.filter_map(child).collect()
}

/// The parent in the text of `/proc/ID/stat`; the name before it can contain any character.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_that_does_not_read_its_input_ends_when_it_has_to() {
        // More than any pipe holds.
        let message = vec![b'x'; 8 * 1024 * 1024];
        let sleep = ["/bin/sh", "-c", "exec sleep 600"].map(String::from);
        let result = run(&sleep, message.clone(), &AtomicBool::new(true));
        assert_eq!(result.unwrap_err(), "the program was ended early");
        let exit = ["/bin/sh", "-c", "exit 0"].map(String::from);
        assert_eq!(run(&exit, message, &AtomicBool::new(false)), Ok(()), "it decides by its code");
    }

    #[test]
    fn parent_is_found_after_any_name() {
        for (stat, expect) in [
            ("12 (sh) S 7 12 12 0", Some(7)),
            ("12 (a) S 9 (b) R 7 12 12 0", Some(7)),
            ("12 (sh)", None),
            ("", None),
        ] {
            assert_eq!(parent(stat), expect, "{stat}");
        }
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let expect = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        assert_eq!(parent(&own), Some(expect));
    }
}
