//! The account at the authority: its URL and its key, kept in the data directory.
//! Never: the account of one authority at another.

use std::fs;
use std::path::Path;

use instant_acme::{Account, AccountCredentials, NewAccount};
use portcullis_model::Secret;
use portcullis_seal::private_file;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::acme::failure::AcmeFailure;
use crate::acme::order::retry_nonce;
use crate::acme::transport::Transport;
use crate::config::AcmeSettings;

/// The file with the account.
pub(crate) const ACCOUNT_FILE: &str = "acme-account.json";

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
        let aside = data.join(format!("{ACCOUNT_FILE}.broken"));
        fs::rename(&path, &aside).map_err(|error| {
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
        let later = br#"{"format": 2, "directory": "https://ca.example/dir"}"#;
        private_file::create(&data.join(ACCOUNT_FILE), later, "a").unwrap();
        assert!(read(data).unwrap().is_none());
        assert!(!data.join(ACCOUNT_FILE).exists());
        let aside = private_file::read(&data.join("acme-account.json.broken")).unwrap().unwrap();
        assert_eq!(aside.expose(), later);
    }
}
