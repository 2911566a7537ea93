//! A mail with its headers (RFC 5322).
//! Never: a header with text of clients; an answer by a program (RFC 3834).

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes};
use lettre::{Address, Message};

use crate::message::letter;
use crate::spool::delivery::Delivery;

/// The mail of a message. All attempts have the same headers, so receivers notice duplicates.
pub(crate) fn build(
    from: &Address,
    to: &[Address],
    delivery: &Delivery,
) -> Result<Message, lettre::error::Error> {
    let (subject, text) = letter::parts(&delivery.body);
    let domain = from.domain();
    let queued_ms = u64::try_from(delivery.progress.queued_unix_ms).unwrap_or(0);
    let to = to.iter().map(|address| Mailbox::new(None, address.clone())).collect::<Mailboxes>();
    Message::builder()
        .from(Mailbox::new(Some(String::from("Portcullis")), from.clone()))
        .mailbox(lettre::message::header::To::from(to))
        .subject(subject)
        .date(UNIX_EPOCH + Duration::from_millis(queued_ms))
        .message_id(Some(format!("<{}@{domain}>", delivery.message)))
        // Mail programs show all states of one alert together.
        .references(format!("<{}@{domain}>", delivery.alert))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            String::from("auto-generated"),
        ))
        .header(ContentType::TEXT_PLAIN)
        .body(String::from(text))
}

#[cfg(test)]
mod tests {
    use portcullis_model::Now;

    use super::*;
    use crate::message::sample::test_alert;
    use crate::spool::delivery::Progress;

    #[test]
    fn t400_mail_is_plain_text_and_the_same_in_each_attempt() {
        let alert = test_alert("x", Now { monotonic_ms: 0, unix_ms: 1_790_824_365_000 });
        let mut delivery = Delivery {
            alert: alert.id.clone(),
            progress: Progress::new(1_790_824_365_000),
            ..Delivery::sample("mail", &letter::letter(&alert))
        };
        let addresses = ["portcullis@example.org", "a@example.org", "b@example.org"];
        let [from, to @ ..] = addresses.map(|address| address.parse::<Address>().unwrap());
        let mail = build(&from, &to, &delivery).unwrap().formatted();
        delivery.progress.attempts = 3;
        assert_eq!(build(&from, &to, &delivery).unwrap().formatted(), mail);
        let text = String::from_utf8(mail).unwrap();
        for line in [
            "From: Portcullis <portcullis@example.org>",
            "To: a@example.org, b@example.org",
            "Subject: Portcullis TEST [info] TEST: Test of this channel (firing)",
            "Date: Thu, 01 Oct 2026 03:12:45 +0000",
            "Message-ID: <msg_1@example.org>",
            "References: <al_test_x@example.org>",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
            "Events: 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
