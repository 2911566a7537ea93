//! New users: invitations, other issuers, look-ups.
//! Never: a change of a user that exists, except by a newer token.

use super::*;

#[tokio::test]
async fn an_invitation_makes_one_user_until_its_end() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, own("Ann")).await;
    for (hash, by) in [([1; 32], Some(id("ann"))), ([2; 32], None)] {
        let invitation = NewInvitation { hash, by, at_unix_ms: 5, ends_unix_ms: 100 };
        store.invite(invitation).await.unwrap();
    }
    heard.take();
    let cases = [
        ("eve", 9, 10, CreateUserOutcome::InvitationInvalid), // unknown
        ("eve", 1, 100, CreateUserOutcome::InvitationInvalid), // over
        ("ANN", 9, 10, CreateUserOutcome::InvitationInvalid), // does not learn which names exist
        ("ANN", 1, 10, CreateUserOutcome::NameTaken),
        ("bob", 1, 99, CreateUserOutcome::Created), // a name that was taken has not used it up
        ("eve", 1, 99, CreateUserOutcome::InvitationInvalid),
        ("cid", 2, 99, CreateUserOutcome::Created),
    ];
    for (name, hash, created_unix_ms, expect) in cases {
        let user_id = portcullis_model::UserId::parse(&format!("new_{name}")).unwrap();
        let invitation = Some([hash; 32]);
        let open = store.has_invitation([hash; 32], created_unix_ms).await.unwrap();
        assert_eq!(
            open,
            expect != CreateUserOutcome::InvitationInvalid,
            "{name} {hash} {created_unix_ms}"
        );
        let user = NewUser { id: user_id, invitation, created_unix_ms, ..own(name) };
        let answer = store.create_user(user).await.unwrap();
        assert_eq!(answer, expect, "{name} {hash} {created_unix_ms}");
        let told = heard.take().len();
        assert_eq!(told, usize::from(expect == CreateUserOutcome::Created), "{name}");
    }
}

#[tokio::test]
async fn of_many_with_one_invitation_one_comes_in() {
    let place = Place::new();
    let (store, _) = place.open();
    let invitation = NewInvitation { hash: [1; 32], by: None, at_unix_ms: 0, ends_unix_ms: 100 };
    store.invite(invitation).await.unwrap();
    let ask = |number| {
        let user = NewUser { invitation: Some([1; 32]), ..own(&format!("guest{number}")) };
        store.create_user(user)
    };
    // All wait for the writer at once.
    let asked: Vec<_> = (0..20).map(ask).collect();
    let mut made = 0;
    for answer in asked {
        made += usize::from(answer.await.unwrap() == CreateUserOutcome::Created);
    }
    assert_eq!((made, store.list_accounts(0, 99).await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn a_foreign_user_is_brought_up_to_date() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, foreign("Far")).await;
    heard.take();
    let moderator = Roles::user().with(Role::Moderator);
    let of_token = |issued| NewUser { roles_issued_unix_ms: Some(issued), ..foreign("Far") };
    let cases = [
        (foreign("Further"), "Further", Roles::user()),
        (NewUser { roles: moderator, ..foreign("Further") }, "Further", Roles::user()),
        (NewUser { roles: moderator, ..of_token(20) }, "Far", moderator),
        (of_token(30), "Far", Roles::user()),
        // An older token, and one of the same moment.
        (NewUser { roles: moderator, ..of_token(29) }, "Far", Roles::user()),
        (NewUser { roles: moderator, ..of_token(30) }, "Far", moderator),
    ];
    for (user, name, roles) in cases {
        // Whatever id is brought along, it is the user there was.
        create(&store, NewUser { id: id("another"), ..user }).await;
        let (ended, row) = ended_then_user(&heard);
        assert_eq!((ended.len(), &row.id, &*row.username), (0, &id("far"), name));
        assert_eq!((row.roles, row.foreign), (roles, true));
    }
    // An invitation is used up by who is new only.
    let invitation = NewInvitation { hash: [1; 32], by: None, at_unix_ms: 0, ends_unix_ms: 100 };
    store.invite(invitation).await.unwrap();
    create(&store, NewUser { invitation: Some([1; 32]), ..foreign("Far") }).await;
    create(&store, NewUser { invitation: Some([1; 32]), ..own("Bob") }).await;
    assert!(store.credentials("far").await.unwrap().is_none());
    assert!(store.credentials_of(&id("far")).await.unwrap().is_none());
    assert!(store.find_account("far").await.unwrap().is_none(), "a foreign name finds nobody");
    let person = store.find_account("u_far").await.unwrap().unwrap();
    assert_eq!(person.issuer.as_deref(), Some("https://id.example"));
}

#[tokio::test]
async fn people_are_found_and_listed() {
    let place = Place::new();
    let (store, _) = place.open();
    create(&store, own("Ann")).await;
    create(&store, own("Bob")).await;
    // Called like Ann's id: whoever asks for the id means Ann.
    create(&store, NewUser { id: id("eve"), ..own("u_ann") }).await;
    let cases = [("u_ann", "Ann"), ("ANN", "Ann"), ("u_eve", "u_ann"), ("bob", "Bob")];
    for (asked, expect) in cases {
        let person = store.find_account(asked).await.unwrap().unwrap();
        assert_eq!(&*person.username, expect, "{asked}");
    }
    assert!(store.find_account("nobody").await.unwrap().is_none());
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
