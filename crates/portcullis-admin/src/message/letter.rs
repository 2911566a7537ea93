//! An alert as a mail: subject and plain text.
//! Never: text of clients in the subject, or a link.

use portcullis_audit::Alert;

use super::summary;

/// The subject in the first line, and the text in the others.
pub(crate) fn letter(alert: &Alert) -> String {
    let title = summary::title(alert);
    format!("Portcullis {title}\n{title}\n\n{}\n", summary::lines(alert))
}

/// The subject and the text of a letter.
pub(crate) fn parts(letter: &str) -> (&str, &str) {
    letter.split_once('\n').unwrap_or((letter, ""))
}

#[cfg(test)]
mod tests {
    use portcullis_audit::AlertKey;
    use portcullis_model::Now;

    use super::*;
    use crate::message::sample::test_alert;

    #[test]
    fn t400_subject_has_no_text_of_clients() {
        let mut alert = test_alert("x", Now::default());
        let value = String::from("evil\r\nBcc: all@example.org https://evil.example");
        alert.key = Some(AlertKey { kind: "name", value });
        let letter = letter(&alert);
        let (subject, text) = parts(&letter);
        assert_eq!(subject, "Portcullis TEST [info] TEST: Test of this channel (firing)");
        assert!(text.contains("Key: name \"evil\\u{d}\\u{a}Bcc: all@example.org"), "{text}");
        assert!(!text.contains("https://") && !text.contains('\r'), "{text}");
    }
}
