//! What a client finds after a crash, against what was acknowledged to it before.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::client::{Client, Op};
use super::room;
use crate::harness::{Api, eventually};

const VISIBLE: Duration = Duration::from_secs(5);

impl Client {
    /// After a restart: everything acknowledged is there, and what was in doubt can be repeated without harm.
    pub(super) async fn come_back(&mut self, api: &Api) {
        let doubt = self.doubt.take();
        self.check(api, doubt.as_ref()).await;
        if let Some(op) = &doubt {
            self.perform(api, op).await.expect("the program is up");
        }
        self.check(api, None).await;
        self.hall
            .connect(api, &self.fan)
            .await
            .expect("a seat in the hall");
        self.hall.catch_up().await;
        if let Some(live) = &mut self.live {
            live.connect(api, &self.fan).await.expect("a seat in the room");
            live.catch_up().await;
            room::check(&api.chat(&live.stream).await, &[live]);
        }
    }

    async fn check(&self, api: &Api, doubt: Option<&Op>) {
        self.check_streams(api, doubt).await;
        self.check_posts(api, doubt).await;
        let profile = api
            .get(&format!("/users/{}", self.author.id))
            .send()
            .await
            .ok(200);
        if !matches!(doubt, Some(Op::Follow { .. })) {
            assert_eq!(profile["followers"], u64::from(self.followed), "{profile}");
        }
    }

    async fn check_streams(&self, api: &Api, doubt: Option<&Op>) {
        let path = format!("/users/{}", self.streamer.id);
        let running = api.get(&path).send().await.ok(200)["live_stream_id"].clone();
        let live = self.live.as_ref().map(|room| room.stream.as_str());
        match doubt {
            Some(Op::Start { .. }) => {}
            Some(Op::End) => assert!(
                running.is_null() || running.as_str() == live,
                "{running} {live:?}"
            ),
            _ => assert_eq!(running.as_str(), live, "{doubt:?}"),
        }
        if let Some(id) = live {
            let stream = api.get(&format!("/streams/{id}")).send().await.ok(200);
            let still = stream["status"] == "live" || matches!(doubt, Some(Op::End));
            assert!(still, "nobody ended it: {stream}");
        }
        if let Some(room) = self.ended.last() {
            let stream = api.get(&format!("/streams/{}", room.stream)).send().await.ok(200);
            assert_eq!(stream["status"], "ended", "its end was acknowledged: {stream}");
        }
    }

    async fn check_posts(&self, api: &Api, doubt: Option<&Op>) {
        for (n, post) in self.posts.iter().enumerate() {
            let kept = self
                .fan
                .at(api)
                .get(&format!("/posts/{}", post.id))
                .send()
                .await
                .ok(200);
            assert_eq!(kept["text"], post.text.as_str());
            if !matches!(doubt, Some(Op::Like { post, .. }) if *post == n) {
                assert_eq!(kept["liked"], post.liked, "{kept}");
                assert_eq!(kept["likes"], u64::from(post.liked), "{kept}");
            }
        }
        let path = format!("/users/{}/posts", self.author.id);
        let listed = api.get(&path).send().await.ok(200);
        let listed = listed["items"].as_array().unwrap();
        let extra = usize::from(matches!(doubt, Some(Op::Post { .. })));
        let expected = self.posts.len()..=self.posts.len() + extra;
        assert!(
            expected.contains(&listed.len()),
            "{expected:?} posts, but {listed:?}"
        );
    }

    /// Streams of all rounds that were ended are, and their chat is still there.
    pub(super) async fn check_ended(&self, api: &Api) {
        for room in &self.ended {
            let stream = api.get(&format!("/streams/{}", room.stream)).send().await.ok(200);
            assert_eq!(
                (stream["status"].as_str(), stream["ended_reason"].as_str()),
                (Some("ended"), Some("ended"))
            );
            room::check(&api.chat(&room.stream).await, &[room]);
        }
    }

    /// Every acknowledged post of every round is in the feed of someone who follows all its authors.
    pub(super) async fn check_feed(&mut self, api: &Api) {
        let fan = self.fan.at(api);
        join_all(self.earlier.iter().map(|(author, _)| fan.follow(author))).await;
        fan.follow(&self.author).await;
        let earlier = self.earlier.iter().flat_map(|(_, posts)| posts);
        let expected: BTreeSet<&str> = earlier.chain(&self.posts).map(|post| post.id.as_str()).collect();
        eventually("every post is in the follower's feed", VISIBLE, async || {
            let mut shown = BTreeSet::new();
            let mut query = String::from("?limit=100");
            loop {
                let page = fan.feed(&query).await;
                let items = page["items"].as_array().unwrap();
                shown.extend(
                    items
                        .iter()
                        .map(|item| item["post_id"].as_str().unwrap().to_owned()),
                );
                match page["next_cursor"].as_str() {
                    Some(cursor) => query = format!("?limit=100&cursor={cursor}"),
                    None => break,
                }
            }
            let missing = expected.iter().filter(|id| !shown.contains(**id)).count();
            if missing == 0 {
                Ok(())
            } else {
                Err(format!("{missing} of {} are missing", expected.len()))
            }
        })
        .await;
        let page: Value = fan.feed("?limit=1").await;
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
    }
}
