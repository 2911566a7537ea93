//! The secret of a webhook.
//! Never: the secret in an error.

use std::path::Path;

use portcullis_admin::{Shape, WebhookSecret, WebhookSecrets};
use portcullis_model::Secret;

use crate::config::read::error::ConfigError;
use crate::config::read::secret_file::read_private;

pub(super) fn read_secret(shape: Shape, path: Option<&Path>) -> Result<WebhookSecret, ConfigError> {
    const KEY: &str = "alert.channel.secret_file";
    let is_pagerduty = shape == Shape::PagerDuty;
    let Some(path) = path else {
        if is_pagerduty {
            let (why, mend) = ("PagerDuty needs a routing key", "name a file with the key");
            return Err(ConfigError::refused(KEY, "unset", why, mend));
        }
        return Ok(WebhookSecret::None);
    };
    let bytes = read_private(KEY, path)?;
    let text = std::str::from_utf8(bytes.expose()).unwrap_or_default().trim();
    if is_pagerduty {
        let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_key {
            let mend = "write the integration key of the service into it";
            return Err(ConfigError::file(KEY, path, "it has no 32 letters and digits", mend));
        }
        return Ok(WebhookSecret::Routing(Secret::new(String::from(text))));
    }
    WebhookSecrets::parse(text).map(WebhookSecret::Signing).map_err(|error| {
        let mend = "write the secret of the receiver, and its former one in another line";
        ConfigError::file(KEY, path, error.to_string(), mend)
    })
}
