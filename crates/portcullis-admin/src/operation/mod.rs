//! The operations of administrators: each is an event of `/admin` and a private request.
//! Never: an operation that one of the two offers alone, except streams of events.

pub(crate) mod contract; // the trait of operations, and their rules
pub(crate) mod install; // both ways in
pub(crate) mod call; // the caller, and the record of a change
pub(crate) mod desk; // the state that operations share
pub(crate) mod sampler; // rates and the time line, once a second
pub(crate) mod overview; // `admin:overview`
pub(crate) mod happening; // the sentence of the overview
pub(crate) mod offenders; // `admin:offenders`, `admin:affected`
pub(crate) mod watch; // `admin:watch`, `admin:unwatch`
pub(crate) mod timeline; // `admin:timeline`
pub(crate) mod alerts; // `admin:alerts`
pub(crate) mod alert_change; // `alert:acknowledge`, `alert:silence`, `alert:unsilence`
pub(crate) mod events; // `admin:events`
pub(crate) mod users; // `admin:users`, `admin:user`
pub(crate) mod effect; // the connections that a change would affect
pub(crate) mod block; // `address:block`, `address:unblock`, `admin:blocks`
pub(crate) mod connection_close; // `connection:close`
pub(crate) mod load_pin; // `state:pin`, `state:unpin`
pub(crate) mod limits_unlock; // `limits:unlock`
pub(crate) mod user_change; // `user:ban` and other changes of a user
pub(crate) mod limits; // `admin:limits`
