//! Where the account routes and events are installed: the list of all there are.
//! Never: a route's own work.

use std::sync::Arc;

use portcullis_guard::Permit;
use portcullis_model::{Deadline, Denial};
use portcullis_server::{ApiRequest, ApiResponse, Builder, Context, Method, Reply};

use crate::accounts::{AccountOptions, AccountParts, Accounts, AccountsError};
use crate::factors::{totp_begin, totp_confirm, totp_remove};
use crate::keys::jwks;
use crate::login::{link_request, password_login};
use crate::moderation::user_ban::UserBan;
use crate::moderation::user_kick::UserKick;
use crate::moderation::user_mute::UserMute;
use crate::moderation::user_role::UserRole;
use crate::moderation::{user_ban, user_kick, user_mute, user_role};
use crate::passwords::password::PasswordHashing;
use crate::passwords::password_change;
use crate::passwords::pool::{PasswordLane, QUEUE_MAX};
use crate::sessions::{list, logout, reauthenticate, refresh};
use crate::store_sync::readiness::store_fact;
use crate::store_sync::{table_monitor, watcher};
use crate::tokens::ticket;
use crate::users::{invitation, profile, provision, register, setup};

/// Adds the account routes and events, the hook that provisions foreign users, and the chore that
/// notices what others change in the store.
///
/// # Errors
/// [`AccountsError`] when the hashing threads or the decoy hash cannot be made.
pub fn install(
    builder: &mut Builder,
    parts: AccountParts,
    options: AccountOptions,
) -> Result<(), AccountsError> {
    let hashing = PasswordHashing::standard().map_err(AccountsError::Refused)?;
    let accounts = Arc::new(Accounts::build(parts, options, hashing)?);
    let (get, post) = (Method::Get, Method::Post);
    route(builder, &accounts, post, "/auth/register", register::register);
    route(builder, &accounts, post, "/auth/login", password_login::login);
    route(builder, &accounts, post, "/auth/refresh", refresh::refresh);
    route(builder, &accounts, post, "/auth/logout", logout::logout);
    route(builder, &accounts, post, "/auth/logout-all", logout::logout_all);
    route(builder, &accounts, post, "/auth/ticket", ticket::ticket);
    route(builder, &accounts, post, "/auth/door", link_request::door);
    route(builder, &accounts, post, "/auth/reauthenticate", reauthenticate::reauthenticate);
    route(builder, &accounts, post, "/auth/password", password_change::change);
    route(builder, &accounts, get, "/auth/profile", profile::read);
    route(builder, &accounts, post, "/auth/profile", profile::write);
    route(builder, &accounts, get, "/auth/sessions", list::list);
    route(builder, &accounts, post, "/auth/sessions/end", list::end);
    route(builder, &accounts, post, "/auth/totp/begin", totp_begin::begin);
    route(builder, &accounts, post, "/auth/totp/confirm", totp_confirm::confirm);
    route(builder, &accounts, post, "/auth/totp/remove", totp_remove::remove);
    route(builder, &accounts, post, "/auth/invitations", invitation::invite);
    route(builder, &accounts, post, "/auth/setup", setup::setup);
    route(builder, &accounts, get, "/.well-known/jwks.json", jwks::jwks);
    install_events(builder, &accounts)?;
    let pool = accounts.pool.clone();
    let known = accounts.pool.clone();
    builder.queue("passwords", move || (pool.waiting(PasswordLane::Strangers), QUEUE_MAX));
    builder.queue("passwords_known", move || (known.waiting(PasswordLane::Known), QUEUE_MAX));
    let store = Arc::clone(&accounts.store);
    builder.ready_part("store", move || store_fact(store.status()));
    let shared = Arc::clone(&accounts);
    builder.tables(move |gate, now| table_monitor::tables(&shared, gate, now).to_vec());
    let shared = Arc::clone(&accounts);
    builder.on_foreign_user(move |around, client, verified| {
        let directory = Arc::clone(&around.directory);
        provision::provision(Arc::clone(&shared), directory, client, verified)
    });
    let watcher = Arc::new(watcher::Watcher::new(accounts));
    builder.every("watcher", watcher::EVERY_MS, move |around| Arc::clone(&watcher).look(around));
    Ok(())
}

fn install_events(builder: &mut Builder, accounts: &Arc<Accounts>) -> Result<(), AccountsError> {
    let shared = Arc::clone(accounts);
    builder.on(move |permit: Permit<UserMute>, context| {
        to_the_end(user_mute::handle(Arc::clone(&shared), permit, context))
    })?;
    let shared = Arc::clone(accounts);
    builder.on(move |permit: Permit<UserKick>, context: Context| {
        user_kick::handle(Arc::clone(&shared), permit, context)
    })?;
    let shared = Arc::clone(accounts);
    builder.on(move |permit: Permit<UserBan>, context| {
        to_the_end(user_ban::handle(Arc::clone(&shared), permit, context))
    })?;
    let shared = Arc::clone(accounts);
    builder.on(move |permit: Permit<UserRole>, context| {
        to_the_end(user_role::handle(Arc::clone(&shared), permit, context))
    })?;
    Ok(())
}

fn route<H, F>(
    builder: &mut Builder,
    accounts: &Arc<Accounts>,
    method: Method,
    path: &'static str,
    handler: H,
) where
    H: Fn(Arc<Accounts>, ApiRequest) -> F + Send + Sync + 'static,
    F: Future<Output = Result<ApiResponse, Denial>> + 'static,
{
    let shared = Arc::clone(accounts);
    builder.route(method, path, move |request| handler(Arc::clone(&shared), request));
}

/// Runs a handler to its end, also when the client hangs up: what is stored is recorded.
async fn to_the_end<F>(handler: F) -> Result<Reply, Denial>
where
    F: Future<Output = Result<Reply, Denial>> + Send + 'static,
{
    // Its own task still has the request's deadline.
    tokio::spawn(Deadline::inherit(handler)).await.map_err(|_| Denial::Internal("handler"))?
}
