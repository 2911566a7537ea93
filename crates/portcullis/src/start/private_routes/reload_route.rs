//! `POST /admin/v1/config/reload`: the reload for `portcullis reload`, on the private listener.
//! Never: for users of the dashboard; the operator edits the file at the machine.

use std::sync::{Arc, OnceLock};

use portcullis_model::Denial;
use portcullis_server::{Builder, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::reload::change::{Change, Effect};
use crate::reload::reloader::{Reload, ReloadMode, Reloader};
use crate::tls::server_config::CertificateComparison;

/// The reloader, once the server runs.
pub(crate) type SharedReloader = Arc<OnceLock<Arc<Reloader>>>;

/// The body of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    dry_run: bool,
}

/// Installs the route; the reloader is set when the server runs.
pub(crate) fn install(builder: &mut Builder) -> SharedReloader {
    let shared = SharedReloader::default();
    let of_route = Arc::clone(&shared);
    builder.private_route(String::from("config/reload"), move |_, body| {
        let reloader = of_route.get().cloned();
        async move {
            let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
            let request: Request = serde_json::from_slice(body)
                .map_err(|error| Denial::app("payload_invalid", error.to_string()))?;
            let starting = || Denial::app("starting", "the server starts: try again in a second");
            let reloader = reloader.ok_or_else(starting)?;
            let mode = if request.dry_run { ReloadMode::Preview } else { ReloadMode::Apply };
            // Files are read, which can take a while on a slow disk.
            let reloaded = tokio::task::spawn_blocking(move || reloader.reload(mode)).await;
            match reloaded {
                Ok(Ok(reload)) => Ok(Reply::fields(&fields(&reload))),
                Ok(Err(error)) => Err(Denial::app("config_invalid", format!("{error:#}"))),
                Err(_) => Err(Denial::Internal("reload")),
            }
        }
    });
    shared
}

/// The members of the response.
fn fields(reload: &Reload) -> Value {
    let change = |change: &Change| {
        let effect = match change.effect {
            Effect::Now => "now",
            Effect::Restart => "restart",
        };
        json!({ "key": change.key, "old": change.old, "new": change.new, "takes_effect": effect })
    };
    let changes: Vec<Value> = reload.changes.iter().map(change).collect();
    let certificate = reload.certificate.as_ref().map(|certificate| match certificate {
        CertificateComparison::Same { until } => json!({ "is_new": false, "until": until }),
        CertificateComparison::New { until } => json!({ "is_new": true, "until": until }),
    });
    json!({ "changes": changes, "warnings": reload.warnings, "certificate": certificate })
}
