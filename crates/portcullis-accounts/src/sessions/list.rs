//! `GET /auth/sessions` and `POST /auth/sessions/end`: the sessions of a user.
//! Never: a session of another user.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret, SessionId};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{SessionSelector, StoreError};
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::request::record::record_success_with;
use crate::request::signed_in_user::SignedInUser;
use crate::request::view::OkView;

/// A session as its user sees it. Times are in milliseconds since 1970.
#[derive(Serialize)]
struct SessionView {
    id: String,
    /// Whether it is the session of the request.
    current: bool,
    created_at: i64,
    renewed_at: i64,
    authenticated_at: i64,
    expires_at: i64,
    device: String,
    address: String,
}

#[derive(Serialize)]
struct SessionListView {
    sessions: Vec<SessionView>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndInput {
    id: String,
}

/// Answers 200 `{sessions: […]}`; the session that was renewed last comes first.
pub(crate) async fn list(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read(&request)?;
    let rows = accounts.store.list_sessions(&signed_in.user.id, request.now.unix_ms).await;
    let rows = rows.map_err(StoreError::into_denial)?;
    let sessions = rows
        .into_iter()
        .map(|row| SessionView {
            current: row.id == signed_in.session,
            id: row.id.to_string(),
            created_at: row.created_unix_ms,
            renewed_at: row.renewed_unix_ms,
            authenticated_at: row.authenticated_unix_ms,
            expires_at: row.idle_ends_unix_ms,
            device: row.device,
            address: row.address,
        })
        .collect();
    Ok(ApiResponse::json(200, &SessionListView { sessions }))
}

/// Ends one session of the user; its sockets close. Answers 200 `{ok: true}`.
///
/// Ending another session needs a recent login, so that the holder of a stolen token cannot sign
/// the user out. A session of another user is forbidden, the same as a session that does not exist.
pub(crate) async fn end(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read(&request)?;
    let input: EndInput = read_json(&request.body, &["id"])?;
    let wrong = |_| Denial::Schema { field: Some("id"), rule: "value" };
    let session = SessionId::parse(&input.id).map_err(wrong)?;
    if session != signed_in.session {
        signed_in.check_recent(&request)?;
    }
    let which = SessionSelector::One(session);
    let user = signed_in.user.id.clone();
    let ended = accounts.store.end_sessions(user, which).await;
    if ended.map_err(StoreError::into_denial)?.is_empty() {
        return Err(Denial::Forbidden("session"));
    }
    record_success_with(&request, Code::AuthnTokenRevoked, &signed_in.user.id, |record| {
        record.reason = "session_ended_by_user";
        record.session = Some(Secret::new(input.id));
    });
    Ok(ApiResponse::json(200, &OkView::OK))
}
