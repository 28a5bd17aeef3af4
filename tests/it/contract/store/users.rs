//! `UserDirectory`.

use std::collections::HashSet;

use futures_util::future::join_all;
use nova_actors::domain::{EndedReason, Identity, UserId, ViewerTotals, is_username};
use nova_actors::ports::store::{StreamStore, UserDirectory};

use super::{Backend, World, at, fresh, identity, plain};

pub(super) async fn an_identity_becomes_one_user<B: Backend>() {
    let world = World::<B>::new().await;
    let first = Identity {
        name: Some("Ana Ünal".to_owned()),
        picture: Some("https://example.org/ana.png".to_owned()),
        ..identity("s-1", Some("Ana.U"))
    };
    let user = world.store.ensure(&first, at(7)).await.unwrap();
    assert_eq!(user.username, "ana_u");
    assert_eq!(user.display_name, "Ana Ünal");
    assert_eq!(user.avatar_url.as_deref(), Some("https://example.org/ana.png"));
    assert_eq!((user.bio.as_str(), user.created_at), ("", at(7)));

    let later = world.store.ensure(&identity("s-1", Some("other")), at(99)).await;
    assert_eq!(later.unwrap(), user);
    assert_eq!(world.store.users(&[user.id]).await.unwrap()[&user.id], user);
}

pub(super) async fn one_subject_at_two_issuers_is_two_users<B: Backend>() {
    let world = World::<B>::new().await;
    let here = identity("s-1", Some("ana"));
    let there = Identity {
        issuer: "https://other.example.org".to_owned(),
        ..here.clone()
    };
    let here = world.store.ensure(&here, at(0)).await.unwrap();
    let there = world.store.ensure(&there, at(0)).await.unwrap();
    assert_ne!(here.id, there.id);
    assert_ne!(here.username, there.username);
}

pub(super) async fn requests_at_the_same_time_make_one_user<B: Backend>() {
    let world = World::<B>::new().await;
    let identity = identity("s-1", Some("ana"));
    let calls = (0..20).map(|n| world.store.ensure(&identity, at(n)));
    let users: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert!(users.iter().all(|user| user == &users[0]), "{users:?}");
    assert_eq!(users[0].username, "ana");
}

pub(super) async fn taken_usernames_get_numbers<B: Backend>() {
    let world = World::<B>::new().await;
    let wish = "x".repeat(40);
    let mut names = HashSet::new();
    for n in 0..30 {
        let identity = identity(&format!("s-{n}"), Some(&wish));
        let user = world.store.ensure(&identity, at(n)).await.unwrap();
        assert!(is_username(&user.username), "{}", user.username);
        assert!(names.insert(user.username));
    }
    assert!(names.contains(&"x".repeat(32)));
    assert!(names.contains(&format!("{}2", "x".repeat(31))));
}

pub(super) async fn a_username_is_found_for_any_claims<B: Backend>() {
    let world = World::<B>::new().await;
    let nameless = world.store.ensure(&identity("s-1", None), at(0)).await.unwrap();
    assert!(nameless.username.starts_with("user_"), "{}", nameless.username);
    let blank = Identity {
        name: Some("Bo".to_owned()),
        ..identity("s-2", Some("  "))
    };
    let blank = world.store.ensure(&blank, at(0)).await.unwrap();
    assert_eq!(
        (blank.username.as_str(), blank.display_name.as_str()),
        ("bo_", "Bo")
    );
    let odd = world
        .store
        .ensure(&identity("s-3", Some("日本\0語")), at(0))
        .await;
    assert!(is_username(&odd.unwrap().username));
}

pub(super) async fn known_users_are_read_at_once<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    let unknown = UserId::new();
    let ids = [ana.id, unknown, bo.id, ana.id];
    let (users, queries) = world.count(world.store.users(&ids)).await;
    assert_eq!(queries, 1);
    assert_eq!(users.len(), 2);
    assert_eq!((&users[&ana.id], &users[&bo.id]), (&ana, &bo));

    let (none, queries) = world.count(world.store.users(&[])).await;
    assert!(none.is_empty());
    assert_eq!(queries, 0);
}

pub(super) async fn a_profile_takes_two_queries_at_most<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo, cy) = (
        world.user("ana").await,
        world.user("bob").await,
        world.user("cyd").await,
    );
    world.follow(bo.id, ana.id).await;
    world.follow(cy.id, ana.id).await;
    world.follow(ana.id, bo.id).await;
    let stream = fresh(world.try_start(ana.id, "on air", at(1)).await.unwrap());

    let (profile, queries) = world.count(world.store.profile(ana.id)).await;
    let profile = profile.unwrap();
    assert!(queries <= 2, "{queries}");
    assert_eq!(profile.user, ana);
    assert_eq!((profile.followers, profile.following), (2, 1));
    assert_eq!(profile.live_stream_id, Some(stream.id));

    let end = (EndedReason::Ended, ViewerTotals::default());
    let ended = world.store.end(stream.id, end.0, end.1, plain(), at(2)).await;
    fresh(ended.unwrap());
    let profile = world.store.profile(ana.id).await.unwrap().unwrap();
    assert_eq!(profile.live_stream_id, None);
    assert_eq!(world.store.profile(UserId::new()).await.unwrap(), None);
}
