//! Listing live streams asks the store twice, however many there are.

use futures_util::future::join_all;

use crate::harness::{Home, Launch, TestApp};

/// Few enough that none waits long for its turn to write, on a slow disk too.
const AT_ONCE: usize = 8;
/// Work in the background asks the store, too. The best of so many lists had none of it beside it, however busy the
/// machine is.
const LISTS: usize = 200;
/// One query for the page, one for all creators.
const MOST: u64 = 2;

/// Goes live as `from..to` new people.
async fn go_live(app: &TestApp, from: usize, to: usize) {
    let numbers: Vec<usize> = (from..to).collect();
    for chunk in numbers.chunks(AT_ONCE) {
        let starting = chunk.iter().map(|n| async move {
            let person = app.person(&format!("person{n}")).await;
            person.go_live(&format!("Stream {n}")).await;
        });
        join_all(starting).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_takes_at_most_two_store_queries_however_many_streams_are_live() {
    let home = Home::new();
    let app = TestApp::start(&home, &Launch::empty()).await;
    let mut live = 0;
    for total in [10, 100, 1_000] {
        go_live(&app, live, total).await;
        live = total;
        let last_page = total.div_ceil(100).max(1);
        for path in [
            String::from("/streams"),
            String::from("/streams?limit=100"),
            format!("/streams?limit=100&page={last_page}"),
            String::from("/streams?limit=100&category=music"),
        ] {
            let mut fewest = u64::MAX;
            for _ in 0..LISTS {
                let before = app.store_queries();
                let list = app.get(&path).send().await.ok(200);
                fewest = fewest.min(app.store_queries() - before);
                assert_eq!(list["total"], total, "{path}");
                let streams = list["streams"].as_array().unwrap();
                let expected = if path == "/streams" {
                    total.min(20)
                } else {
                    total.min(100)
                };
                assert_eq!(streams.len(), expected, "{path}");
                for stream in streams {
                    let name = stream["creator"]["username"].as_str().unwrap();
                    assert!(name.starts_with("person"), "{stream}");
                }
                if fewest <= MOST {
                    break;
                }
            }
            assert!(
                fewest <= MOST,
                "{fewest} queries for {path} with {total} live streams"
            );
        }
    }
    app.stop().await;
}
