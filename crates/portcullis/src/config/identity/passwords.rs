//! The rules for new passwords: words of the site, and a file of known passwords.
//! Never: a password of the file in an error or a log.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::net::IpAddr;
use std::path::Path;

use portcullis_accounts::{LISTED_MAX, ListedPasswords, PasswordPolicy};

use crate::config::read::error::ConfigError;
use crate::config::settings::Settings;

/// Shortest part of a host name that counts as a word.
const LABEL_MIN_CHARS: usize = 3;

/// The rules for new passwords.
///
/// # Errors
/// An error if the file cannot be read, is too large or holds no password.
pub(crate) fn password_policy(settings: &Settings) -> Result<PasswordPolicy, ConfigError> {
    let mut settled = settings.clone();
    settled.settle_anywhere();
    let mut words = settings.identity.accounts.context_words.clone();
    words.extend(settled.gate.origins.iter().flat_map(|origin| words_of_origin(origin)));
    let listed =
        settings.identity.accounts.password_blocklist.as_deref().map(read_list).transpose()?;
    Ok(PasswordPolicy::new(words, listed.unwrap_or_default()))
}

fn read_list(path: &Path) -> Result<ListedPasswords, ConfigError> {
    const KEY: &str = "accounts.password_blocklist_file";
    let fault = |why: String, mend: &str| ConfigError::file(KEY, path, why, mend);
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::FileTooLarge => {
            let why = format!("it holds more than {LISTED_MAX} passwords");
            fault(why, "use a shorter list of the most common passwords")
        }
        _ => fault(format!("it cannot be read ({error})"), "name a file that this user can read"),
    };
    let file = File::open(path).map_err(unreadable)?;
    let is_file = file.metadata().map_err(unreadable)?.is_file();
    if !is_file {
        return Err(fault(String::from("it is not a regular file"), "name a text file"));
    }
    let listed = ListedPasswords::read(BufReader::new(file)).map_err(unreadable)?;
    if listed.is_empty() {
        let why = String::from("it has no line with 8 or more characters");
        return Err(fault(why, "name a text file with one password a line"));
    }
    Ok(listed)
}

/// The host name of an origin and its parts; an IP address has none.
fn words_of_origin(origin: &str) -> Vec<String> {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    if host.starts_with('[') {
        return Vec::new();
    }
    let host = host.split([':', '/']).next().unwrap_or_default();
    if host.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let parts = host.split('.').chain([host]);
    let words = parts.filter(|word| word.chars().count() >= LABEL_MIN_CHARS && *word != "www");
    words.map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_an_origin_are_its_host_name_and_parts() {
        assert_eq!(
            words_of_origin("https://chat.example:8443"),
            ["chat", "example", "chat.example"]
        );
        assert_eq!(words_of_origin("https://www.acme.io"), ["acme", "www.acme.io"]);
        assert_eq!(words_of_origin("capacitor://localhost"), ["localhost", "localhost"]);
        assert_eq!(words_of_origin("https://127.0.0.1:8443"), [""; 0]);
        assert_eq!(words_of_origin("https://[::1]:8443"), [""; 0]);
    }

    #[test]
    fn blocklist_without_passwords_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        std::fs::write(&path, "short\n").unwrap();
        let error = read_list(&path).unwrap_err().to_string();
        assert!(error.contains("accounts.password_blocklist_file"), "{error}");
        assert!(read_list(directory.path()).is_err() && read_list(&path.join("x")).is_err());
        std::fs::write(&path, "zag12wsx\n").unwrap();
        assert_eq!(read_list(&path).unwrap().len(), 1);
    }
}
