//! The channel that posts JSON to a URL.
//! Never: an address that the policy does not allow; a URL or a secret in a text.

use portcullis_model::Now;
use portcullis_outbound::{Client, Target};

use crate::delivery::{Delivery, SendOutcome};
use crate::signature::WebhookSecrets;

/// Posts each message to one URL.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    target: Target,
    secrets: Option<WebhookSecrets>,
}

impl Webhook {
    /// A webhook; with secrets, its requests are signed.
    #[must_use]
    pub fn new(client: Client, target: Target, secrets: Option<WebhookSecrets>) -> Self {
        Self { client, target, secrets }
    }

    pub(crate) async fn send(&self, delivery: &Delivery, now: Now) -> SendOutcome {
        let timestamp = now.unix_ms.div_euclid(1_000);
        let time = timestamp.to_string();
        let signature = self
            .secrets
            .as_ref()
            .map(|secrets| secrets.sign(&delivery.message, timestamp, &delivery.body));
        let mut headers =
            vec![("webhook-id", delivery.message.as_str()), ("webhook-timestamp", &time)];
        if let Some(signature) = &signature {
            headers.push(("webhook-signature", signature));
        }
        let sent = self.client.post_json(&self.target, &headers, delivery.body.as_bytes()).await;
        match sent {
            Ok(response) => SendOutcome::of_status(response.status, response.retry_after_s),
            Err(error) => SendOutcome::Failed { why: error.to_string(), retry_after_s: None },
        }
    }
}
