//! Single operations of an attacker: a socket, a login, a poll, a stall.
//! Never: traffic beyond this machine.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::time::{Duration, timeout};

use crate::clients::client::{Visit, open};
use crate::siege::attack::attackers::block;
use crate::siege::attack::attackers::from;
use crate::siege::attack::attackers::user;
use crate::siege::attack::reader;
use crate::siege::attack::schedule::Siege;
use crate::siege::attack::schedule::TIMEOUT;
use crate::siege::server::launch::memory_pressure_file;
use crate::siege::server::target::ask;
use crate::siege::users::polling::{Connection, Way};

/// The path of the database, below the directory of the server.
const DATABASE: &str = "data/portcullis.db";
/// The time until all of the memory is filled, in milliseconds.
const RAMP_MS: u64 = 10_000;

impl Siege {
    /// Finishes a TLS handshake and closes the connection.
    pub(crate) async fn shake_hands(self, number: u32) -> Result<()> {
        open(&self.door, &from(number)).await.map(drop)
    }

    pub(crate) async fn sit(self, number: u32) -> Result<()> {
        let visit = from(number);
        let open = Connection::open(&self.door, &visit, Way::Socket);
        let mut connection = timeout(TIMEOUT, open).await??;
        self.admitted();
        loop {
            connection.until(b"").await?;
        }
    }

    pub(crate) async fn bad_token(self, number: u32) -> Result<()> {
        let visit = Visit { token: Some(String::from("e30.e30.AAAA")), ..from(number) };
        Connection::sign_in(&self.door, &visit, Way::Socket).await.map(drop)
    }

    /// A client that is rejected at CONNECT counts as rejected.
    pub(crate) async fn intrude(self, number: u32) -> Result<()> {
        let count = self.intruders.len().max(1);
        let visit = self.intruders.get(number as usize % count).context("no intruders")?;
        let mut connection = Connection::open(&self.door, visit, Way::Socket).await?;
        let answer = connection.connect(visit).await?;
        if answer.starts_with("40") {
            return Ok(());
        }
        self.note(self.timeline.now_ms(), |tally| tally.rejected += 1);
        bail!("refused: {answer}")
    }

    pub(crate) async fn log_in(self, number: u32) -> Result<()> {
        let (address, origin) = (self.door.address, self.door.origin());
        let body = format!(r#"{{"username":"victim{}","password":"wrong horse"}}"#, number % 500);
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = ask(&self.door, &from(number), &request).await?;
        // An attempt that costs a password hash counts as admitted, right or wrong.
        if answer.starts_with("HTTP/1.1 401") { Ok(()) } else { bail!("refused") }
    }

    /// Joins the busy room and never reads.
    pub(crate) async fn listen(self, number: u32) -> Result<()> {
        let visit = user(number)?;
        let joined = reader::join(&self.door, &visit, &self.busy_room);
        let _unread = timeout(TIMEOUT, joined).await??;
        self.admitted();
        std::future::pending().await
    }

    /// Counts the admitted clients that the server has disconnected, from the kernel's table: a
    /// client that does not read does not notice the end.
    pub(crate) fn count_disconnected(&self, users: u32) -> Result<()> {
        let table = std::fs::read_to_string("/proc/net/tcp").context("/proc/net/tcp")?;
        let held = held(&table, self.door.address.port(), users);
        let disconnected = self.timeline.admitted(self.flood).saturating_sub(held);
        self.note(self.end_ms - 1, |tally| tally.rejected += disconnected);
        Ok(())
    }

    pub(crate) async fn drip(self, number: u32) -> Result<()> {
        let mut stream = timeout(TIMEOUT, open(&self.door, &from(number))).await??;
        stream.write_all(b"GET / HTTP/1.1\r\n").await?;
        self.admitted();
        loop {
            stream.write_all(b"X").await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    pub(crate) async fn poll(self, number: u32) -> Result<()> {
        let (address, origin) = (self.door.address, self.door.origin());
        let request = format!(
            "GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA HTTP/1.1\r\n\
             Host: {address}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"
        );
        let answer = ask(&self.door, &from(number), &request).await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { bail!("refused") }
    }

    /// A session is opened, posted a CONNECT without a token, and polled until no packet arrives.
    pub(crate) async fn poll_session(self, number: u32) -> Result<()> {
        let visit = from(number);
        let mut connection = Connection::open(&self.door, &visit, Way::Polling).await?;
        // The session is what was wanted; what follows is to cost the server as much as it may.
        self.admitted();
        drop(connection.connect(&visit).await?);
        connection.until(b"").await?;
        bail!("counted already")
    }

    /// Holds the database, as a backup or a broken disk would.
    pub(crate) async fn stall(&self) -> Result<()> {
        self.timeline.wait(self.from_ms).await;
        self.note(self.from_ms, |tally| (tally.due, tally.sent) = (1, 1));
        let connection = rusqlite::Connection::open(self.directory.join(DATABASE))?;
        connection.busy_timeout(Duration::ZERO)?;
        while connection.execute_batch("BEGIN EXCLUSIVE").is_err() {
            ensure!(self.timeline.now_ms() < self.end_ms, "the database could not be held");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.admitted();
        self.timeline.wait(self.end_ms).await;
        Ok(connection.execute_batch("ROLLBACK")?)
    }

    pub(crate) async fn weigh_down(&self, mib: u32) -> Result<()> {
        let file = memory_pressure_file(&self.directory);
        self.note(self.from_ms, |tally| (tally.due, tally.sent, tally.admitted) = (1, 1, 1));
        let mut at_ms = self.from_ms;
        while at_ms < self.end_ms {
            self.timeline.wait(at_ms).await;
            let part = (at_ms - self.from_ms + 5).min(RAMP_MS);
            std::fs::write(&file, (u64::from(mib) * part / RAMP_MS).to_string())?;
            at_ms += RAMP_MS / 50;
        }
        self.timeline.wait(self.end_ms).await;
        Ok(std::fs::write(&file, "0")?)
    }
}

/// The number of attackers' addresses with a connection to the server at a port.
///
/// It covers the first attackers, in the kernel's table: `sl local remote state …`. Addresses are
/// in hexadecimal, last byte first.
fn held(table: &str, port: u16, users: u32) -> u32 {
    const ESTABLISHED: &str = "01";
    let local = format!(":{port:04X}");
    let is_reader = |remote: &str| {
        let address = remote.split(':').next().and_then(|it| u32::from_str_radix(it, 16).ok());
        let [low, high, second, first] = address.unwrap_or_default().to_be_bytes();
        [first, second] == block() && u32::from(high) << 8 | u32::from(low) < users
    };
    let lines = table.lines().skip(1).filter(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (at, remote, state) = (words.next(), words.next(), words.next());
        at.is_some_and(|at| at.ends_with(&local))
            && remote.is_some_and(is_reader)
            && state == Some(ESTABLISHED)
    });
    u32::try_from(lines.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_table_lists_the_connected_clients() {
        let line = |local: &str, remote: &str, state: &str| {
            format!("  0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 0 0 1\n")
        };
        let here = "0100007F:20FB";
        let table = [
            String::from("  sl  local_address rem_address   st\n"),
            line(here, "0500427F:C001", "01"),
            line(here, "F301427F:C002", "01"),
            // Another attacker, an honest user, a closing connection, and the other end.
            line(here, "F401427F:C003", "01"),
            line(here, "05000A7F:C004", "01"),
            line(here, "0600427F:C005", "04"),
            line("0500427F:C001", here, "01"),
        ];
        assert_eq!(held(&table.concat(), 8_443, 500), 2);
    }
}
