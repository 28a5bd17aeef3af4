//! kill -9 under load, again and again on one data directory: whatever was acknowledged is there afterwards.

mod client;
mod room;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::harness::{Api, Home, Launch, Nova, runs_for, topic};
use client::Client;
use room::Room;

const ROUNDS: usize = 20;
const CLIENTS: usize = 6;
/// Where in the load the kill comes, in milliseconds.
const LOAD: std::ops::RangeInclusive<u64> = 300..=700;
/// The same kills at every run; another seed is another test.
const SEED: u64 = 20_251_125;
/// About 25 s on two idle cores; this is for busy ones.
const WHOLE_TEST: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let began = Instant::now();
    let home = Home::new();
    let launch = Launch::empty().talkative();
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut nova = Nova::start(&home, &launch).await;
    let hall = nova.person("host").await.go_live("The hall").await;
    let joining = (0..CLIENTS).map(|n| Client::new(&nova, n, &hall, SEED + n as u64));
    let mut clients = join_all(joining).await;
    for round in 0..ROUNDS {
        let api = nova.api();
        join_all(clients.iter_mut().map(|client| client.prepare(&api, round))).await;
        let load = Duration::from_millis(rng.random_range(LOAD));
        let working = join_all(clients.iter_mut().map(|client| client.work(&api)));
        let killing = async {
            runs_for(load, pending::<()>()).await;
            nova.kill().await;
        };
        tokio::join!(working, killing);
        nova = Nova::start(&home, &launch).await;
        let api = nova.api();
        join_all(clients.iter_mut().map(|client| client.come_back(&api))).await;
        check_hall(&api, &hall, &clients).await;
    }
    let api = nova.api();
    join_all(clients.iter().map(|client| client.check_ended(&api))).await;
    check_list(&api, &hall, &clients).await;
    join_all(clients.iter_mut().map(|client| client.check_feed(&api))).await;
    drop(api);
    nova.stop().await;
    check_topic(&home, &hall, &clients).await;
    check_load(&clients);
    let took = began.elapsed();
    assert!(took < WHOLE_TEST, "took {took:?}");
}

/// The room that everyone talks in, over all rounds.
async fn check_hall(api: &Api, hall: &str, clients: &[Client]) {
    let history = api.chat(hall).await;
    let halls: Vec<&Room> = clients.iter().map(|client| &client.hall).collect();
    room::check(&history, &halls);
}

/// Exactly the streams that were started and not ended are live, at most one of each creator.
async fn check_list(api: &Api, hall: &str, clients: &[Client]) {
    let list = api.get("/streams?limit=100").send().await.ok(200);
    let streams = list["streams"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let listed: BTreeSet<String> = streams.iter().map(|stream| text(&stream["stream_id"])).collect();
    let creators: BTreeSet<String> = streams
        .iter()
        .map(|stream| text(&stream["creator"]["id"]))
        .collect();
    let live = clients.iter().filter_map(|client| client.live.as_ref());
    let expected: BTreeSet<String> = live
        .map(|room| room.stream.clone())
        .chain([hall.to_owned()])
        .collect();
    assert_eq!(listed, expected);
    assert_eq!(
        creators.len(),
        streams.len(),
        "two live streams of one creator: {list}"
    );
    assert_eq!(list["total"], streams.len());
}

/// The log has one `started` for each stream and one `ended` for each ended one, in this order.
async fn check_topic(home: &Home, hall: &str, clients: &[Client]) {
    let mut expected: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    expected.insert(hall.to_owned(), vec!["stream.started"]);
    for client in clients {
        for room in &client.ended {
            expected.insert(room.stream.clone(), vec!["stream.started", "stream.ended"]);
        }
        if let Some(room) = &client.live {
            expected.insert(room.stream.clone(), vec!["stream.started"]);
        }
    }
    let mut seen = BTreeSet::new();
    let mut logged: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for stored in topic(&home.data(), "streams").await {
        let headers = &stored.record.headers;
        // A row that was sent again after a crash is the same event.
        if seen.insert(headers.event_id) {
            let stream = String::from_utf8(stored.record.key.to_vec()).unwrap();
            logged.entry(stream).or_default().push(headers.kind.to_string());
        }
    }
    let logged: BTreeMap<String, Vec<&str>> = logged
        .iter()
        .map(|(stream, kinds)| (stream.clone(), kinds.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(logged, expected);
}

/// A test without load would prove nothing.
fn check_load(clients: &[Client]) {
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for client in clients {
        for (what, count) in &client.acknowledged {
            *done.entry(what).or_default() += count;
        }
    }
    eprintln!("acknowledged: {done:?}");
    for what in ["start", "end", "post", "like", "follow", "chat"] {
        let count = done.get(what).copied().unwrap_or(0);
        assert!(count >= ROUNDS, "{count} of {what} is no load: {done:?}");
    }
    let doubts: usize = clients.iter().map(|client| client.doubts).sum();
    assert!(doubts >= ROUNDS, "only {doubts} requests were hit by a kill");
}
