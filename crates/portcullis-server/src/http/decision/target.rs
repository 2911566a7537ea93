//! The target of a request's path.
//! Never: whether the request is admitted.

use portcullis_guard::{Endpoint, REPORT_PATH, Reach};
use portcullis_wire::http1::Head;

use crate::events::frame::Form;
use crate::setup::registered::Registrations;

/// The target that a request's path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// An Engine.IO path, and the wire form above it.
    Engine(Form),
    /// The plain form's path.
    Plain,
    /// A product's route, by its index.
    Route(usize),
    /// A product's route with another method.
    WrongMethod,
    /// A preflight for a product's route.
    Preflight,
    /// The path of reports about pages.
    Report,
    /// A page, by its index.
    Page(usize),
    /// A path that is redirected to the dashboard.
    Dashboard,
    /// A page of the dashboard that does not exist for the client.
    Hidden(Reach),
    /// Nothing.
    Nothing,
}

impl Target {
    /// The target of a path, among the parts of the server that exist for the client.
    pub(crate) fn of(head: &Head<'_>, registered: &Registrations, reach: Reach) -> Self {
        let target = Self::of_path(head, registered);
        match reach {
            Reach::Everything => target,
            Reach::Product(_) => match target {
                Self::Page(_) | Self::WrongMethod | Self::Dashboard
                    if registered.dashboard.is_page(head.path) =>
                {
                    Self::Hidden(reach)
                }
                _ => target,
            },
            Reach::Dashboard => Self::of_dashboard(head, registered, target),
            Reach::Nothing => Self::Hidden(reach),
        }
    }

    /// The target on a host of the dashboard's own, which serves nothing else.
    fn of_dashboard(head: &Head<'_>, registered: &Registrations, target: Self) -> Self {
        let dashboard = &registered.dashboard;
        match target {
            Self::Engine(Form::SocketIo) | Self::Report | Self::Dashboard | Self::Nothing => target,
            Self::Page(_) if head.path == "/" && dashboard.folder.is_some() => Self::Dashboard,
            _ if dashboard.is_page(head.path) || dashboard.uses(head.path) => target,
            _ => Self::Hidden(Reach::Dashboard),
        }
    }

    fn of_path(head: &Head<'_>, registered: &Registrations) -> Self {
        match head.path {
            "/socket.io/" => return Self::Engine(Form::SocketIo),
            "/ws" => return Self::Plain,
            _ => {}
        }
        if registered.engine.as_ref().is_some_and(|engine| engine.path == head.path) {
            return Self::Engine(Form::Engine);
        }
        let mut is_path_known = false;
        for (index, route) in registered.routes.iter().enumerate() {
            if route.path == head.path {
                is_path_known = true;
                // RFC 9110 section 9.3.2: HEAD is GET without the content.
                let method = if head.method == "HEAD" { "GET" } else { head.method };
                if method == route.method.name() {
                    return Self::Route(index);
                }
            }
        }
        if is_path_known {
            return if head.method == "OPTIONS" { Self::Preflight } else { Self::WrongMethod };
        }
        if head.path == REPORT_PATH && !registered.pages.is_empty() {
            return if head.method == "POST" { Self::Report } else { Self::WrongMethod };
        }
        let is_read = matches!(head.method, "GET" | "HEAD");
        match registered.pages.iter().position(|page| page.path == head.path) {
            Some(index) if is_read => Self::Page(index),
            Some(_) => Self::WrongMethod,
            None if is_read && registered.dashboard.is_start(head.path) => Self::Dashboard,
            None => Self::Nothing,
        }
    }

    /// The endpoint whose rules apply to a request for this target.
    pub(crate) fn endpoint(self, polling: bool) -> Endpoint {
        match self {
            Self::Engine(_) if polling => Endpoint::PollingIo,
            Self::Engine(_) => Endpoint::SocketIo,
            Self::Plain => Endpoint::Plain,
            Self::Route(_) | Self::Preflight | Self::Report | Self::WrongMethod => Endpoint::Api,
            Self::Page(_) | Self::Dashboard | Self::Hidden(_) | Self::Nothing => Endpoint::Page,
        }
    }
}
