//! Users in the story: names, set-up, other issuers.
//! Never: rooms.

use super::*;

pub(super) async fn check_users(world: &World<'_>) {
    assert_eq!(world.user("Ann").await, CreateUserOutcome::Created);
    assert_eq!(world.user("bob").await, CreateUserOutcome::Created);
    assert_eq!(world.user("eve").await, CreateUserOutcome::Created);
    let changes = world.feed.take();
    assert!(matches!(&changes[0], Change::User(row) if row.id == user_id("ann") && !row.disabled));

    let taken = NewUser { id: UserId::parse("u_other").unwrap(), ..local_user("ANN") };
    assert_eq!(world.store.create_user(taken).await.unwrap(), CreateUserOutcome::NameTaken);
    assert_eq!(world.feed.take(), [], "a rejected change is not reported");

    let row = world.store.credentials("aNN").await.unwrap().unwrap();
    assert_eq!((row.id, &*row.username, row.disabled), (user_id("ann"), "Ann", false));
    assert_eq!(row.password_phc.expose(), "phc of Ann");
    assert!(world.store.credentials("unknown").await.unwrap().is_none());

    // Set-up creates one administrator, also for concurrent requests.
    assert!(!world.store.has_admin().await.unwrap());
    let setup = |name| {
        let roles = Roles::user().with(Role::Admin);
        world.store.create_user(NewUser { roles, setup: true, ..local_user(name) })
    };
    let both = (setup("root"), setup("toor"));
    assert_eq!(both.0.await.unwrap(), CreateUserOutcome::Created);
    assert_eq!(both.1.await.unwrap(), CreateUserOutcome::SetupUsed);
    assert!(world.store.has_admin().await.unwrap());

    // A foreign user is created once, can have the name of a local user, and has no password.
    world.feed.take();
    for name in ["ann", "Ann from afar"] {
        let foreign = NewUser {
            id: UserId::parse("x_1").unwrap(),
            password_phc: None,
            issuer: Some(String::from("https://id.example")),
            subject: Some(String::from("1")),
            ..local_user(name)
        };
        assert_eq!(world.store.create_user(foreign).await.unwrap(), CreateUserOutcome::Created);
    }
    let changes = world.feed.take();
    let names: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::User(row) => (row.id.as_str(), &*row.username),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [("x_1", "ann"), ("x_1", "Ann from afar")]);
    assert_eq!(world.store.credentials("ann").await.unwrap().unwrap().id, user_id("ann"));
    assert!(world.store.credentials("ann from afar").await.unwrap().is_none());
}
