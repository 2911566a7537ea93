//! Users in the story: names, set-up, other issuers.
//! Never: rooms.

use super::*;

pub(super) async fn users_story(world: &World<'_>) {
    assert_eq!(world.user("Ann").await, CreateUserOutcome::Created);
    assert_eq!(world.user("bob").await, CreateUserOutcome::Created);
    assert_eq!(world.user("eve").await, CreateUserOutcome::Created);
    let heard = world.heard.take();
    assert!(matches!(&heard[0], Change::User(row) if row.id == user("ann") && !row.disabled));

    let taken = NewUser { id: UserId::parse("u_other").unwrap(), ..own_user("ANN") };
    assert_eq!(world.store.create_user(taken).await.unwrap(), CreateUserOutcome::NameTaken);
    assert_eq!(world.heard.take(), [], "what did not happen is not told");

    let row = world.store.credentials("aNN").await.unwrap().unwrap();
    assert_eq!((row.id, &*row.username, row.disabled), (user("ann"), "Ann", false));
    assert_eq!(row.password_phc.expose(), "phc of Ann");
    assert!(world.store.credentials("nobody").await.unwrap().is_none());

    // Set-up gives one administrator, however many ask at once.
    assert!(!world.store.has_admin().await.unwrap());
    let setup = |name| {
        let roles = Roles::user().with(Role::Admin);
        world.store.create_user(NewUser { roles, setup: true, ..own_user(name) })
    };
    let both = (setup("root"), setup("toor"));
    assert_eq!(both.0.await.unwrap(), CreateUserOutcome::Created);
    assert_eq!(both.1.await.unwrap(), CreateUserOutcome::SetupUsed);
    assert!(world.store.has_admin().await.unwrap());

    // A foreign user is made once, may be called like one of ours, and has no password.
    world.heard.take();
    for name in ["ann", "Ann from afar"] {
        let foreign = NewUser {
            id: UserId::parse("x_1").unwrap(),
            password_phc: None,
            issuer: Some(String::from("https://id.example")),
            subject: Some(String::from("1")),
            ..own_user(name)
        };
        assert_eq!(world.store.create_user(foreign).await.unwrap(), CreateUserOutcome::Created);
    }
    let heard = world.heard.take();
    let names: Vec<_> = heard
        .iter()
        .map(|change| match change {
            Change::User(row) => (row.id.as_str(), &*row.username),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [("x_1", "ann"), ("x_1", "Ann from afar")]);
    assert_eq!(world.store.credentials("ann").await.unwrap().unwrap().id, user("ann"));
    assert!(world.store.credentials("ann from afar").await.unwrap().is_none());
}
