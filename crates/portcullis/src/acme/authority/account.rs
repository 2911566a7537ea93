//! The account at the authority: its URL and its key, kept in the data directory.
//! Never: the account of one authority at another.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use instant_acme::{Account, AccountCredentials, NewAccount};
use portcullis_model::Secret;
use portcullis_seal::private_file;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::acme::authority::failure::AcmeFailure;
use crate::acme::authority::order::retry_nonce;
use crate::acme::authority::transport::Transport;
use crate::config::AcmeSettings;

/// The file with the account.
pub(crate) const ACCOUNT_FILE: &str = "acme-account.json";
/// Most invalid files that are kept aside.
const ASIDE_MAX: usize = 100;

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    directory: String,
    email: Option<String>,
    credentials: AccountCredentials,
}

/// Opens the stored account; creates one if there is none at this authority.
pub(super) async fn open(
    settings: &AcmeSettings,
    transport: &Transport,
    data: &Path,
) -> Result<Account, AcmeFailure> {
    let Some(stored) = read(data)?.filter(|stored| stored.directory == settings.directory) else {
        return create(settings, transport, data).await;
    };
    let http = Box::new(transport.clone());
    let opened = Account::builder_with_http(http).from_credentials(stored.credentials).await;
    let account = opened.map_err(|error| AcmeFailure::of("the directory", &error))?;
    if stored.email != settings.email {
        let contact = contact(settings);
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let updated = retry_nonce(async || account.update_contacts(&contact).await).await;
        updated.map_err(|error| AcmeFailure::of("the new contact of the account", &error))?;
        // The credentials moved into the account, so they are read once more.
        if let Some(stored) = read(data)? {
            write(data, AccountFile { email: settings.email.clone(), ..stored }).await?;
        }
    }
    Ok(account)
}

/// Creates an account, and stores it in place of another one.
pub(super) async fn create(
    settings: &AcmeSettings,
    transport: &Transport,
    data: &Path,
) -> Result<Account, AcmeFailure> {
    let contact = contact(settings);
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let request = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let created = retry_nonce(async || {
        let builder = Account::builder_with_http(Box::new(transport.clone()));
        builder.create(&request, settings.directory.clone(), None).await
    });
    let (account, credentials) =
        created.await.map_err(|error| AcmeFailure::of("the account", &error))?;
    let directory = settings.directory.clone();
    write(data, AccountFile { directory, email: settings.email.clone(), credentials }).await?;
    tracing::info!(account = account.id(), "an account at the certificate authority was created");
    Ok(account)
}

fn contact(settings: &AcmeSettings) -> Option<String> {
    settings.email.as_ref().map(|email| format!("mailto:{email}"))
}

/// Reads the account. An invalid file is kept aside, because a new account replaces it: it can be
/// of a later version, and its key is the only one of the account.
fn read(data: &Path) -> Result<Option<AccountFile>, AcmeFailure> {
    let path = data.join(ACCOUNT_FILE);
    let text = private_file::read(&path).map_err(|error| AcmeFailure::new(&error.to_string()))?;
    let Some(text) = text else { return Ok(None) };
    let parsed = serde_json::from_slice(text.expose());
    if let Err(error) = &parsed {
        let aside = move_aside(&path, data).map_err(|error| {
            AcmeFailure::new(&format!("{ACCOUNT_FILE} is invalid and cannot be moved: {error}"))
        })?;
        tracing::warn!(
            %error, file = %path.display(), aside = %aside.display(),
            "the stored account is invalid or of a later version: it is kept aside, and a new one \
             is used"
        );
    }
    Ok(parsed.ok())
}

/// Moves an invalid file to a free name: `.broken`, `.broken-2` and so on. An earlier one can have
/// the only key of another account, so it is never replaced.
fn move_aside(path: &Path, data: &Path) -> io::Result<PathBuf> {
    for number in 1..=ASIDE_MAX {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let aside = data.join(format!("{ACCOUNT_FILE}.broken{suffix}"));
        // Unlike a rename, a hard link never replaces a file.
        match fs::hard_link(path, &aside) {
            Ok(()) => return fs::remove_file(path).map(|()| aside),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    let why = format!("{ASIDE_MAX} invalid files are kept aside: move them away");
    Err(io::Error::new(ErrorKind::AlreadyExists, why))
}

/// Replaces the file, off the thread of connections.
async fn write(data: &Path, account: AccountFile) -> Result<(), AcmeFailure> {
    let failure = |why: String| AcmeFailure::new(&format!("cannot store the account: {why}"));
    let text = serde_json::to_vec(&account).map_err(|error| failure(error.to_string()))?;
    let (text, path) = (Secret::new(text), data.join(ACCOUNT_FILE));
    let suffix = portcullis_server::random_id::<8>();
    let suffix = suffix.map_err(|_| failure(String::from("the system has no randomness")))?;
    let written =
        spawn_blocking(move || private_file::replace(&path, text.expose(), &suffix)).await;
    match written {
        Ok(written) => written.map_err(|error| failure(error.to_string())),
        Err(error) => Err(failure(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_that_cannot_be_read_is_kept_aside() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        assert!(read(data).unwrap().is_none());
        let file = |name: &str| private_file::read(&data.join(name)).unwrap();
        let names = ["acme-account.json.broken", "acme-account.json.broken-2"];
        for (format, name) in (2..).zip(names) {
            let later = format!("{{\"format\": {format}, \"directory\": \"https://ca.example/\"}}");
            private_file::create(&data.join(ACCOUNT_FILE), later.as_bytes(), "a").unwrap();
            assert!(read(data).unwrap().is_none());
            assert!(file(ACCOUNT_FILE).is_none());
            assert_eq!(file(name).unwrap().expose(), later.as_bytes());
        }
        // The earlier file is the same as before.
        assert!(file(names[0]).unwrap().expose().starts_with(b"{\"format\": 2"));
    }

    #[test]
    fn account_without_a_free_name_stays_at_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let create = |name: &str| private_file::create(&data.join(name), b"{", "a").unwrap();
        assert!(create("acme-account.json.broken"));
        for number in 2..=ASIDE_MAX {
            assert!(create(&format!("acme-account.json.broken-{number}")));
        }
        assert!(create(ACCOUNT_FILE));
        let failure = read(data).err().unwrap();
        assert!(failure.text.contains("100 invalid files are kept aside"), "{}", failure.text);
        assert!(data.join(ACCOUNT_FILE).exists());
    }
}
