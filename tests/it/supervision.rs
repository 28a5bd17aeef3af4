//! Every kind of actor is killed under load: everything works again soon, and the people who are connected
//! notice at most that they had to come back.

mod load;
mod tree;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, Home, Launch, Nova, Person, Viewer, eventually};
use load::Load;
use tree::Tree;

/// From a kill until everything works as before.
const BACK: Duration = Duration::from_secs(5);
const SUPERVISORS: [&str; 7] = [
    "jobs",
    "consumers",
    "social",
    "feed",
    "publisher",
    "loaders",
    "streams",
];

/// What the test looks at from outside while actors are killed.
struct World {
    api: Api,
    reader: Person,
    streams: [String; 2],
    load: Load,
    probes: usize,
}

impl World {
    async fn start(api: &Api) -> Self {
        let (ana, ben) = tokio::join!(api.person("ana"), api.person("ben"));
        let streams = [ana.go_live("Here").await, ben.go_live("There").await];
        let reader = api.person("reader").await;
        let load = Load::start(api, &streams).await;
        Self {
            api: api.clone(),
            reader,
            streams,
            load,
            probes: 0,
        }
    }

    /// Kills one actor. Everything must be back in time, the restart counted.
    async fn kill(&mut self, name: &str) {
        let before = Tree::read(&self.api).await;
        let kind = before.kind(name);
        let counted = self.restarts_of(&kind).await;
        let restart = format!("/internal/actors/restart?name={name}");
        self.api.inside(Method::POST, &restart).send().await.ok(204);
        let said = self.load.said();
        self.probes += 1;
        let probe = self.probes;
        eventually(&format!("back after {name} was killed"), BACK, async || {
            self.works(probe).await?;
            let now = self.load.said();
            if now.iter().zip(&said).all(|(now, then)| *now > then + 2) {
                return Ok(());
            }
            Err(format!("the talk does not go on: {said:?}, then {now:?}"))
        })
        .await;
        let after = Tree::read(&self.api).await;
        assert_eq!(after.restarts(name), before.restarts(name) + 1, "of {name}");
        let counted_after = self.restarts_of(&kind).await;
        assert!(
            counted_after >= counted + 1.0,
            "{kind}: {counted}, then {counted_after}"
        );
    }

    async fn restarts_of(&self, kind: &str) -> f64 {
        let samples = self.api.metrics().await;
        samples.sum("nova_actor_restarts_total", &[("kind", kind)])
    }

    /// Each kind of thing that people do, once. Repeating it does no harm.
    async fn works(&self, probe: usize) -> Result<(), String> {
        let name = format!("probe{probe}");
        let body = json!({ "username": name });
        let token = answer(self.api.call(Method::POST, "/dev/token").json(&body), 200).await?;
        let author = self.api.signed_in(&token);
        let follow = format!("/users/{}/follow", author.id);
        answer(self.reader.put(&follow), 204).await?;
        let body = json!({ "text": name });
        let post = answer(author.post("/posts").idempotency("probe").json(&body), 201).await?;
        let post = post["post_id"].as_str().unwrap();
        answer(self.reader.put(&format!("/posts/{post}/like")), 204).await?;
        self.reads_work().await?;
        let feed = answer(self.reader.get("/feed?limit=100"), 200).await?;
        let ranked = feed["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|item| item["post_id"] == post);
        let fresh = feed["rung"] == "fresh";
        if ranked && fresh {
            Ok(())
        } else {
            Err(format!("ranked {ranked}, {} {}", feed["rung"], feed["degraded"]))
        }
    }

    async fn reads_work(&self) -> Result<(), String> {
        let list = answer(self.api.get("/streams"), 200).await?;
        for stream in list["streams"].as_array().unwrap() {
            if stream["creator"]["username"] == "unknown" {
                return Err(list.to_string());
            }
        }
        for stream in &self.streams {
            answer(self.api.get(&format!("/streams/{stream}/chat?limit=1")), 200).await?;
            let mut viewer = Viewer::try_connect(&self.api, stream)
                .await
                .map_err(|e| e.to_string())?;
            let heard = viewer.try_hello(Some(&self.reader.token), None).await;
            if !matches!(heard, crate::harness::Heard::Frame(_)) {
                return Err(format!("{heard:?}"));
            }
        }
        Ok(())
    }

    /// Ends the load, and compares what everyone heard with what was acknowledged.
    async fn finish(self) {
        let done = self.load.finish().await;
        for (stream, room) in self.streams.iter().zip(&done.rooms) {
            let history = self.api.chat(stream).await;
            let kept: BTreeMap<u64, (&Value, &Value)> = history
                .iter()
                .map(|m| (m["seq"].as_u64().unwrap(), (&m["m"], &m["x"])))
                .collect();
            assert_eq!(kept.len(), history.len());
            assert_eq!(
                kept.len(),
                room.said.len(),
                "every text is said once, however often it was sent"
            );
            for said in &room.said {
                assert_eq!(kept.get(&said.seq), Some(&(&said.m, &said.text)));
            }
            for watched in &room.watched {
                let heard = watched
                    .events
                    .iter()
                    .map(|e| (e.seq, (&e.body["m"], &e.body["x"])));
                let heard: BTreeMap<_, _> = heard.collect();
                assert_eq!(heard.len(), watched.events.len(), "heard twice");
                let since = kept
                    .range(watched.joined_at + 1..)
                    .map(|(seq, kept)| (*seq, *kept));
                assert_eq!(heard, since.collect::<BTreeMap<_, _>>());
            }
            eprintln!(
                "{} messages, {:?}",
                room.said.len(),
                room.watched.iter().map(|w| &w.closed).collect::<Vec<_>>()
            );
        }
        let texts = |post: &Value| post["text"].as_str().unwrap().to_owned();
        let mut listed = Vec::new();
        let mut query = String::from("?limit=100");
        loop {
            let path = format!("/users/{}/posts{query}", done.author);
            let page = self.api.get(&path).send().await.ok(200);
            listed.extend(page["items"].as_array().unwrap().iter().map(texts));
            match page["next_cursor"].as_str() {
                Some(cursor) => query = format!("?limit=100&cursor={cursor}"),
                None => break,
            }
        }
        listed.reverse();
        assert_eq!(listed, done.posted, "every post is there once, in order");
    }
}

/// The body of the expected answer. A refusal that says "later" is no answer yet; anything else is a failure.
async fn answer(call: crate::harness::Call, status: u16) -> Result<Value, String> {
    let answer = call.send().await;
    if answer.status == status {
        return Ok(answer.ok(status));
    }
    assert!(load::says_later(&answer), "{answer:?}");
    Err(format!("{answer:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_actor_comes_back_and_nobody_loses_anything() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty().talkative()).await;
    let mut world = World::start(&nova).await;
    let [here, _] = world.streams.clone();
    let tree = Tree::read(&nova).await;
    let mut names = tree.leaves();
    names.extend(["directory".to_owned(), format!("stream/{here}")]);
    for kind in [
        "loader",
        "relay",
        "ranker",
        "invalidator",
        "social",
        "stream",
        "shard",
        "consumer",
        "job",
    ] {
        assert!(
            names.iter().any(|name| tree.kind(name) == kind),
            "{kind} in {names:?}"
        );
    }
    names.extend(SUPERVISORS.map(String::from));
    for name in names {
        world.kill(&name).await;
    }
    world.finish().await;
    assert!(!home.logged().contains("panicked"));
    nova.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_is_killed_again_and_again_loses_nothing() {
    let home = Home::new();
    let nova = Nova::start(&home, &Launch::empty().talkative()).await;
    let mut world = World::start(&nova).await;
    let names: Vec<String> = world
        .streams
        .iter()
        .flat_map(|id| [format!("stream/{id}"), format!("shard/{id}/0")])
        .collect();
    for _ in 0..3 {
        for name in &names {
            world.kill(name).await;
        }
    }
    // Two at once, while the first is still coming back.
    let restarts = names.iter().map(|name| {
        let path = format!("/internal/actors/restart?name={name}");
        nova.inside(Method::POST, &path).send()
    });
    for answer in join_all(restarts).await {
        assert!([204, 404].contains(&answer.status), "{answer:?}");
    }
    world.kill("directory").await;
    world.finish().await;
}
