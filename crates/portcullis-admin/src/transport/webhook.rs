//! The channel that posts JSON to a URL.
//! Never: an address that the policy does not allow; a URL or a secret in a text.

use portcullis_model::{Now, Secret};
use portcullis_outbound::{Client, Target};

use crate::message::shape::Shape;
use crate::spool::delivery::{Delivery, SendOutcome};
use crate::transport::signature::WebhookSecrets;

/// The secret of a webhook.
#[derive(Clone)]
pub enum WebhookSecret {
    /// The URL alone is the secret.
    None,
    /// Requests are signed.
    Signing(WebhookSecrets),
    /// The routing key of PagerDuty, which stands in each body.
    Routing(Secret<String>),
}

/// Posts each message to one URL.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    target: Target,
    shape: Shape,
    secret: WebhookSecret,
}

impl Webhook {
    /// A webhook.
    #[must_use]
    pub fn new(client: Client, target: Target, shape: Shape, secret: WebhookSecret) -> Self {
        Self { client, target, shape, secret }
    }

    /// The format of its bodies.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) async fn send(&self, delivery: &Delivery, now: Now) -> SendOutcome {
        let timestamp = now.unix_ms.div_euclid(1_000);
        let time = timestamp.to_string();
        let (body, signature) = match &self.secret {
            WebhookSecret::None => (None, None),
            WebhookSecret::Signing(secrets) => {
                (None, Some(secrets.sign(&delivery.message, timestamp, &delivery.body)))
            }
            WebhookSecret::Routing(key) => (Some(with_routing_key(&delivery.body, key)), None),
        };
        let body = body.as_ref().map_or(&*delivery.body, |body| body.expose());
        let mut headers =
            vec![("webhook-id", delivery.message.as_str()), ("webhook-timestamp", &time)];
        if let Some(signature) = &signature {
            headers.push(("webhook-signature", signature));
        }
        let sent = self.client.post_json(&self.target, &headers, body.as_bytes()).await;
        match sent {
            Ok(response) => SendOutcome::of_status(response.status, response.retry_after_s),
            Err(error) => SendOutcome::Failed { why: error.to_string(), retry_after_s: None },
        }
    }
}

/// Adds the routing key to an object. The file of the spool has the body without it.
fn with_routing_key(body: &str, key: &Secret<String>) -> Secret<String> {
    let rest = body.strip_prefix('{').unwrap_or("}");
    // A routing key has letters and digits, so it needs no escaping.
    Secret::new(format!("{{\"routing_key\":\"{}\",{rest}", key.expose()))
}
