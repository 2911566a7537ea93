//! Every limit of a rate or count, by its key in the configuration.
//! Never: the number of a limit; options hold it.

/// A limit that the operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// Connection attempts of an address prefix.
    ConnectPerPrefix,
    /// Connection attempts of the returning clients of an address prefix.
    ConnectKnownPerPrefix,
    /// Connection attempts of all unauthenticated clients.
    ConnectTotal,
    /// TLS handshakes of an address prefix.
    TlsPerPrefix,
    /// TLS handshakes in all.
    TlsTotal,
    /// Page and API requests of an address prefix.
    RequestPerPrefix,
    /// Log-ins and registrations of an address prefix.
    LoginPerPrefix,
    /// Log-ins to one user name.
    LoginPerUser,
    /// Failed log-ins to one user name, over a longer time.
    LoginFailedPerUser,
    /// Wrong one-time codes of one account, over a longer time.
    CodeFailedPerUser,
    /// Log-ins and registrations in all.
    LoginTotal,
    /// Tickets of a user.
    TicketPerUser,
    /// All events of a connection.
    MessagePerConnection,
    /// All events of a user, unknown and malformed ones too.
    MessagePerUser,
    /// All events of an address prefix.
    MessagePerPrefix,
    /// All events.
    MessageTotal,
    /// One event of a user.
    EventPerUser,
    /// Bytes received of a connection.
    BytesPerConnection,
    /// Bytes received of a user.
    BytesPerUser,
    /// Bytes received of an address prefix.
    BytesPerPrefix,
    /// Bytes received.
    BytesTotal,
    /// CONNECT and DISCONNECT packets of a connection.
    NamespacePerConnection,
    /// CONNECT and DISCONNECT packets of a user.
    NamespacePerUser,
    /// Signature checks that an open connection causes.
    SignaturePerConnection,
    /// Signature checks of a user's credentials.
    SignaturePerUser,
    /// Violations of an address prefix before it is blocked for a while.
    PenaltyPerPrefix,
    /// Violations of a user before the user is blocked for a while.
    PenaltyPerUser,
    /// Connections in all.
    ConnectionsTotal,
    /// Connections that are not authenticated.
    PreAuthTotal,
    /// Connections of one address prefix that are not authenticated.
    PreAuthPerPrefix,
    /// Connections of one address prefix.
    ConnectionsPerPrefix,
    /// TCP connections of one address prefix that are not sockets yet.
    HttpPerPrefix,
    /// TCP connections that are not sockets yet, of one thread.
    HttpTotal,
}

/// The key by which a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKey {
    /// One connection.
    Connection,
    /// One user, or one user name.
    User,
    /// An IPv4 address, an IPv6 /64 or /48.
    Prefix,
    /// All clients together.
    Total,
}

impl LimitKey {
    /// The word used in records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::User => "user",
            Self::Prefix => "prefix",
            Self::Total => "total",
        }
    }
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 33] = [
        Self::ConnectPerPrefix,
        Self::ConnectKnownPerPrefix,
        Self::ConnectTotal,
        Self::TlsPerPrefix,
        Self::TlsTotal,
        Self::RequestPerPrefix,
        Self::LoginPerPrefix,
        Self::LoginPerUser,
        Self::LoginFailedPerUser,
        Self::CodeFailedPerUser,
        Self::LoginTotal,
        Self::TicketPerUser,
        Self::MessagePerConnection,
        Self::MessagePerUser,
        Self::MessagePerPrefix,
        Self::MessageTotal,
        Self::EventPerUser,
        Self::BytesPerConnection,
        Self::BytesPerUser,
        Self::BytesPerPrefix,
        Self::BytesTotal,
        Self::NamespacePerConnection,
        Self::NamespacePerUser,
        Self::SignaturePerConnection,
        Self::SignaturePerUser,
        Self::PenaltyPerPrefix,
        Self::PenaltyPerUser,
        Self::ConnectionsTotal,
        Self::PreAuthTotal,
        Self::PreAuthPerPrefix,
        Self::ConnectionsPerPrefix,
        Self::HttpPerPrefix,
        Self::HttpTotal,
    ];

    /// The key in `[rate]` or `[capacity]`, which is also the rule in records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectPerPrefix => "connect_per_prefix",
            Self::ConnectKnownPerPrefix => "connect_known_per_prefix",
            Self::ConnectTotal => "connect_total",
            Self::TlsPerPrefix => "tls_per_prefix",
            Self::TlsTotal => "tls_total",
            Self::RequestPerPrefix => "request_per_prefix",
            Self::LoginPerPrefix => "login_per_prefix",
            Self::LoginPerUser => "login_per_user",
            Self::LoginFailedPerUser => "login_failed_per_user",
            Self::CodeFailedPerUser => "code_failed_per_user",
            Self::LoginTotal => "login_total",
            Self::TicketPerUser => "ticket_per_user",
            Self::MessagePerConnection => "message_per_connection",
            Self::MessagePerUser => "message_per_user",
            Self::MessagePerPrefix => "message_per_prefix",
            Self::MessageTotal => "message_total",
            Self::EventPerUser => "event_per_user",
            Self::BytesPerConnection => "bytes_per_connection",
            Self::BytesPerUser => "bytes_per_user",
            Self::BytesPerPrefix => "bytes_per_prefix",
            Self::BytesTotal => "bytes_total",
            Self::NamespacePerConnection => "namespace_per_connection",
            Self::NamespacePerUser => "namespace_per_user",
            Self::SignaturePerConnection => "signature_per_connection",
            Self::SignaturePerUser => "signature_per_user",
            Self::PenaltyPerPrefix => "penalty_per_prefix",
            Self::PenaltyPerUser => "penalty_per_user",
            Self::ConnectionsTotal => "connections_total",
            Self::PreAuthTotal => "pre_auth_total",
            Self::PreAuthPerPrefix => "pre_auth_per_prefix",
            Self::ConnectionsPerPrefix => "connections_per_prefix",
            Self::HttpPerPrefix => "http_per_prefix",
            Self::HttpTotal => "http_total",
        }
    }

    /// What it counts, in words, such as "messages of one user".
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ConnectPerPrefix => "connection attempts from one network",
            Self::ConnectKnownPerPrefix => "reconnects of returning clients from one network",
            Self::ConnectTotal => "connection attempts of all unauthenticated clients",
            Self::TlsPerPrefix => "TLS handshakes from one network",
            Self::TlsTotal => "TLS handshakes of all clients",
            Self::RequestPerPrefix => "HTTP requests from one network",
            Self::LoginPerPrefix => "logins and registrations from one network",
            Self::LoginPerUser => "logins to one user name",
            Self::LoginFailedPerUser => "wrong passwords for one user name",
            Self::CodeFailedPerUser => "wrong one-time codes for one account",
            Self::LoginTotal => "logins and registrations of all clients",
            Self::TicketPerUser => "connection tickets of one user",
            Self::MessagePerConnection => "messages on one connection",
            Self::MessagePerUser => "messages of one user",
            Self::MessagePerPrefix => "messages from one network",
            Self::MessageTotal => "messages of all clients",
            Self::EventPerUser => "messages of one kind by one user",
            Self::BytesPerConnection => "bytes on one connection",
            Self::BytesPerUser => "bytes of one user",
            Self::BytesPerPrefix => "bytes from one network",
            Self::BytesTotal => "bytes of all clients",
            Self::NamespacePerConnection => "changes of namespace on one connection",
            Self::NamespacePerUser => "changes of namespace by one user",
            Self::SignaturePerConnection => "credentials to check on one connection",
            Self::SignaturePerUser => "credentials to check for one user",
            Self::PenaltyPerPrefix => {
                "violations from one network before it is blocked for a while"
            }
            Self::PenaltyPerUser => "violations of one user before the user is blocked for a while",
            Self::ConnectionsTotal => "open connections of all clients",
            Self::PreAuthTotal => "open connections without a login",
            Self::PreAuthPerPrefix => "open connections without a login from one network",
            Self::ConnectionsPerPrefix => "open connections from one network",
            Self::HttpPerPrefix => "open HTTP connections from one network",
            Self::HttpTotal => "open HTTP connections of all clients",
        }
    }

    /// The path of its key in the configuration, such as `rate.message_per_user`.
    #[must_use]
    pub fn config_key(self) -> String {
        let section = if self >= Self::ConnectionsTotal { "capacity" } else { "rate" };
        format!("{section}.{}", self.name())
    }

    /// The limit of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// The key by which it counts.
    #[must_use]
    pub fn key(self) -> LimitKey {
        match self {
            Self::MessagePerConnection
            | Self::BytesPerConnection
            | Self::NamespacePerConnection
            | Self::SignaturePerConnection => LimitKey::Connection,
            Self::LoginPerUser
            | Self::LoginFailedPerUser
            | Self::CodeFailedPerUser
            | Self::TicketPerUser
            | Self::MessagePerUser
            | Self::EventPerUser
            | Self::BytesPerUser
            | Self::NamespacePerUser
            | Self::SignaturePerUser
            | Self::PenaltyPerUser => LimitKey::User,
            Self::ConnectPerPrefix
            | Self::ConnectKnownPerPrefix
            | Self::TlsPerPrefix
            | Self::RequestPerPrefix
            | Self::LoginPerPrefix
            | Self::MessagePerPrefix
            | Self::BytesPerPrefix
            | Self::PenaltyPerPrefix
            | Self::PreAuthPerPrefix
            | Self::ConnectionsPerPrefix
            | Self::HttpPerPrefix => LimitKey::Prefix,
            Self::ConnectTotal
            | Self::TlsTotal
            | Self::LoginTotal
            | Self::MessageTotal
            | Self::BytesTotal
            | Self::ConnectionsTotal
            | Self::PreAuthTotal
            | Self::HttpTotal => LimitKey::Total,
        }
    }

    /// Its index in a table of all limits.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_unique_index_and_name() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit.index(), index);
            assert_eq!(Limit::named(limit.name()), Some(limit));
            let same = Limit::ALL.into_iter().filter(|other| other.text() == limit.text());
            assert_eq!(same.count(), 1, "{}", limit.text());
        }
        assert_eq!(Limit::named("connect"), None);
    }

    #[test]
    fn limit_name_ends_with_its_key() {
        for limit in Limit::ALL {
            let name = limit.name();
            let key = limit.key().name();
            assert!(name.ends_with(&format!("_{key}")), "{name} {key}");
        }
    }
}
