//! Installs all account routes, events and background tasks.
//! Never: the work of one route.

use std::sync::Arc;

use portcullis_guard::{Event, Permit};
use portcullis_model::Denial;
use portcullis_server::{
    ApiRequest, ApiResponse, Builder, Context, Method, Reply, run_to_completion,
};

use crate::accounts::{AccountParts, Accounts};
use crate::error::AccountsError;
use crate::factors::{totp_begin, totp_confirm, totp_remove};
use crate::keys::jwks;
use crate::login::{link_request, password_login};
use crate::moderation::restriction::{self, UserBan, UserKick, UserMute};
use crate::moderation::user_role;
use crate::options::AccountOptions;
use crate::passwords::hashing::PasswordHashing;
use crate::passwords::password_change;
use crate::passwords::pool::{PasswordQueue, QUEUE_MAX};
use crate::sessions::{list, logout, reauthenticate, refresh};
use crate::store_sync::readiness::store_readiness;
use crate::store_sync::{table_monitor, watcher};
use crate::tokens::ticket;
use crate::users::{invitation, profile, provision, register, setup};

/// Adds the account routes and events, the hook that creates users of other issuers, and the task
/// that reads changes of other processes from the store.
///
/// # Errors
/// [`AccountsError`] when the hashing threads or the decoy hash cannot be created, or another
/// product has declared one of the events.
pub fn install(
    builder: &mut Builder,
    parts: AccountParts,
    options: AccountOptions,
) -> Result<(), AccountsError> {
    let hashing = PasswordHashing::standard().map_err(AccountsError::Denied)?;
    let accounts = Arc::new(Accounts::build(parts, options, hashing)?);
    install_routes(builder, &accounts);
    on(builder, &accounts, restriction::handle::<UserMute>)?;
    on(builder, &accounts, restriction::handle::<UserKick>)?;
    on(builder, &accounts, restriction::handle::<UserBan>)?;
    on(builder, &accounts, user_role::handle)?;
    let pool = accounts.pool.clone();
    builder.queue("passwords", move || (pool.waiting(PasswordQueue::Unauthenticated), QUEUE_MAX));
    let pool = accounts.pool.clone();
    builder
        .queue("passwords_returning", move || (pool.waiting(PasswordQueue::Returning), QUEUE_MAX));
    let shared = Arc::clone(&accounts);
    builder.counts("logins", "Logins by outcome", "outcome", move || shared.logins.read());
    let store = Arc::clone(&accounts.store);
    builder.ready_part("store", move || store_readiness(store.status()));
    let shared = Arc::clone(&accounts);
    builder.tables(move |gate, now| table_monitor::tables(&shared, gate, now).to_vec());
    let shared = Arc::clone(&accounts);
    builder.on_foreign_user(move |around, client, verified| {
        let directory = Arc::clone(&around.directory);
        provision::provision(Arc::clone(&shared), directory, client, verified)
    });
    let watcher = Arc::new(watcher::Watcher::new(accounts));
    builder.every("watcher", watcher::EVERY_MS, move |around| Arc::clone(&watcher).check(around));
    Ok(())
}

fn install_routes(builder: &mut Builder, accounts: &Arc<Accounts>) {
    let (get, post) = (Method::Get, Method::Post);
    route(builder, accounts, post, "/auth/register", register::register);
    route(builder, accounts, post, "/auth/login", password_login::login);
    route(builder, accounts, post, "/auth/refresh", refresh::refresh);
    route(builder, accounts, post, "/auth/logout", logout::logout);
    route(builder, accounts, post, "/auth/logout-all", logout::logout_all);
    route(builder, accounts, post, "/auth/ticket", ticket::ticket);
    route(builder, accounts, post, "/auth/door", link_request::create);
    route(builder, accounts, post, "/auth/reauthenticate", reauthenticate::reauthenticate);
    route(builder, accounts, post, "/auth/password", password_change::change);
    route(builder, accounts, get, "/auth/profile", profile::read);
    route(builder, accounts, post, "/auth/profile", profile::write);
    route(builder, accounts, get, "/auth/sessions", list::list);
    route(builder, accounts, post, "/auth/sessions/end", list::end);
    route(builder, accounts, post, "/auth/totp/begin", totp_begin::begin);
    route(builder, accounts, post, "/auth/totp/confirm", totp_confirm::confirm);
    route(builder, accounts, post, "/auth/totp/remove", totp_remove::remove);
    route(builder, accounts, post, "/auth/invitations", invitation::invite);
    route(builder, accounts, post, "/auth/setup", setup::setup);
    route(builder, accounts, get, "/.well-known/jwks.json", jwks::jwks);
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

fn on<E, H, F>(
    builder: &mut Builder,
    accounts: &Arc<Accounts>,
    handler: H,
) -> Result<(), AccountsError>
where
    E: Event + Send + Sync,
    H: Fn(Arc<Accounts>, Permit<E>, Context) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Denial>> + Send + 'static,
{
    let shared = Arc::clone(accounts);
    builder.on(move |permit: Permit<E>, context| {
        run_to_completion(handler(Arc::clone(&shared), permit, context))
    })?;
    Ok(())
}
