//! Operations of the product on the private listener: a name, a JSON body, an answer.
//! Never: an operation for another machine, or without the key of an operator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_model::Denial;
use portcullis_wire::http1::Head;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::admin::host::{Rejection, check_host};
use crate::admin::operator_access::OperatorProgram;
use crate::admin::private::{Answer, Private};
use crate::setup::registered::PrivateRoute;

/// The paths of operations begin with it.
pub(crate) const OPERATIONS: &str = "/admin/v1/";
/// The timeout of a body.
const BODY_DEADLINE: Duration = Duration::from_secs(5);
/// Longest body of a request, in bytes.
const BODY_MAX_BYTES: u64 = 16 * 1024;
const NO_BODY: Rejection = (400, "the body ended early, or did not arrive in 5 s");
const OTHER_BODY: Rejection =
    (403, "the proof of the key was made for another body: send the body that it was made for");

impl Private {
    /// Answers a request of an operation.
    pub(crate) async fn operation(
        &self,
        head: &Head<'_>,
        read: &[u8],
        socket: &mut TcpStream,
        peer: SocketAddr,
    ) -> Answer {
        let program = check_host(head, &self.server.options.private_hosts)
            .and_then(|()| self.check_program(head, peer));
        let program = match program {
            Ok(program) => program,
            Err(rejection) => return Answer::rejected(rejection),
        };
        let (status, body) = match program.accept(self.server.clock.now()) {
            Ok(()) => self.perform(head, read, socket, &program).await,
            Err(error) => (error.status(), json!({ "error": error.to_string() }).to_string()),
        };
        let proof = program.prove_answer(status, &body);
        Answer::to_program(status, body, proof)
    }

    /// Performs an operation: a status and JSON.
    async fn perform(
        &self,
        head: &Head<'_>,
        read: &[u8],
        socket: &mut TcpStream,
        program: &OperatorProgram<'_>,
    ) -> (u16, String) {
        let rejected_request =
            |(status, why): Rejection| (status, json!({ "error": why }).to_string());
        let route = match self.find_operation(head) {
            Ok(route) => route,
            Err(rejection) => return rejected_request(rejection),
        };
        let Some(body) = read_body(head, read, socket).await else {
            return rejected_request(NO_BODY);
        };
        if !program.covers(&body) {
            return rejected_request(OTHER_BODY);
        }
        let services = Arc::new(self.server.services());
        match (route.handler)(services, body).await {
            Ok(reply) => (200, String::from(reply.payload().arguments())),
            Err(denial) => rejected(&denial),
        }
    }

    fn find_operation(&self, head: &Head<'_>) -> Result<&PrivateRoute, Rejection> {
        let name = head.path.strip_prefix(OPERATIONS).unwrap_or_default();
        let mut routes = self.server.registered.private_routes.iter();
        let route = routes.find(|route| route.path == name);
        let route = route.ok_or((404, "the operation does not exist"))?;
        if head.method != "POST" {
            return Err((405, "the method is not permitted: use POST"));
        }
        if head.content_length > BODY_MAX_BYTES {
            return Err((413, "the body has more than 16 KiB"));
        }
        Ok(route)
    }
}

/// The body of a request, of which a part may have arrived with its head.
async fn read_body(head: &Head<'_>, read: &[u8], socket: &mut TcpStream) -> Option<Bytes> {
    let length = usize::try_from(head.content_length).ok()?;
    let arrived = read.get(head.length..).unwrap_or_default();
    let mut body = arrived.get(..length).unwrap_or(arrived).to_vec();
    let missing = head.content_length.saturating_sub(body.len() as u64);
    timeout(BODY_DEADLINE, socket.take(missing).read_to_end(&mut body)).await.ok()?.ok()?;
    (body.len() == length).then(|| Bytes::from(body))
}

/// The answer of a rejected operation: `{ok: false, error: {code, message, field?}}`.
///
/// It has no `ref`: the operator sees the reason, and clients cannot come here.
fn rejected(denial: &Denial) -> (u16, String) {
    let answer = denial.answer();
    let message = denial.as_app().map_or(answer.message, |app| app.message());
    let mut error = json!({ "code": denial.client_code(), "message": message });
    if let (Some(field), Some(members)) = (denial.field(), error.as_object_mut()) {
        members.insert(String::from("field"), json!(field));
    }
    (answer.status, json!({ "ok": false, "error": error }).to_string())
}
