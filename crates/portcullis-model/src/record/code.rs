//! Every name that a security record can have (`event.code`), with its class and severity.
//! Never: a name without a record, or without a sentence for the operator.

use super::severity::Severity;

/// The cause of records with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeClass {
    /// A request that was rejected. Clients without an account can cause any number.
    Rejection,
    /// A connection that opened or ended, a session that was renewed.
    Traffic,
    /// An operation that took effect: by a user, an administrator or an operator.
    Operation,
    /// The state of the server itself, and its own faults.
    Service,
}

impl CodeClass {
    /// The word used in the documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejection => "rejection",
            Self::Traffic => "traffic",
            Self::Operation => "operation",
            Self::Service => "service",
        }
    }
}

macro_rules! codes {
    ($($variant:ident, $name:literal, $class:ident, $severity:ident, $sentence:literal;)*) => {
        /// The name of a security record: OWASP's logging vocabulary, and extensions of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $sentence] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the record.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The class of its records.
            #[must_use]
            pub fn class(self) -> CodeClass {
                match self { $(Self::$variant => CodeClass::$class,)* }
            }

            /// How much it matters, unless the record has another severity.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// Its meaning in one sentence.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

codes! {
    AuthnLoginSuccess, "authn_login_success", Operation, Info,
        "A user logged in or proved the password again.";
    AuthnLoginSuccessAfterFail, "authn_login_successafterfail", Operation, Warning,
        "A user logged in after several failed attempts.";
    AuthnLoginFail, "authn_login_fail", Rejection, Warning,
        "A password, token, ticket or proof was rejected.";
    AuthnLoginFailMax, "authn_login_fail_max", Rejection, Warning,
        "A limit of login attempts was reached.";
    AuthnLoginLock, "authn_login_lock", Rejection, Warning,
        "An account accepts no more passwords from unknown devices for a while.";
    AuthnPasswordChange, "authn_password_change", Operation, Info,
        "A password or second factor was changed.";
    AuthnPasswordChangeFail, "authn_password_change_fail", Rejection, Warning,
        "A change of the password was rejected: the old one was wrong.";
    AuthnTokenCreated, "authn_token_created", Operation, Info,
        "An access token, ticket or link was issued.";
    AuthnTokenRevoked, "authn_token_revoked", Operation, Info,
        "A token or session was revoked; critical when a copied refresh token was the cause.";
    AuthnTokenReuse, "authn_token_reuse", Rejection, Warning,
        "A one-time credential was used a second time.";
    AuthzFail, "authz_fail", Rejection, Warning,
        "A user requested an operation that is not allowed.";
    AppRejected, "app_rejected", Rejection, Info,
        "A handler of the application rejected a request; the reason is the application's code.";
    AuthzChange, "authz_change", Operation, Info,
        "The membership or ownership of a room changed.";
    AuthzAdmin, "authz_admin", Operation, Warning,
        "An administrator, moderator or operator performed an operation.";
    PersonalDataRead, "personal_data_read", Operation, Info,
        "An administrator, auditor or operator read data of persons.";
    UserCreated, "user_created", Operation, Info,
        "An account was created.";
    UserUpdated, "user_updated", Operation, Info,
        "An account was changed.";
    PrivilegePermissionsChanged, "privilege_permissions_changed", Operation, Warning,
        "The roles of an account changed.";
    CryptDecryptFail, "crypt_decrypt_fail", Service, Warning,
        "A sealed field could not be opened.";
    CryptEncryptFail, "crypt_encrypt_fail", Service, Warning,
        "A field could not be sealed.";
    ExcessRateLimitExceeded, "excess_rate_limit_exceeded", Rejection, Warning,
        "A rate limit was reached.";
    ExcessSessionsExceeded, "excess_sessions_exceeded", Rejection, Warning,
        "A limit of connections was reached.";
    NetworkBlocked, "network_blocked", Rejection, Info,
        "A client of a network that an administrator has blocked was rejected.";
    BlockEnded, "block_ended", Service, Info,
        "The block of a network ended by itself.";
    InputValidationFail, "input_validation_fail", Rejection, Warning,
        "A payload was not what its rule declares.";
    MaliciousExcess404, "malicious_excess_404", Rejection, Warning,
        "A path was requested that does not exist.";
    MaliciousExtraneous, "malicious_extraneous", Rejection, Warning,
        "An undeclared event, header, method or namespace was sent.";
    MaliciousDirectReference, "malicious_direct_reference", Rejection, Warning,
        "A user sent a token that belongs to another user.";
    MaliciousCsrf, "malicious_csrf", Rejection, Warning,
        "A request came from an origin that is not allowed.";
    MaliciousCspViolation, "malicious_csp_violation", Rejection, Warning,
        "A browser reported that a page of this server violated its policy; anyone can report it.";
    SequenceFail, "sequence_fail", Rejection, Warning,
        "A message came out of order or a second time.";
    SessionCreated, "session_created", Operation, Info,
        "A session started.";
    SessionRenewed, "session_renewed", Traffic, Info,
        "A session or connection was renewed with a new token.";
    SessionExpired, "session_expired", Traffic, Info,
        "A session or token reached its end.";
    SessionRevoked, "session_revoked", Traffic, Info,
        "A connection ended because its session or account was revoked.";
    SessionLogout, "session_logout", Operation, Info,
        "A user logged out.";
    SessionUseAfterExpire, "session_use_after_expire", Rejection, Warning,
        "A token of an ended session was used.";
    SysStartup, "sys_startup", Service, Warning,
        "The server started; one record for each weakened setting.";
    SysShutdown, "sys_shutdown", Service, Info,
        "The server shuts down.";
    SysReload, "sys_reload", Service, Warning,
        "The configuration was read again.";
    CertificateRenewal, "certificate_renewal", Service, Warning,
        "The authority issued a certificate for this server, or did not.";
    SysCrash, "sys_crash", Service, Critical,
        "A handler failed, panicked or exceeded its time.";
    SysOverload, "sys_overload", Service, Warning,
        "Work was rejected because the server or its machine is overloaded.";
    SysMonitorDisabled, "sys_monitor_disabled", Service, Critical,
        "A part of the supervision stopped: the store or a log does not answer.";
    SysMonitorEnabled, "sys_monitor_enabled", Service, Warning,
        "A part of the supervision works again.";
    TableNearlyFull, "table_nearly_full", Service, Warning,
        "A table in memory is nearly full, or has space again; critical when it is nearly full.";
    DegradationStateChanged, "degradation_state_changed", Service, Warning,
        "The load level changed.";
    TableFull, "table_full", Service, Warning,
        "A table of identity state is nearly or entirely full.";
    TableShareFull, "table_share_full", Service, Warning,
        "A user or address filled its share of a table of identity state.";
    StorageStateChanged, "storage_state_changed", Service, Warning,
        "The store became full, failing, damaged or healthy again.";
    AuthorityUnconfirmed, "authority_unconfirmed", Service, Critical,
        "Connections end because the store has not confirmed their sessions for too long.";
    ClockSkew, "clock_skew", Service, Critical,
        "A clock is wrong: the server's own token is from the future, or the clock was set.";
    KeyRotated, "key_rotated", Operation, Warning,
        "Keys were rotated or replaced.";
    BackupCreated, "backup_created", Operation, Info,
        "A backup was written.";
    BackupRestored, "backup_restored", Operation, Warning,
        "A backup was restored: data are as of its time, and all sessions ended.";
    DrillStarted, "drill_started", Operation, Warning,
        "An operator started a drill: attack cases against this server.";
    DrillEnded, "drill_ended", Operation, Info,
        "A drill ended; the text has the number of cases that passed and failed.";
    IssuerKeys, "issuer_keys", Service, Info,
        "The keys of an issuer were fetched, or could not be.";
    SpamDetected, "spam_detected", Rejection, Warning,
        "A text was rejected as spam, or accepted where its rule only records.";
    XssAttempt, "xss_attempt", Rejection, Warning,
        "A text held markup that would run as a script; it was stored as text, or rejected.";
    WsConnected, "ws_connected", Traffic, Info,
        "A connection was authenticated.";
    WsDisconnected, "ws_disconnected", Traffic, Info,
        "A connection ended.";
    WsProtocolViolation, "ws_protocol_violation", Rejection, Warning,
        "A request, frame or packet broke its protocol.";
    Access, "access", Traffic, Info,
        "An attempt that a limit counted; written to `audit.access_file` alone.";
    LogSuppressed, "log_suppressed", Service, Info,
        "A summary of records that were counted and not written.";
    LogLost, "log_lost", Service, Warning,
        "Records that could not be kept: their queue was full, or a file or output took nothing.";
    LogRotated, "log_rotated", Service, Info,
        "The security log goes on in a new file.";
    LogReplaced, "log_replaced", Service, Critical,
        "Another program renamed, deleted, replaced or truncated the security log.";
    LogRemoved, "log_removed", Service, Info,
        "Retention removed an old file of the security log; a warning when space forced it.";
    LogEpoch, "log_epoch", Service, Info,
        "A new key signs the security log; the key before it certifies the new one.";
    LogCheckpoint, "log_checkpoint", Service, Info,
        "A signed note states the number and the hash of the line before.";
    LogHeartbeat, "log_heartbeat", Service, Info,
        "The security log works; one record each minute.";
    LogTruncated, "log_truncated", Service, Critical,
        "At the start, lines of the security log were missing or changed; a new log begins.";
    LogTorn, "log_torn", Service, Warning,
        "After a crash the last line of the log was incomplete; its bytes are in a file.";
    LogErased, "log_erased", Operation, Warning,
        "Personal parts of records were erased from closed files of the security log.";
    AlertFired, "alert_fired", Service, Warning,
        "An alert was sent: it fired, goes on, got worse or came back.";
    AlertResolved, "alert_resolved", Service, Info,
        "An alert was resolved.";
    AlertUndelivered, "alert_undelivered", Service, Warning,
        "A channel gave an alert up, or its queue was full.";
    AlertSilenced, "alert_silenced", Operation, Warning,
        "An administrator silenced alerts, or ended a silence early.";
    AlertAcknowledged, "alert_acknowledged", Operation, Info,
        "An administrator took note of an alert.";
    DiskSlow, "disk_slow", Service, Critical,
        "The disk of the security log takes more than five seconds to write or sync.";
    AuditReport, "audit_report", Service, Info,
        "The regular audit ran.";
    AuditFinding, "audit_finding", Service, Warning,
        "The regular audit found a weakness, or a weakness was mended.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn code_names_are_unique_lowercase_words() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(names.iter().all(|name| name.bytes().all(is_word)), "{names:?}");
        assert!(Code::ALL.iter().all(|code| code.sentence().ends_with('.')));
    }

    #[test]
    fn critical_codes_are_faults_of_the_service_alone() {
        for code in Code::ALL {
            let critical = code.severity() == Severity::Critical;
            assert!(!critical || code.class() == CodeClass::Service, "{code:?}");
        }
    }
}
