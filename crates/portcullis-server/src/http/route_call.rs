//! A request to a route: the handler runs under a deadline, and its outcome is written.
//! Never: a handler without a deadline; an unread body.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_guard::AdmittedRequest;
use portcullis_model::{Deadline, Denial, Moment};

use crate::connect::identity::wait_for_key_of;
use crate::http::api::{ApiCredentials, ApiHeaders, ApiRequest, ApiResponse};
use crate::http::connection::HttpConnection;
use crate::http::next::{Next, respond};
use crate::http::responder::OutgoingResponse;
use crate::rejection::{RejectedHead, RejectionSource, reject};
use crate::shard::state::Shard;

/// The deadline of a request to a route: a log-in waits for a slot and for the store.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);
/// The time after the deadline in which a route may still report its outcome.
const ROUTE_GRACE: Duration = Duration::from_millis(250);

/// An admitted request to a route, before its handler runs.
pub(crate) struct RouteCall {
    /// The index of the route.
    pub(crate) index: usize,
    pub(crate) admitted: AdmittedRequest,
    pub(crate) headers: ApiHeaders,
    /// The length of the body, which the buffer holds.
    pub(crate) body: usize,
}

/// Runs the handler of a route, and writes its response or its rejection.
pub(crate) async fn call_route(
    http: &mut HttpConnection,
    call: RouteCall,
    keep_alive: bool,
) -> Next {
    let RouteCall { index, admitted, headers, body } = call;
    let shard = Rc::clone(&http.shard);
    let Some(route) = shard.server.registered.routes.get(index) else {
        return Next::Close;
    };
    // Here for all routes: a handler verifies the token in the middle of its work.
    let key = wait_for_key_of(&shard, &admitted).await;
    let now = shard.now();
    let body = http.io.take_body(body);
    let origin = admitted.origin.clone();
    let user = Arc::new(OnceLock::new());
    let AdmittedRequest { bearer, bound, proof, .. } = admitted;
    let request = ApiRequest {
        client: admitted.client,
        origin: admitted.origin,
        method: route.method,
        path: route.path,
        credentials: ApiCredentials { bearer, bound, proof },
        headers,
        user: Arc::clone(&user),
        body,
        now,
        gate: shard.server.gate.clone(),
        queues: shard.server.queues.clone(),
        audit: shard.server.audit.clone(),
    };
    let _running = Rc::clone(&shard.drain.running);
    let work = async {
        key?;
        (route.handler)(request).await
    };
    let outcome = run(&shard, work).await;
    let origin = origin.as_deref();
    match outcome {
        Ok(response) => write_response(http, &response, origin, keep_alive).await,
        Err(denial) => {
            let user = user.get().map(|user| &**user);
            let source = RejectionSource {
                head: RejectedHead { path: Some(route.path), origin, ..RejectedHead::default() },
                user,
                ..http.client.rejection_source()
            };
            let rejection = reject(&shard, &denial, &source, shard.now());
            let body = rejection.http_body();
            http.responder().write_rejection(&rejection, &body, origin, false).await;
            Next::Close
        }
    }
}

/// Runs a handler under its deadline, and records how long it took.
async fn run<F>(shard: &Shard, work: F) -> Result<ApiResponse, Denial>
where
    F: Future<Output = Result<ApiResponse, Denial>>,
{
    let started = Moment::now();
    let work = Deadline::of_request(started, started.plus(ROUTE_TIMEOUT)).scope(work);
    let handled = tokio::time::timeout(ROUTE_TIMEOUT + ROUTE_GRACE, work).await;
    if let Some(times) = shard.times() {
        times.routes.record(Moment::now().since(started));
    }
    handled.unwrap_or(Err(Denial::HandlerTimeout))
}

async fn write_response(
    http: &mut HttpConnection,
    response: &ApiResponse,
    origin: Option<&str>,
    keep_alive: bool,
) -> Next {
    let extra = response.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let outgoing = OutgoingResponse {
        status: response.status,
        content_type: response.content_type,
        body: &response.body,
        kind: response.kind,
        origin,
        extra,
        keep_alive,
    };
    respond(http, outgoing).await
}
