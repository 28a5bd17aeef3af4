//! From a post to a ranked feed: what is written here appears there, scored.

mod paging;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Home, Launch, Person, TestApp, eventually};

/// From the answer to a write until it can be seen.
pub(crate) const VISIBLE: Duration = Duration::from_secs(5);

pub(crate) fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().expect("items")
}

fn find<'a>(page: &'a Value, post: &str) -> Option<&'a Value> {
    items(page).iter().find(|item| item["post_id"] == post)
}

/// The item of `post` in the reader's feed, as soon as it is there and `holds`.
async fn shown(reader: &Person, post: &str, holds: impl Fn(&Value) -> bool) -> (Value, Value) {
    eventually("the post is in the feed", VISIBLE, async || {
        let page = reader.feed("?limit=100").await;
        match find(&page, post) {
            Some(item) if holds(item) => Ok((item.clone(), page.clone())),
            other => Err(format!("{other:?}; rung {}", page["rung"])),
        }
    })
    .await
}

/// Whether the item was ranked, and for following its author.
fn from_followees(item: &Value) -> bool {
    item["source"]
        .as_array()
        .is_some_and(|sources| sources.contains(&json!("followees")))
}

async fn explained(reader: &Person, post: &str) -> Value {
    reader
        .get(&format!("/feed/explain?post_id={post}"))
        .send()
        .await
        .ok(200)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// `v1`, from its inputs, as the contract words it.
fn recompute(why: &Value) -> f64 {
    let input = |name: &str| {
        why["inputs"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} in {why}"))
    };
    let freshness = (-0.1 * input("age_hours")).exp();
    let interest = input("likes") + 2.0 * input("comments") + 3.0 * input("shares");
    let engagement = (interest / input("impressions").max(1.0)).ln_1p();
    let affinity = input("interactions").ln_1p();
    for (part, value) in [
        ("freshness", freshness),
        ("engagement", engagement),
        ("affinity", affinity),
    ] {
        assert!(
            close(why["parts"][part].as_f64().unwrap(), value),
            "{part} {value}: {why}"
        );
    }
    0.30 * freshness + 0.40 * engagement + 0.30 * affinity
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_by_someone_i_follow_appears_in_my_feed_with_its_score() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (author, reader) = tokio::join!(nova.person("author"), nova.person("reader"));
    reader.follow(&author).await;
    let post = author.write("Count the washers first.").await;
    let (item, page) = shown(&reader, &post, from_followees).await;
    assert_eq!((&page["ranker"], &page["rung"]), (&json!("v1"), &json!("fresh")));
    for field in ["relaxed", "degraded"] {
        assert!(page[field].is_array(), "{field} in {page}");
    }
    assert!(
        page["newer_available"].is_boolean() && page["watermark"]["cdc"].is_u64(),
        "{page}"
    );
    assert_eq!(
        (&item["kind"], &item["text"]),
        (&json!("post"), &json!("Count the washers first."))
    );
    assert_eq!(item["author"]["username"], "author");
    for (count, value) in [("likes", 0), ("comments", 0), ("shares", 0)] {
        assert_eq!(item[count], value, "{count} in {item}");
    }
    assert_eq!(item["liked"], false);
    assert!(
        item["reasons"]
            .as_array()
            .is_some_and(|reasons| !reasons.is_empty()),
        "{item}"
    );

    let why = explained(&reader, &post).await;
    assert_eq!((&why["ranker"], &why["post_id"]), (&json!("v1"), &json!(post)));
    assert!(close(recompute(&why), why["score"].as_f64().unwrap()), "{why}");
    assert!(
        close(why["score"].as_f64().unwrap(), item["score"].as_f64().unwrap()),
        "{why} {item}"
    );
    assert_eq!(
        why["weights"],
        json!({ "freshness": 0.3, "engagement": 0.4, "affinity": 0.3 })
    );
    assert!(
        why["sources"].as_array().unwrap().contains(&json!("followees")),
        "{why}"
    );
    for filter in why["filters"].as_array().unwrap() {
        assert_eq!(filter["passed"], true, "{why}");
    }
    let unseen = author.get(&format!("/feed/explain?post_id={post}")).send().await;
    unseen.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_like_changes_the_count_and_with_it_the_score() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (author, reader, other) =
        tokio::join!(nova.person("author"), nova.person("reader"), nova.person("other"));
    reader.follow(&author).await;
    let post = author.write("Likeable").await;
    let (before, _) = shown(&reader, &post, from_followees).await;
    reader.like(&post).await;
    reader.like(&post).await;
    other.like(&post).await;
    // One's own like is there at once.
    let own = reader.get(&format!("/posts/{post}")).send().await.ok(200);
    assert_eq!((&own["likes"], &own["liked"]), (&json!(2), &json!(true)));
    let mut why = Value::Null;
    eventually("the likes count in the score", VISIBLE, async || {
        reader.post("/feed/invalidate").send().await.ok(204);
        reader.feed("").await;
        why = explained(&reader, &post).await;
        let (likes, mine) = (&why["inputs"]["likes"], &why["inputs"]["interactions"]);
        if likes == 2 && mine == 1 {
            Ok(())
        } else {
            Err(why.to_string())
        }
    })
    .await;
    assert!(close(recompute(&why), why["score"].as_f64().unwrap()), "{why}");
    assert!(why["score"].as_f64() > before["score"].as_f64(), "{why} {before}");
    let (item, _) = shown(&reader, &post, |item| item["liked"] == true).await;
    assert_eq!(item["likes"], 2);

    for _ in 0..2 {
        reader.delete(&format!("/posts/{post}/like")).send().await.ok(204);
    }
    let after = reader.get(&format!("/posts/{post}")).send().await.ok(200);
    assert_eq!((&after["likes"], &after["liked"]), (&json!(1), &json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_nobody_gets_the_newest_posts() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (author, stranger) = tokio::join!(nova.person("author"), nova.person("stranger"));
    let nothing = stranger.feed("").await;
    assert_eq!((items(&nothing).len(), &nothing["rung"]), (0, &json!("empty")));
    assert_eq!(nothing["next_cursor"], Value::Null);
    let mut newest_first = Vec::new();
    for n in 0..3 {
        newest_first.insert(0, author.write(&format!("Number {n}")).await);
    }
    let page = eventually("all posts are there", VISIBLE, async || {
        let page = stranger.feed("?algo=chrono").await;
        if items(&page).len() == 3 {
            Ok(page)
        } else {
            Err(page.to_string())
        }
    })
    .await;
    let order: Vec<_> = items(&page)
        .iter()
        .map(|item| item["post_id"].as_str().unwrap())
        .collect();
    assert_eq!(order, newest_first);
    assert_eq!(
        (&page["ranker"], &page["rung"]),
        (&json!("chrono"), &json!("chrono"))
    );
    let default = eventually("without a wish, too", VISIBLE, async || {
        let page = stranger.feed("").await;
        if items(&page).len() == 3 {
            Ok(page)
        } else {
            Err(page.to_string())
        }
    })
    .await;
    assert_eq!(default["rung"], "chrono", "{default}");
    let own = author.feed("").await;
    assert!(
        items(&own)
            .iter()
            .all(|item| item["author"]["username"] != "author"),
        "{own}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_post_leaves_feeds_and_an_unfollowed_author_is_no_source() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (author, reader) = tokio::join!(nova.person("author"), nova.person("reader"));
    reader.follow(&author).await;
    let (kept, gone) = (author.write("Kept").await, author.write("Gone").await);
    shown(&reader, &kept, |_| true).await;
    shown(&reader, &gone, |_| true).await;
    reader
        .delete(&format!("/posts/{gone}"))
        .send()
        .await
        .problem(403, "forbidden");
    author.delete(&format!("/posts/{gone}")).send().await.ok(204);
    nova.get(&format!("/posts/{gone}"))
        .send()
        .await
        .problem(404, "not_found");
    eventually("the deleted post is gone", Duration::from_secs(1), async || {
        let page = reader.feed("").await;
        if find(&page, &gone).is_none() && find(&page, &kept).is_some() {
            Ok(())
        } else {
            Err(page.to_string())
        }
    })
    .await;
    for _ in 0..2 {
        reader
            .delete(&format!("/users/{}/follow", author.id))
            .send()
            .await
            .ok(204);
    }
    let profile = nova.get(&format!("/users/{}", author.id)).send().await.ok(200);
    assert_eq!(profile["followers"], 0);
    eventually("nobody's followee any more", VISIBLE, async || {
        let page = reader.feed("").await;
        let followed = items(&page)
            .iter()
            .any(|item| item["source"].to_string().contains("followees"));
        if followed { Err(page.to_string()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_counts_and_a_users_posts_are_listed_by_cursor() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (author, reader) = tokio::join!(nova.person("author"), nova.person("reader"));
    reader.follow(&author).await;
    let me = author.get("/users/me").send().await.ok(200);
    assert_eq!(
        me,
        nova.get(&format!("/users/{}", author.id)).send().await.ok(200)
    );
    for field in [
        "id",
        "username",
        "display_name",
        "avatar_url",
        "bio",
        "live_stream_id",
    ] {
        assert!(me.get(field).is_some(), "{field} in {me}");
    }
    assert_eq!((&me["followers"], &me["following"]), (&json!(1), &json!(0)));
    let mut newest_first = Vec::new();
    for n in 0..5 {
        newest_first.insert(0, author.write(&format!("Number {n}")).await);
    }
    let mut listed = Vec::new();
    let mut query = String::from("?limit=2");
    loop {
        let page = nova
            .get(&format!("/users/{}/posts{query}", author.id))
            .send()
            .await
            .ok(200);
        listed.extend(
            items(&page)
                .iter()
                .map(|post| post["post_id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(listed, newest_first);
}
