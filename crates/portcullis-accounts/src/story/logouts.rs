//! Logout with tokens of other issuers: an acknowledged logout is in force.
//! Never: 200 for a token that still opens a socket.

use portcullis_guard::{Credential, EntryOwner, RevocationKind, RevocationName};
use portcullis_model::{Denial, Now, TokenFault};
use portcullis_store::{AccountStore, Store};
use serde_json::{Value, json};

use crate::Registration;

use crate::sessions::logout;

use super::world::*;

fn bearer(token: &str) -> Credentials {
    Credentials { bearer: Some(String::from(token)), cookies: None }
}

async fn log_out(world: &World, token: &str, now: Now) -> Result<(), Denial> {
    let (accounts, request) = world.request_of(&bearer(token), &json!({}), now);
    logout::logout(accounts, request).await.map(drop)
}

#[tokio::test]
async fn t_058_logout_of_a_never_connected_user_takes_effect() {
    let world = world(Registration::Open).await;
    let shapes = [
        json!({"jti": "t1"}),
        json!({"sid": "s1"}),
        json!({"sid": "s2", "jti": "t2"}),
        json!({}),
        json!({"iat": NOW.unix_s() + 4}),
    ];
    for (number, more) in shapes.iter().enumerate() {
        let token = foreign_token(&format!("user{number}"), NOW, more);
        assert_eq!(log_out(&world, &token, NOW).await, Ok(()), "{more}");
        for seconds in [0, 10, 3_000] {
            assert!(!world.opens(&token, after(seconds)).await, "{more} {seconds}");
        }
    }
    let all = foreign_token("user9", NOW, &json!({"jti": "t9"}));
    call!(world, logout::logout_all, bearer(&all), json!({})).unwrap();
    assert!(!world.opens(&all, after(10)).await);
    let again = foreign_token("user9", after(20), &json!({"jti": "t10"}));
    assert!(world.opens(&again, after(20)).await, "a later token is valid");
    let denied = log_out(&world, &all, NOW).await;
    assert_eq!(denied, Err(Denial::Token(TokenFault::Revoked)), "the token is revoked");
}

#[tokio::test]
async fn t_058_logout_takes_effect_when_the_share_of_the_user_is_full() {
    let world = world(Registration::Open).await;
    let token = |user: &str, number: usize| {
        foreign_token(user, NOW, &json!({"jti": format!("{user}{number}")}))
    };
    let usage = || {
        let [_, _, _, revocations] = world.gate.authentication().identity_tables(NOW);
        (revocations.used, revocations.share_full)
    };
    for number in 0..70 {
        let shown = token("eve", number);
        if log_out(&world, &shown, NOW).await.is_ok() {
            assert!(!world.opens(&shown, NOW).await, "{number}");
        } else {
            // Past the share all earlier tokens are revoked, including this one.
            assert!(number > 64, "{number}");
        }
    }
    let (used, share_full) = usage();
    assert!(used <= 64 && share_full > 0, "{used} {share_full}");
    assert!(!world.opens(&token("eve", 1_000), NOW).await, "all tokens issued so far are revoked");
    let bob = token("bob", 1);
    assert!(world.opens(&bob, NOW).await);
    log_out(&world, &bob, NOW).await.unwrap();
    assert!(!world.opens(&bob, NOW).await && world.opens(&token("bob", 2), NOW).await);
}

#[tokio::test]
async fn simultaneous_logouts_of_one_session_leave_the_other_devices_signed_in() {
    let world = world(Registration::Open).await;
    for named in [json!({"sid": "s1"}), json!({"jti": "t1"})] {
        let shown = foreign_token("ann", NOW, &named);
        let other = foreign_token("ann", NOW, &json!({"sid": "s2", "jti": "t2"}));
        assert!(world.opens(&other, NOW).await);
        // Another request is storing the same revocation.
        let verified = world.gate.verify(Credential::Bearer(&shown), None, NOW).unwrap();
        let (kind, name) = match &verified.session {
            Some(session) => (RevocationKind::Session, session),
            None => (RevocationKind::Token, &verified.token),
        };
        let (issuer, user) = (&verified.issuer, verified.user.as_str());
        let what = RevocationName { issuer, user, kind, name };
        let owner = world.gate.limits().share_owner(EntryOwner::User(&verified.user));
        let authority = world.gate.directory().authority();
        let slot = authority.reserve(what, owner, String::new, NOW).unwrap();
        let (first, second) =
            tokio::join!(log_out(&world, &shown, NOW), log_out(&world, &shown, NOW));
        drop(slot);
        assert_eq!(first, Ok(()), "{named}");
        let late = Err(Denial::Token(TokenFault::Revoked));
        assert!(second == Ok(()) || second == late, "{named} {second:?}");
        assert!(!world.opens(&shown, NOW).await, "{named}");
        assert!(world.opens(&other, NOW).await, "{named}: another device of the user");
    }
    let [_, _, _, revocations] = world.gate.authentication().identity_tables(NOW);
    assert_eq!(revocations.used, 2, "one entry for each session or token");
}

#[tokio::test]
async fn logout_ends_no_token_of_another_user_with_the_same_ids() {
    let world = world(Registration::Open).await;
    for named in [json!({"sid": "1"}), json!({"jti": "1"}), json!({"sid": "2", "jti": "2"})] {
        let (eve, ann) = (foreign_token("eve", NOW, &named), foreign_token("ann", NOW, &named));
        assert_eq!(log_out(&world, &eve, NOW).await, Ok(()), "{named}");
        assert!(!world.opens(&eve, NOW).await, "{named}");
        assert!(world.opens(&ann, NOW).await, "{named}");
        // The same holds after a restart.
        let fresh = restarted(&world.store.load().await.unwrap()).await;
        assert!(!fresh.opens(&eve, NOW).await && fresh.opens(&ann, NOW).await, "{named}");
    }
}

#[tokio::test]
async fn revoked_token_stays_revoked_while_the_clock_goes_forward_and_back() {
    let world = world(Registration::Open).await;
    let token = foreign_token("ann", NOW, &json!({"jti": "t1"}));
    assert!(world.opens(&token, NOW).await);
    log_out(&world, &token, NOW).await.unwrap();
    for days in [1, 2, 40] {
        let ahead = NOW.unix_ms + days * 24 * 3_600_000;
        world.store.remove_ended(ahead).await.unwrap();
        assert!(!world.opens(&token, NOW).await, "{days} days ahead and back");
    }
    // The row is removed; a server that starts now reads its end time.
    let left = world.store.load().await.unwrap();
    assert_eq!(left.access.revocations, []);
    let ends: Value = json!(NOW.unix_ms + 3_600_000);
    assert_eq!(json!(left.access.revocations_ended_unix_ms), ends);
    let fresh = restarted(&left).await;
    assert!(!fresh.opens(&token, NOW).await, "after a restart with the right clock");
    let later = foreign_token("ann", after(3_700), &json!({"jti": "t2"}));
    assert!(fresh.opens(&later, after(3_700)).await);
}

/// A second server, whose feed was filled from the store.
async fn restarted(left: &portcullis_store::StoreSnapshot) -> World {
    let fresh = world(Registration::Open).await;
    let live = fresh.gate.directory();
    let feed = crate::AccountFeed::new(
        live.clone(),
        std::sync::Arc::new(FixedClock),
        portcullis_guard::SecondFactorRule::None,
    );
    feed.load(left);
    fresh
}
