//! An HTTP request of a drill, written as it is.
//! Never: a header that the case does not name, except `Host`, `User-Agent` and `Connection`.

use super::target::Target;

/// The path of Socket.IO over WebSocket.
pub(crate) const SOCKET_PATH: &str = "/socket.io/?EIO=4&transport=websocket";
/// The path of Socket.IO over long-polling.
pub(crate) const POLLING_PATH: &str = "/socket.io/?EIO=4&transport=polling";
/// Names the drill in logs of proxies.
const USER_AGENT: &str = concat!("portcullis-drill/", env!("CARGO_PKG_VERSION"));

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        let target = String::from(target);
        Self { method, target, host: None, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A `POST` of JSON.
    pub(crate) fn post(target: &str, body: &[u8]) -> Self {
        let request = Self::new("POST", target).header("Content-Type", "application/json");
        Self { body: body.to_vec(), ..request.header("Content-Length", &body.len().to_string()) }
    }

    /// A WebSocket handshake (RFC 6455 section 4.1).
    pub(crate) fn upgrade(target: &str) -> Self {
        Self::get(target)
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((String::from(name), String::from(value)));
        self
    }

    /// Adds `Origin`, if there is one.
    pub(crate) fn origin(self, origin: Option<&str>) -> Self {
        match origin {
            Some(origin) => self.header("Origin", origin),
            None => self,
        }
    }

    /// Replaces the `Host` of the target.
    pub(crate) fn host(self, host: &str) -> Self {
        Self { host: Some(String::from(host)), ..self }
    }

    /// The bytes for a target. Everything but an upgrade asks to close the connection.
    pub(crate) fn bytes(&self, target: &Target) -> Vec<u8> {
        let host = self.host.as_deref().unwrap_or(&target.host);
        let is_upgrade = self.headers.iter().any(|(name, _)| name == "Upgrade");
        let connection = if is_upgrade { "Upgrade" } else { "close" };
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n\
             Connection: {connection}\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}
