//! Reads the query of a request at the Engine.IO path.
//! Never: decodes percent-encoding, or reads parameters of the application.

/// Most query parameters a request may carry, those of the application included.
const PARAMETERS_MAX: usize = 64;

/// The transports of Engine.IO that the server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineTransport {
    /// `transport=websocket`.
    #[default]
    WebSocket,
    /// `transport=polling`.
    Polling,
}

/// The form of binary messages to a client over WebSocket; long-polling always uses base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BinaryForm {
    /// As binary frames.
    #[default]
    Native,
    /// As text frames `b…` in base64, which the client requested by `b64`.
    Base64,
}

/// The query of a request at the Engine.IO path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parameters<'a> {
    /// `transport`.
    pub transport: EngineTransport,
    /// `sid`, of a request for an existing session.
    pub sid: Option<&'a str>,
    /// `b64`.
    pub binary: BinaryForm,
}

/// Why a query is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterFault {
    /// `transport` is missing or unknown.
    Transport,
    /// `EIO` is not 4.
    Version,
    /// A parameter of the protocol is malformed, or there are too many. The word is one of
    /// `too_many`, `doubled`, `listed`, `empty`, `jsonp` or `sid`.
    Malformed(&'static str),
    /// The URL contains a credential.
    Credential,
}

/// Reads the query: `EIO=4&transport=…`, and optionally `sid`, `b64` and the cache-buster `t`.
/// Ignores parameters of the application, as the reference server does.
///
/// # Errors
/// [`ParameterFault`]. Each parameter of the protocol may occur once (T-174).
pub fn read_parameters(query: &str) -> Result<Parameters<'_>, ParameterFault> {
    let malformed = |word| Err(ParameterFault::Malformed(word));
    let (mut version, mut transport, mut sid, mut buster) = (None, None, None, None);
    let mut binary = BinaryForm::Native;
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if index >= PARAMETERS_MAX {
            return malformed("too_many");
        }
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        };
        let slot = match name {
            "EIO" => &mut version,
            "transport" => &mut transport,
            "sid" => &mut sid,
            "t" => &mut buster,
            // Any value that is not empty counts, as in the reference server.
            "b64" => {
                if value.is_some_and(|value| !value.is_empty()) {
                    binary = BinaryForm::Base64;
                }
                continue;
            }
            // The client expects a script as the answer, which the server does not send.
            "j" => return malformed("jsonp"),
            _ if is_credential(name) => return Err(ParameterFault::Credential),
            _ if is_list(name) => return malformed("listed"),
            _ => continue,
        };
        let Some(value) = value else { return malformed("empty") };
        if slot.replace(value).is_some() {
            return malformed("doubled");
        }
    }
    match version {
        Some("4") => {}
        Some(_) | None => return Err(ParameterFault::Version),
    }
    let transport = match transport {
        Some("websocket") => EngineTransport::WebSocket,
        Some("polling") => EngineTransport::Polling,
        Some(_) | None => return Err(ParameterFault::Transport),
    };
    let id = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
    };
    if sid.is_some_and(|sid| !id(sid)) {
        return malformed("sid");
    }
    Ok(Parameters { transport, sid, binary })
}

/// Whether a name is a parameter of the protocol in list form: some parsers read `EIO[]` as `EIO`.
fn is_list(name: &str) -> bool {
    let protocol = ["EIO", "transport", "sid"];
    name.split_once('[').is_some_and(|(name, _)| protocol.contains(&name))
}

fn is_credential(name: &str) -> bool {
    ["token", "access_token", "ticket", "jwt", "auth"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}
