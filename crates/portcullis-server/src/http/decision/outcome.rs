//! The closed list of decisions on a request.
//! Never: a reason; a rejection carries its denial.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_guard::AdmittedRequest;
use portcullis_model::Denial;

use crate::connection::state::Connection;
use crate::http::report_call::ReportCall;
use crate::http::route_call::RouteCall;
use crate::polling::open::OpenRequest;
use crate::websocket::upgrade::Upgrade;

/// The request of a head, decided while the head is still in the buffer.
pub(crate) enum Decision {
    Upgrade(Box<Upgrade>),
    /// A new long-polling session.
    Open(Box<OpenRequest>),
    Poll {
        connection: Rc<Connection>,
        origin: Option<Arc<str>>,
    },
    Post {
        connection: Rc<Connection>,
        origin: Option<Arc<str>>,
        body: usize,
    },
    Route(Box<RouteCall>),
    /// Reports of a browser.
    Report(ReportCall),
    Page {
        index: usize,
        /// The cookie that a login link sets.
        cookie: Option<String>,
    },
    /// The complete address of the same page over TLS.
    Redirect(String),
    Preflight(Box<AdmittedRequest>),
    /// The answer to a challenge of a certificate authority.
    Challenge(String),
    Reject(Denial),
}

impl Decision {
    /// The admitted request that needs a slot.
    pub(crate) fn unslotted_request(&mut self) -> Option<&mut AdmittedRequest> {
        match self {
            Self::Upgrade(upgrade) => upgrade.admitted(),
            Self::Open(request) => Some(&mut request.admitted),
            Self::Poll { .. }
            | Self::Post { .. }
            | Self::Route(_)
            | Self::Report(_)
            | Self::Page { .. }
            | Self::Redirect(_)
            | Self::Preflight(_)
            | Self::Challenge(_)
            | Self::Reject(_) => None,
        }
    }
}
