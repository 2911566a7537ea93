//! The page of the siege: how it is measured, what held, and a part for each experiment.
//! Never: a figure typed in by hand, or a missed line left out.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;

use super::ablation;
use super::experiment::{Experiment, Outcome, Size};
use super::line::Verdict;
use super::section::{charts, section};
use super::shared_section::{self, SharedDone};
use super::target::Defence;
use crate::machine::{self, Machine, version};

/// An experiment and what it came to: by defence, one after the other when there were rounds.
pub(crate) type Done = (Experiment, Vec<Outcome>);

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))
}

/// Writes the page and its charts.
pub(crate) fn write(all: &[Done], shared: &[SharedDone], people: usize) -> Result<()> {
    let folder = docs().join("siege");
    std::fs::create_dir_all(&folder)?;
    for (experiment, outcomes) in all {
        for (name, chart) in charts(experiment, outcomes) {
            std::fs::write(folder.join(name), chart)?;
        }
    }
    let page = page(all, shared, people, &machine::read()?);
    Ok(std::fs::write(docs().join("siege.md"), page)?)
}

/// Puts experiments that were measured again, each by itself, in their places on the page.
pub(crate) fn replace(again: &[Done], shared: &[SharedDone]) -> Result<()> {
    let path = docs().join("siege.md");
    let mut page = std::fs::read_to_string(&path)?;
    let Machine { date, .. } = machine::read()?;
    let again_at = format!("Measured again by itself on {date}, {}.\n\n", version());
    for (experiment, outcomes) in again {
        for (name, chart) in charts(experiment, outcomes) {
            std::fs::write(docs().join("siege").join(name), chart)?;
        }
        let part = section(experiment, outcomes) + &again_at;
        page = replaced(&page, experiment.name, &rows(experiment, outcomes), &part);
    }
    for (experiment, outcomes) in shared {
        let part = shared_section::section(experiment, outcomes) + &again_at;
        let rows = shared_section::rows(experiment, outcomes);
        page = replaced(&page, experiment.name, &rows, &part);
    }
    page = replaced_part(&page, "## How it is measured", &how(Size::Full.people()));
    Ok(std::fs::write(path, page)?)
}

/// The page with other rows in its summary and another part for an experiment. What is new on the
/// page comes last, in the summary and on the page.
fn replaced(page: &str, name: &str, rows: &str, part: &str) -> String {
    let (row, heading) = (format!("| {name}"), format!("## {name}: "));
    let is_own = |line: &str| line.strip_prefix(&row).is_some_and(|it| it.starts_with([' ', ',']));
    let is_new = !page.lines().any(is_own);
    let (mut out, mut rows, mut in_summary) = (String::new(), Some(rows), false);
    for line in page.split_inclusive('\n') {
        if line.starts_with("## ") {
            in_summary = line.starts_with(SUMMARY);
        }
        let ends_table = is_new && in_summary && line == "\n" && out.ends_with("|\n");
        if is_own(line) || ends_table {
            out.push_str(rows.take().unwrap_or_default());
        }
        if !is_own(line) {
            out.push_str(line);
        }
    }
    if page.lines().any(|line| line.starts_with(&heading)) {
        return replaced_part(&out, &heading, part);
    }
    out.push_str(part);
    out
}

/// The page with another text for the part under a heading.
fn replaced_part(page: &str, heading: &str, part: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    for line in page.split_inclusive('\n') {
        if line.starts_with("## ") {
            inside = line.starts_with(heading);
            if inside {
                out.push_str(part);
            }
        }
        if !inside {
            out.push_str(line);
        }
    }
    out
}

fn page(all: &[Done], shared: &[SharedDone], people: usize, machine: &Machine) -> String {
    let Machine { processor, processors, memory_gib, kernel, date } = machine;
    let mut out = String::from(HEAD);
    let _written = write!(
        out,
        "| measured on | {date} |\n|---|---|\n| version | {} |\n\
         | processor | {processor}, {processors} cores |\n\
         | memory | {memory_gib:.0} GiB |\n| kernel | Linux {kernel} |\n\n",
        version(),
    );
    out.push_str(&how(people));
    out.push_str(&summary(all, shared));
    for (experiment, outcomes) in all {
        out.push_str(&section(experiment, outcomes));
    }
    for (experiment, outcomes) in shared {
        out.push_str(&shared_section::section(experiment, outcomes));
    }
    out
}

/// The part about how it is measured.
fn how(people: usize) -> String {
    let how = HOW.replace("{people}", &people.to_string());
    how.replace("{polling}", &(people / 10).to_string())
}

/// The heading of the summary.
const SUMMARY: &str = "## In short";

const HEAD: &str = "# Siege

What honest users notice of an attack. This page is written by `cargo xtask siege`; nothing on it
is typed in by hand.

";

const HOW: &str = "## How it is measured

The server runs alone on one processor, everybody else on the other, over TLS on this machine, each
client from an address of its own (`127.x.y.z`). {people} honest users, in rooms of ten, each say
something once a second at a fixed time, whatever happened to what they said before. One in ten of
them ({polling}) polls, the others have a WebSocket; with Socket.IO all have a WebSocket. Everybody
talks for some seconds before anything is counted.

A message is good when its acknowledgement says that it is stored within 250 ms of the time at which
it was meant to be sent; **goodput** is the part of the messages due in a second that are good. In
p50 and p99 a message that was never answered is slower than any other: `> 9000 ms` says that the
answer had not come after nine seconds. What was refused stands apart. In the charts such a second
stands at 10,000 ms.

Others come in meanwhile and leave again; who is turned away tries again after about
a second, as the stock client does, and who is not in after two has given up:

- **known**: five a second, with the admission of an earlier log-in, from an address somebody is
  signed in from;
- **elsewhere**: two a second, with an admission, from an address that was never seen before;
- **strangers**: two a second, with a good token and nothing else, from such an address. Until its
  CONNECT the server cannot tell one of these from an attacker, and promises nothing: the share is
  told and not judged. **Come in** in the lines below is known and elsewhere together.

Attackers come from 2,000 addresses, on a thread that gives way to the honest; no two of their TLS
connections share a session. Floods by the second have a fixed schedule, whatever the answers are:
**due** is what was to be sent, also while an attacker was thrown out or on the way back, **sent**
what was. What the generator had no hands for, or no time within a second of when it was due, is
not sent but **held back**; the rest was due while the server kept the attacker out. Who holds
something (sockets, readers, endless requests) comes again a second after being turned away; each
time is one that is due. **Late** is how late the attackers' thread sent something at most. Nothing
is sent after the attack's end.

The server has the profile `production`. Nothing of its limits is changed but that its users may say
120 things a minute (`message_per_user` from 100, `chat:send` from 10; not in D-13 and D-14), and
that it trusts the measuring program's tokens. In D-8 it is told to have 512 MiB. The readers of D-7
have a receive buffer of 4 KiB and segments of 1,460 bytes, as beyond this machine: whether they are
let go, the kernel's table of connections says.

D-11a and D-11b are one experiment with two and with eight attackers. Each attacker is a user who
signs in on five connections before the flood begins. The tokens are signed with Ed25519, which
costs the server more than HMAC. A WebSocket sends five times as many packets in the first two
seconds, which is what `bytes_per_connection` lets through at once. A packet is **answered in full**
when the server answers it with `40`, or with `44` and another code than `rate_limited`.

In D-12 one client opens 2,000 connections a second from 6,000 addresses and signs in on none. Each
connection is rejected for one of the reasons of a list: malformed requests, foreign hosts and
origins, unknown paths and sessions, forged and missing tokens, invalid packets, bytes that are not
TLS. Requests carry long texts, which make records long. The server is configured for 16 MiB of
such records a day (`unauthenticated_mib_per_day`), the least there is, so that the attack uses the
budget up; the default is 256 MiB. The table says how much was written to the files of the security
log, and how much the data directory grew; honest users' messages are part of that. The line counts
what was written beyond the rate before the attack, because connections of users are recorded too.

D-13 and D-14 have no attacker. Many users are behind one address, and every limit has its default.
The rejections are read from the server's metrics.

- In D-13 a user is back when the server has acknowledged the CONNECT and that the user joins the
  room. Clients wait as the stock client does: 1 s after the connection is lost or an attempt fails,
  then 2 s and 4 s, give or take half, and 5 s at most. They resume no TLS session. The refund that
  D-13 is about cannot be configured away. So the comparison is Socket.IO with the same limit and no
  refund; there each user signs in from another address before the restart.
- In D-14 time is not compressed, because limits are rates: users log in as often as 500 in half an
  hour do, while 400 are at work. The others have logged in before, as fast as the limits permit.

- **Portcullis**: as it comes.
- **without priorities**: the same server, with this taken away: its state is always normal, so that
  it sheds nothing and shortens nobody's time; strangers may take every place (`pre_auth_total` is
  all, `admin_reserve` none); there is no rate for all strangers together (`connect_total`,
  `tls_total`, `login_total` are 100,000 a second), so that TLS handshakes keep no pace and
  addresses of users have none of their own; who has been here before has the rate of anybody
  (`connect_known_per_prefix` 10 a minute); nobody waits for a place. Limits by address and user,
  penalties, deadlines and the end of slow readers stay.
- **without the guard** (D-11 and D-12): the same server without the limit that the experiment is
  about. In D-11 `namespace_per_connection`, `namespace_per_user`, `signature_per_connection` and
  `signature_per_user` are too wide to matter; ten rejected packets still end a connection. In D-12
  the budget is too wide to matter, and the state is always normal: an attacker who begins slowly
  keeps it so, and more is recorded then.
- **Socket.IO on Node**: version 4.8 over `node:https`, with what its documentation and common
  guides say to do: WebSocket only, a list of origins, tokens verified at the connection, small
  messages, short time-outs, and as in Portcullis ten connections a minute of an address and 120
  messages a minute of a user, counted in memory. It knows no admission. It stores nothing; its
  acknowledgement says that the message was handed on.

Not compared: Socket.IO with its defaults (no limits at all), and socketioxide. D-4, D-6, D-8 and
D-12 are about what Socket.IO does not have: passwords, a store, a limit of memory, a security log.
In D-11 it has a namespace `/admin` that rejects every user after it has checked the token.

Who has no state to come back to is watched for 15 s at most after an attack.

";

/// What had to hold, and whether it did.
pub(crate) fn summary(all: &[Done], shared: &[SharedDone]) -> String {
    let mut out =
        String::from("## In short\n\n| | experiment | what has to hold | |\n|---|---|---|---|\n");
    for (experiment, outcomes) in all {
        out.push_str(&rows(experiment, outcomes));
        if experiment.name == ablation::JUDGED_ON {
            out.push_str(&ablation::row(all).unwrap_or_default());
        }
    }
    for (experiment, outcomes) in shared {
        out.push_str(&shared_section::rows(experiment, outcomes));
    }
    out.push('\n');
    out.push_str(&ablation::others(all));
    out
}

/// What had to hold in one experiment.
fn rows(experiment: &Experiment, outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    let ours = outcomes.iter().filter(|outcome| outcome.defence == Defence::Priorities);
    let rounds = ours.clone().count();
    for (round, outcome) in ours.enumerate() {
        for (verdict, text) in experiment.line.verdicts(outcome) {
            let verdict = match verdict {
                Verdict::Holds => "holds",
                Verdict::Missed => "**missed**",
                Verdict::Told => "-",
            };
            let (name, title) = (experiment.name, experiment.title);
            let round = match rounds {
                0 | 1 => String::new(),
                _ => format!(", {} of {rounds}", round + 1),
            };
            let _written = writeln!(out, "| {name}{round} | {title} | {text} | {verdict} |");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_replaced_in_its_places_and_nothing_else() {
        let page = "## In short\n| D-1 | a |\n| D-6 | b |\n| D-6 | c |\n| D-60 | d |\n\n\
                    ## D-1: one\nx\n## D-6: six\ny\nz\n## D-60: more\nw\n";
        let expect = "## In short\n| D-1 | a |\n| D-6 | new |\n| D-60 | d |\n\n\
                      ## D-1: one\nx\n## D-6: again\nq\n## D-60: more\nw\n";
        assert_eq!(replaced(page, "D-6", "| D-6 | new |\n", "## D-6: again\nq\n"), expect);
        assert_eq!(replaced(page, "D-7", "", ""), page);
    }

    #[test]
    fn new_experiment_is_added_at_the_end() {
        let page = "## In short\n\n| | x |\n|---|---|\n| D-1 | a |\n\nText.\n\n## D-1: one\nx\n";
        let expect = "## In short\n\n| | x |\n|---|---|\n| D-1 | a |\n| D-11a | new |\n\nText.\n\n\
                      ## D-1: one\nx\n## D-11a: two\ny\n";
        let added = replaced(page, "D-11a", "| D-11a | new |\n", "## D-11a: two\ny\n");
        assert_eq!(added, expect);
        assert_eq!(replaced(&added, "D-11a", "| D-11a | new |\n", "## D-11a: two\ny\n"), expect);
    }

    #[test]
    fn nothing_done_is_a_page_without_lines() {
        assert!(summary(&[], &[]).ends_with("|---|---|---|---|\n\n"));
    }
}
