//! The OCSF class and activity of a record.
//! Never: a class whose required attributes the record cannot have.

use serde_json::Value;

/// A class of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    DetectionFinding,
    AccountChange,
    Authentication,
    AuthorizeSession,
    UserAccess,
    NetworkActivity,
    HttpActivity,
    ApplicationLifecycle,
    ApiActivity,
}

impl Class {
    /// The number of the class (`class_uid`).
    pub(super) fn uid(self) -> u64 {
        match self {
            Self::DetectionFinding => 2_004,
            Self::AccountChange => 3_001,
            Self::Authentication => 3_002,
            Self::AuthorizeSession => 3_003,
            Self::UserAccess => 3_005,
            Self::NetworkActivity => 4_001,
            Self::HttpActivity => 4_002,
            Self::ApplicationLifecycle => 6_002,
            Self::ApiActivity => 6_003,
        }
    }
}

/// The activity without a number of its own (`activity_id`).
const OTHER: u64 = 99;

/// Records whose class or activity does not follow from their category.
const BY_CODE: [(&str, Class, u64); 24] = [
    ("authn_login_success", Class::Authentication, 1),
    ("authn_login_successafterfail", Class::Authentication, 1),
    ("authn_login_fail", Class::Authentication, 1),
    ("authn_login_fail_max", Class::Authentication, 1),
    ("authn_login_lock", Class::AccountChange, 9),
    ("authn_password_change", Class::AccountChange, 3),
    ("authn_password_change_fail", Class::AccountChange, 3),
    ("session_created", Class::AuthorizeSession, 1),
    ("session_expired", Class::Authentication, 2),
    ("session_revoked", Class::Authentication, 2),
    ("session_logout", Class::Authentication, 2),
    ("session_use_after_expire", Class::Authentication, 1),
    ("user_created", Class::AccountChange, 1),
    ("privilege_permissions_changed", Class::UserAccess, 1),
    ("authz_change", Class::UserAccess, OTHER),
    ("authz_admin", Class::ApiActivity, 3),
    ("personal_data_read", Class::ApiActivity, 2),
    ("app_rejected", Class::ApiActivity, OTHER),
    ("ws_connected", Class::NetworkActivity, 1),
    ("ws_disconnected", Class::NetworkActivity, 2),
    ("sys_startup", Class::ApplicationLifecycle, 3),
    ("sys_shutdown", Class::ApplicationLifecycle, 4),
    ("alert_fired", Class::DetectionFinding, 1),
    ("alert_resolved", Class::DetectionFinding, 3),
];

/// Methods of HTTP with a number (`activity_id` of HTTP activity).
const METHODS: [(&str, u64); 8] = [
    ("CONNECT", 1),
    ("DELETE", 2),
    ("GET", 3),
    ("HEAD", 4),
    ("OPTIONS", 5),
    ("POST", 6),
    ("PUT", 7),
    ("TRACE", 8),
];

/// The class and activity of a record.
pub(super) fn classify(record: &Value) -> (Class, u64) {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let code = text("/event/code").unwrap_or_default();
    if let Some((_, class, activity)) = BY_CODE.iter().find(|(name, ..)| *name == code) {
        return (*class, *activity);
    }
    let method = text("/http/request/method");
    match (text("/event/category/0"), method) {
        (Some("authentication"), _) => (Class::Authentication, OTHER),
        (Some("iam"), _) => (Class::AccountChange, OTHER),
        (Some("session"), _) => (Class::AuthorizeSession, OTHER),
        (Some("intrusion_detection" | "web"), Some(method)) => {
            let known = METHODS.iter().find(|(name, _)| *name == method);
            (Class::HttpActivity, known.map_or(OTHER, |(_, activity)| *activity))
        }
        (Some("intrusion_detection" | "web"), None) => (Class::DetectionFinding, 1),
        (Some(_) | None, _) => (Class::ApplicationLifecycle, OTHER),
    }
}
