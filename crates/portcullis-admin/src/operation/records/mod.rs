//! Operations on records of the security log and on alerts.
//! Never: a change of a record.

pub(crate) mod explained; // the rule and time of a reference
pub(crate) mod record_text; // the words for codes and rules of records
pub(crate) mod events; // `admin:events`
pub(crate) mod alerts; // `admin:alerts`
pub(crate) mod alert_change; // `alert:acknowledge`, `alert:silence`, `alert:unsilence`
