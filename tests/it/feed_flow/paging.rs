//! A feed stays put while it is read, page by page, whatever is written meanwhile.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{VISIBLE, items};
use crate::harness::{Home, Launch, Person, TestApp, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_neither_repeat_nor_skip_whatever_is_written_meanwhile() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let reader = nova.person("reader").await;
    let mut written = HashSet::new();
    let mut authors = Vec::new();
    for n in 0..9 {
        let author = nova.person(&format!("author{n}")).await;
        reader.follow(&author).await;
        for k in 0..3 {
            written.insert(author.write(&format!("Number {k} of author {n}")).await);
        }
        authors.push(author);
    }
    eventually("all posts are ranked", VISIBLE, async || {
        let page = reader.feed("?limit=100").await;
        let count = items(&page).len();
        if count == written.len() && page["rung"] == "fresh" {
            Ok(())
        } else {
            Err(format!("{count}"))
        }
    })
    .await;
    let whole = reader.feed("?limit=100").await;
    assert_eq!(whole["next_cursor"], Value::Null);
    let ranking: Vec<&str> = items(&whole)
        .iter()
        .map(|item| item["post_id"].as_str().unwrap())
        .collect();
    assert_saturated(&whole);

    let mut page = reader.feed("?limit=4").await;
    let mut read = Vec::new();
    for n in 0.. {
        read.extend(
            items(&page)
                .iter()
                .map(|item| item["post_id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str().map(str::to_owned) else {
            break;
        };
        // The ranking changes under the reader's feet.
        let author = &authors[n % authors.len()];
        author.write("Something new").await;
        reader.like(&read[0]).await;
        reader.post("/feed/invalidate").send().await.ok(204);
        reader.feed("?limit=1").await;
        page = reader.feed(&format!("?limit=4&cursor={cursor}")).await;
        assert!(items(&page).len() == 4 || page["next_cursor"].is_null(), "{page}");
    }
    assert_eq!(read, ranking);
    assert_eq!(read.iter().cloned().collect::<HashSet<_>>(), written);
}

/// The rules of variety, which nine authors with three posts each can keep almost to the end.
fn assert_saturated(page: &Value) {
    let authors: Vec<&str> = items(page)
        .iter()
        .map(|item| item["author"]["id"].as_str().unwrap())
        .collect();
    let first: HashSet<_> = authors.iter().take(5).collect();
    assert_eq!(first.len(), 5, "{authors:?}");
    let spaced = authors
        .iter()
        .enumerate()
        .all(|(at, author)| !authors[at.saturating_sub(2)..at].contains(author));
    let relaxed = page["relaxed"].as_array().unwrap().contains(&json!("spacing"));
    assert!(
        spaced || relaxed,
        "{authors:?} without saying so: {}",
        page["relaxed"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_is_good_for_its_reader_and_unchanged_only() {
    let home = Home::new();
    let nova = TestApp::start(&home, &Launch::empty()).await;
    let (reader, other) = tokio::join!(nova.person("reader"), nova.person("other"));
    for n in 0..4 {
        let author = nova.person(&format!("author{n}")).await;
        author.write("A post").await;
        reader.follow(&author).await;
    }
    let cursor = eventually("a second page", VISIBLE, async || {
        let page = reader.feed("?limit=2").await;
        page["next_cursor"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| page.to_string())
    })
    .await;
    let with = |person: &Person, cursor: &str| person.get(&format!("/feed?limit=2&cursor={cursor}")).send();
    with(&reader, &cursor).await.ok(200);
    with(&other, &cursor).await.problem(400, "cursor_invalid");
    let altered = (0..cursor.len()).map(|at| {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    });
    let cut = [
        String::from("x"),
        cursor[1..].to_owned(),
        cursor[..cursor.len() - 1].to_owned(),
    ];
    let refused: Vec<String> = altered.filter(|altered| altered != &cursor).chain(cut).collect();
    for answer in join_all(refused.iter().map(|cursor| with(&reader, cursor))).await {
        answer.problem(400, "cursor_invalid");
    }
    with(&reader, &cursor).await.ok(200);
    let unknown = reader.get("/feed?algo=magic").send().await;
    unknown.problem(400, "unknown_ranker");
}
