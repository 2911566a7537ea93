//! The channel that sends mails.
//! Never: a mail without TLS; an address that the policy does not allow; a password in a text.

use std::error::Error as _;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail as MailCommand, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, response::Code};
use portcullis_model::Secret;
use portcullis_outbound::{Client, Target};
use thiserror::Error as ThisError;
use tokio::time::timeout;

use super::mail_message;
use super::mail_stream::{MailEncryption, MailStream};
use crate::message::text::harmless;
use crate::spool::delivery::{Delivery, SendOutcome};

/// Most receivers of a channel.
const RECEIVERS_MAX: usize = 16;
/// Time for one mail. Some servers greet unknown senders after several seconds.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the end of the dialogue, when the server has the mail.
const BYE_TIMEOUT: Duration = Duration::from_secs(1);

/// The sender and the receivers of mails.
#[derive(Debug, Clone)]
pub struct MailAddresses {
    from: Address,
    to: Vec<Address>,
}

/// The reason why addresses are not accepted.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum MailAddressError {
    /// It is not an address.
    #[error("{0:?} is not a mail address of ASCII characters")]
    Invalid(String),
    /// There are none, or too many.
    #[error("the channel has {0} receivers instead of 1 to {RECEIVERS_MAX}")]
    Count(usize),
}

impl MailAddresses {
    /// Reads addresses.
    ///
    /// # Errors
    /// [`MailAddressError`] for the first address that is not valid.
    pub fn parse(from: &str, to: &[String]) -> Result<Self, MailAddressError> {
        if to.is_empty() || to.len() > RECEIVERS_MAX {
            return Err(MailAddressError::Count(to.len()));
        }
        let read = |text: &str| {
            let address = text.is_ascii().then(|| text.parse().ok()).flatten();
            address.ok_or_else(|| MailAddressError::Invalid(String::from(text)))
        };
        let to = to.iter().map(|text| read(text)).collect::<Result<_, _>>()?;
        Ok(Self { from: read(from)?, to })
    }
}

/// The user name and the password at the mail server.
#[derive(Clone)]
pub struct MailLogin {
    /// The user name.
    pub user: Secret<String>,
    /// The password.
    pub password: Secret<String>,
}

/// Sends each message as a mail.
#[derive(Clone)]
pub struct Mail {
    client: Client,
    target: Target,
    encryption: MailEncryption,
    login: Option<MailLogin>,
    addresses: MailAddresses,
}

impl Mail {
    /// A channel to a mail server.
    #[must_use]
    pub fn new(
        client: Client,
        target: Target,
        encryption: MailEncryption,
        login: Option<MailLogin>,
        addresses: MailAddresses,
    ) -> Self {
        Self { client, target, encryption, login, addresses }
    }

    pub(crate) async fn send(&self, delivery: &Delivery) -> SendOutcome {
        let sent = async {
            let (encryption, hello) = (self.encryption, self.addresses.from.domain());
            let stream = MailStream::open(&self.client, &self.target, encryption, hello).await;
            let stream = stream.map_err(|error| failed(error.to_string()))?;
            self.dialogue(Box::new(stream), delivery).await
        };
        in_time(TIMEOUT, sent).await
    }

    /// Sends the mail over an encrypted connection, on which the server speaks first.
    async fn dialogue(
        &self,
        stream: Box<dyn AsyncTokioStream>,
        delivery: &Delivery,
    ) -> Result<AsyncSmtpConnection, SendOutcome> {
        let MailAddresses { from, to } = &self.addresses;
        let mail = mail_message::build(from, to, delivery)
            .map_err(|error| SendOutcome::Rejected { why: format!("no mail: {error}") })?;
        let hello = ClientId::Domain(String::from(from.domain()));
        let connected = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut connection = connected.map_err(|error| outcome("greeting", &error))?;
        if let Some(login) = &self.login {
            self.log_in(&mut connection, login).await?;
        }
        self.address(&mut connection).await?;
        let body = mail.formatted();
        connection.command(Data).await.map_err(|error| outcome("DATA", &error))?;
        connection.message(&body).await.map_err(|error| outcome("the mail", &error))?;
        Ok(connection)
    }

    async fn log_in(
        &self,
        connection: &mut AsyncSmtpConnection,
        login: &MailLogin,
    ) -> Result<(), SendOutcome> {
        let (user, password) = (login.user.expose().clone(), login.password.expose().clone());
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        let accepted = connection.auth(&mechanisms, &Credentials::new(user, password)).await;
        // A wrong password is mended at the server or here, so the mail waits for that.
        accepted.map(drop).map_err(|error| failed(described("the login", &error)))
    }

    /// Names the sender and the receivers. One address that no longer exists does not keep the
    /// others from their mail.
    async fn address(&self, connection: &mut AsyncSmtpConnection) -> Result<(), SendOutcome> {
        let MailAddresses { from, to } = &self.addresses;
        let sender = MailCommand::new(Some(from.clone()), Vec::new());
        connection.command(sender).await.map_err(|error| outcome("the sender", &error))?;
        let mut rejected = None;
        let mut accepted = 0;
        for address in to {
            match connection.command(Rcpt::new(address.clone(), Vec::new())).await {
                Ok(_) => accepted += 1,
                Err(error) if error.is_permanent() => {
                    let why = described("a receiver", &error);
                    tracing::warn!(why, "a receiver of alerts gets no mail");
                    rejected = Some(outcome("all receivers", &error));
                }
                Err(error) => return Err(outcome("a receiver", &error)),
            }
        }
        rejected.filter(|_| accepted == 0).map_or(Ok(()), Err)
    }
}

/// The outcome of an attempt that has a deadline.
async fn in_time(
    limit: Duration,
    sent: impl Future<Output = Result<AsyncSmtpConnection, SendOutcome>>,
) -> SendOutcome {
    match timeout(limit, sent).await {
        Ok(Ok(mut connection)) => {
            // The server has the mail, whatever it answers to this.
            let _bye = timeout(BYE_TIMEOUT, connection.quit()).await;
            SendOutcome::Delivered
        }
        Ok(Err(outcome)) => outcome,
        Err(_) => failed(format!("the mail server did not accept the mail in {limit:?}")),
    }
}

fn failed(why: String) -> SendOutcome {
    SendOutcome::Failed { why, retry_after_s: None }
}

/// A status of 5xx rejects this mail; anything else can pass.
fn outcome(what: &str, error: &Error) -> SendOutcome {
    let why = described(what, error);
    if error.is_permanent() { SendOutcome::Rejected { why } } else { failed(why) }
}

fn described(what: &str, error: &Error) -> String {
    match error.status().map(Code::into) {
        Some::<u16>(code) => {
            let text = error.source().map(|text| harmless(&text.to_string())).unwrap_or_default();
            format!("the mail server answered {code} to {what}: {text}")
        }
        None => {
            let text = harmless(&error.to_string());
            format!("the mail server did not accept {what}: {text}")
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Now;
    use portcullis_outbound::Policy;
    use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

    use super::*;
    use crate::message::{letter, sample::test_alert};

    fn delivery(text: &str) -> Delivery {
        let alert = test_alert("x", Now::default());
        Delivery::sample("mail", &format!("{}{text}", letter::letter(&alert)))
    }

    fn mail() -> Mail {
        let policy = Policy { private_allowed: true, ..Policy::default() };
        let target = Target::parse_host("127.0.0.1:465", &policy).unwrap();
        let to = ["b@example.org", "c@example.org"].map(String::from);
        let addresses = MailAddresses::parse("a@example.org", &to).unwrap();
        let secret = |text: &str| Secret::new(String::from(text));
        let login = MailLogin { user: secret("portcullis"), password: secret("hush") };
        let client = Client::new(policy).unwrap();
        Mail::new(client, target, MailEncryption::Tls, Some(login), addresses)
    }

    /// A mail server that accepts everything, except what begins with `command`: there it sends
    /// `answer`, which can be nothing. Returns what it got.
    async fn serve(
        stream: impl AsyncRead + AsyncWrite + Unpin,
        command: &str,
        answer: &str,
    ) -> String {
        let (mut got, mut line, mut stream) =
            (String::new(), String::new(), BufReader::new(stream));
        let mut is_data = false;
        let mut answered = stream.write_all(b"220 mail\r\n").await;
        while answered.is_ok() && stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
            got.push_str(&line);
            let usual = match line.trim_end() {
                "." if is_data => {
                    is_data = false;
                    "250 OK\r\n"
                }
                _ if is_data => "",
                "DATA" => {
                    is_data = true;
                    "354 go on\r\n"
                }
                text if text.starts_with("EHLO") => "250-mail\r\n250 AUTH PLAIN\r\n",
                text if text.starts_with("AUTH") => "235 OK\r\n",
                _ => "250 OK\r\n",
            };
            let is_here = !usual.is_empty() && line.starts_with(command) && !command.is_empty();
            answered = stream.write_all(if is_here { answer } else { usual }.as_bytes()).await;
            line.clear();
        }
        got
    }

    /// The outcome with that server, and what it got.
    fn outcome_at(command: &str, answer: &str, text: &str) -> (SendOutcome, String) {
        outcome_in(TIMEOUT, command, answer, text)
    }

    fn outcome_in(
        limit: Duration,
        command: &str,
        answer: &str,
        text: &str,
    ) -> (SendOutcome, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(4 * 1024);
            let (mail, delivery) = (mail(), delivery(text));
            let sent = mail.dialogue(Box::new(MailStream::new(b"", ours)), &delivery);
            let client = in_time(limit, sent);
            tokio::join!(client, serve(theirs, command, answer))
        })
    }

    #[test]
    fn t400_each_fault_of_the_server_has_a_name_and_an_end() {
        let long = format!("250 {}", "x".repeat(200_000));
        let many = "250-x\r\n".repeat(30_000);
        let fails = [
            ("AUTH", "535 5.7.8 wrong\r\n", "answered 535 to the login: 5.7.8 wrong"),
            ("AUTH", &"334 aHVzaA==\r\n".repeat(20), "the login"),
            ("MAIL", "451 later\r\n", "answered 451 to the sender: later"),
            ("RCPT", "450 greylisted\r\n", "answered 450 to a receiver: greylisted"),
            (".", "452 full\r\n", "answered 452 to the mail: full"),
            (".", &long, "its answers are longer than 16 KiB"),
            ("EHLO", &many, "its answers are longer than 16 KiB"),
            ("DATA", "354\0go\r\n", "did not accept DATA"),
            ("DATA", "\u{fe}\r\n", "did not accept DATA"),
        ];
        for (command, answer, expect) in fails {
            let (outcome, _got) = outcome_at(command, answer, "");
            let SendOutcome::Failed { why, retry_after_s: None } = &outcome else {
                panic!("{command} {expect}: {outcome:?}")
            };
            assert!(why.contains(expect) && !why.contains("hush"), "{command} {expect}: {why}");
        }
        let rejects = [
            ("MAIL", "553 no\r\n", "answered 553 to the sender: no"),
            ("RCPT", "550 gone\r\n", "answered 550 to all receivers: gone"),
            (".", "554 spam\r\n", "answered 554 to the mail: spam"),
        ];
        for (command, answer, expect) in rejects {
            let (outcome, _got) = outcome_at(command, answer, "");
            let why = format!("the mail server {expect}");
            assert_eq!(outcome, SendOutcome::Rejected { why }, "{command}");
        }
    }

    #[test]
    fn t400_silent_server_has_a_deadline() {
        let why = String::from("the mail server did not accept the mail in 50ms");
        for (command, answer) in [("EHLO", ""), ("DATA", ""), (".", ""), (".", "250-OK\r\n")] {
            let (outcome, _got) = outcome_in(Duration::from_millis(50), command, answer, "");
            assert_eq!(outcome, failed(why.clone()), "{command} {answer}");
        }
    }

    #[test]
    fn mail_that_the_server_has_is_delivered_whatever_it_says_then() {
        for answer in ["", "500 what\r\n", "\0\r\n"] {
            assert_eq!(outcome_at("QUIT", answer, "").0, SendOutcome::Delivered, "{answer:?}");
        }
        // One receiver that is gone does not keep the other one from its mail.
        let (outcome, got) = outcome_at("RCPT TO:<b@", "550 gone\r\n", "");
        assert_eq!(outcome, SendOutcome::Delivered);
        assert!(got.contains("RCPT TO:<c@example.org>\r\nDATA\r\n"), "{got}");
    }

    #[test]
    fn t400_text_cannot_end_the_mail_or_add_a_command() {
        let long = "y".repeat(3_000);
        let text = format!(".\n.\r\nMAIL FROM:<evil@example.org>\r\n\r.\r\0\n..\nü\n{long}\n.");
        let (outcome, got) = outcome_at("", "", &text);
        assert_eq!(outcome, SendOutcome::Delivered);
        let (_, data) = got.split_once("DATA\r\n").unwrap();
        let (mail, rest) = data.split_once("\r\n.\r\n").unwrap();
        assert_eq!(rest, "QUIT\r\n", "{got}");
        // A line has at most 998 characters, and no CR or LF alone (RFC 5322 section 2.3).
        assert!(mail.split("\r\n").all(|line| line.len() <= 998), "{mail}");
        assert!(mail.is_ascii(), "{mail}");
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n', '\0']), "{mail}");
    }
}
