//! Why a case of a drill could not be tried.
//! Never: the result of a case that was tried.

/// The reason why a case could not be tried.
#[derive(Debug, Clone)]
pub(crate) enum Obstacle {
    /// The connections or the time of the drill were used up.
    UsedUp(String),
    Other(String),
}

impl Obstacle {
    /// The reason in words.
    pub(crate) fn why(self) -> String {
        match self {
            Self::UsedUp(why) | Self::Other(why) => why,
        }
    }
}

impl From<std::io::Error> for Obstacle {
    fn from(error: std::io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        Self::Other(match inner {
            Some(rustls::Error::InvalidMessage(_)) => {
                String::from("no connection: the target does not speak TLS, is it http://?")
            }
            _ => format!("no connection: {error}"),
        })
    }
}

impl From<anyhow::Error> for Obstacle {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(format!("{error:#}"))
    }
}
