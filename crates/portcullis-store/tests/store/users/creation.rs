//! New users: invitations, other issuers, look-ups.
//! Never: a change of a user that exists, except by a newer token.

use super::*;

#[tokio::test]
async fn invitation_creates_one_user_until_its_end() {
    let (_directory, store, feed) = open_with([local_user("Ann")]).await;
    for (hash, by) in [([1; 32], Some(user_id("ann"))), ([2; 32], None)] {
        let invitation = NewInvitation { hash, by, at_unix_ms: 5, ends_unix_ms: 100 };
        store.invite(invitation).await.unwrap();
    }
    feed.take();
    let cases = [
        ("eve", 9, 10, CreateUserOutcome::InvitationInvalid), // unknown
        ("eve", 1, 100, CreateUserOutcome::InvitationInvalid), // over
        ("ANN", 9, 10, CreateUserOutcome::InvitationInvalid), // the answer does not reveal names
        ("ANN", 1, 10, CreateUserOutcome::NameTaken),
        ("bob", 1, 99, CreateUserOutcome::Created), // the taken name has not used it up
        ("eve", 1, 99, CreateUserOutcome::InvitationInvalid),
        ("cid", 2, 99, CreateUserOutcome::Created),
    ];
    for (name, hash, created_unix_ms, expect) in cases {
        let user_id = UserId::parse(&format!("new_{name}")).unwrap();
        let invitation = Some([hash; 32]);
        let open = store.has_invitation([hash; 32], created_unix_ms).await.unwrap();
        assert_eq!(
            open,
            expect != CreateUserOutcome::InvitationInvalid,
            "{name} {hash} {created_unix_ms}"
        );
        let user = NewUser { id: user_id, invitation, created_unix_ms, ..local_user(name) };
        let answer = store.create_user(user).await.unwrap();
        assert_eq!(answer, expect, "{name} {hash} {created_unix_ms}");
        let reported = feed.take().len();
        assert_eq!(reported, usize::from(expect == CreateUserOutcome::Created), "{name}");
    }
}

#[tokio::test]
async fn invitations_are_listed_without_their_secret_and_revoked_while_unused() {
    let (directory, store, feed) = open_with([local_user("Ann")]).await;
    let invite = |first: u8, by: Option<&str>, at_unix_ms, ends_unix_ms| {
        let by = by.map(user_id);
        NewInvitation { hash: [first; 32], by, at_unix_ms, ends_unix_ms }
    };
    for new in [
        invite(1, Some("ann"), 5, 100),
        invite(2, None, 6, 100),
        invite(3, None, 7, 50),
        invite(4, None, 8, 100),
    ] {
        assert!(store.invite(new).await.unwrap());
    }
    let bob = NewUser {
        invitation: Some([2; 32]),
        created_unix_ms: 9,
        id: user_id("bob"),
        ..local_user("Bob")
    };
    create(&store, bob).await;
    feed.take();
    let id = |first: u8| InvitationId::of(&[first; 32]);
    let listed = store.list_invitations(50).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|row| row.id).collect();
    assert_eq!(ids, [id(4), id(2), id(1)], "the newest first, without the expired one");
    let [_, used, unused] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((&used.by, &used.used_by), (&None, &Some(user_id("bob"))));
    assert_eq!((&unused.by, &unused.used_by), (&Some(user_id("ann")), &None));
    // A used one stays: it names the user.
    for (first, expect) in [(1, true), (1, false), (2, false), (9, false)] {
        assert_eq!(store.revoke_invitation(id(first)).await.unwrap(), expect, "{first}");
    }
    assert!(!store.has_invitation([1; 32], 10).await.unwrap());
    let operator = SqliteOperatorStore::open(&directory.path(), None, "root").unwrap();
    assert_eq!(operator.list_invitations(50).await.unwrap().len(), 2);
    assert!(operator.revoke_invitation(id(4)).await.unwrap());
    assert_eq!(store.list_invitations(50).await.unwrap().len(), 1);
    assert_eq!(feed.take(), [], "no part of the authority changed");
}

#[tokio::test]
async fn concurrent_uses_of_one_invitation_create_one_user() {
    let (_directory, store, _) = open_with([]).await;
    let invitation = NewInvitation { hash: [1; 32], by: None, at_unix_ms: 0, ends_unix_ms: 100 };
    store.invite(invitation).await.unwrap();
    let request = |number| {
        let user = NewUser { invitation: Some([1; 32]), ..local_user(&format!("guest{number}")) };
        store.create_user(user)
    };
    // All requests wait for the writer together.
    let pending: Vec<_> = (0..20).map(request).collect();
    let mut created = 0;
    for answer in pending {
        created += usize::from(answer.await.unwrap() == CreateUserOutcome::Created);
    }
    assert_eq!((created, store.list_accounts(0, 99).await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn foreign_user_is_updated_by_newer_tokens() {
    let (_directory, store, feed) = open_with([foreign_user("Far")]).await;
    feed.take();
    let moderator = Roles::user().with(Role::Moderator);
    let of_token = |issued| NewUser { roles_issued_unix_ms: Some(issued), ..foreign_user("Far") };
    let cases = [
        (foreign_user("Further"), "Further", Roles::user()),
        (NewUser { roles: moderator, ..foreign_user("Further") }, "Further", Roles::user()),
        (NewUser { roles: moderator, ..of_token(20) }, "Far", moderator),
        (of_token(30), "Far", Roles::user()),
        // An older token, and one of the same moment.
        (NewUser { roles: moderator, ..of_token(29) }, "Far", Roles::user()),
        (NewUser { roles: moderator, ..of_token(30) }, "Far", moderator),
    ];
    for (user, name, roles) in cases {
        // The id in the request is ignored, because the user exists.
        create(&store, NewUser { id: user_id("another"), ..user }).await;
        let (ended, row) = ended_then_user(&feed);
        assert_eq!((ended.len(), &row.id, &*row.username), (0, &user_id("far"), name));
        assert_eq!((row.roles, row.foreign), (roles, true));
    }
    // Only a new user consumes an invitation.
    let invitation = NewInvitation { hash: [1; 32], by: None, at_unix_ms: 0, ends_unix_ms: 100 };
    store.invite(invitation).await.unwrap();
    create(&store, NewUser { invitation: Some([1; 32]), ..foreign_user("Far") }).await;
    create(&store, NewUser { invitation: Some([1; 32]), ..local_user("Bob") }).await;
    assert!(store.credentials("far").await.unwrap().is_none());
    assert!(store.credentials_of(&user_id("far")).await.unwrap().is_none());
    assert!(
        store.find_account("far").await.unwrap().is_none(),
        "a foreign user is not found by name"
    );
    let person = store.find_account("u_far").await.unwrap().unwrap();
    assert_eq!(person.issuer.as_deref(), Some("https://id.example"));
}

#[tokio::test]
async fn accounts_are_found_by_id_or_name_and_listed() {
    let (_directory, store, _) = open_with([local_user("Ann"), local_user("Bob")]).await;
    // This name equals the id of Ann; the id takes precedence.
    create(&store, NewUser { id: user_id("eve"), ..local_user("u_ann") }).await;
    let cases = [("u_ann", "Ann"), ("ANN", "Ann"), ("u_eve", "u_ann"), ("bob", "Bob")];
    for (key, expect) in cases {
        let person = store.find_account(key).await.unwrap().unwrap();
        assert_eq!(&*person.username, expect, "{key}");
    }
    assert!(store.find_account("unknown").await.unwrap().is_none());
    let pages: [(u64, u32, &[&str]); 5] = [
        (0, 2, &["Ann", "Bob"]),
        (1, 9, &["Bob", "u_ann"]),
        (3, 9, &[]),
        (u64::MAX, 9, &[]),
        (0, 0, &[]),
    ];
    for (skip, limit, expect) in pages {
        let people = store.list_accounts(skip, limit).await.unwrap();
        let names: Vec<_> = people.iter().map(|person| &*person.username).collect();
        assert_eq!(names, expect, "{skip} {limit}");
    }
}
