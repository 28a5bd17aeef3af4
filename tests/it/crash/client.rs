//! One client of the load. It does one thing at a time, so that a crash leaves at most one in doubt, and it
//! writes down what was acknowledged.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::room::{Lost, Room};
use crate::harness::{Api, Call, Person};

/// As many posts of one author as certainly fit into a follower's feed.
const POSTS: usize = 5;

/// What a client can do. Each carries what makes a repetition of it harmless.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Start {
        key: String,
        title: String,
    },
    End,
    Post {
        key: String,
        text: String,
    },
    Like {
        post: usize,
        liked: bool,
    },
    Follow {
        following: bool,
    },
    Chat {
        key: String,
        text: String,
        in_hall: bool,
    },
}

/// A post of the current round's author.
pub(super) struct Post {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) liked: bool,
}

pub(super) struct Client {
    name: String,
    rng: StdRng,
    serial: u32,
    pub(super) streamer: Person,
    pub(super) fan: Person,
    /// Writes the posts of this round.
    pub(super) author: Person,
    pub(super) followed: bool,
    pub(super) posts: Vec<Post>,
    /// Authors and posts of earlier rounds.
    pub(super) earlier: Vec<(Person, Vec<Post>)>,
    pub(super) hall: Room,
    pub(super) live: Option<Room>,
    pub(super) ended: Vec<Room>,
    /// What was under way when the program was killed.
    pub(super) doubt: Option<Op>,
    pub(super) doubts: usize,
    pub(super) acknowledged: BTreeMap<&'static str, usize>,
}

impl Client {
    pub(super) async fn new(api: &Api, number: usize, hall: &str, seed: u64) -> Self {
        let name = format!("client{number}");
        Self {
            rng: StdRng::seed_from_u64(seed),
            serial: 0,
            streamer: api.person(&format!("{name}_live")).await,
            fan: api.person(&format!("{name}_fan")).await,
            author: api.person(&format!("{name}_author")).await,
            followed: false,
            posts: Vec::new(),
            earlier: Vec::new(),
            hall: Room::new(hall.to_owned()),
            live: None,
            ended: Vec::new(),
            doubt: None,
            doubts: 0,
            acknowledged: BTreeMap::new(),
            name,
        }
    }

    /// Before the load of a round: a new author, and a seat in the rooms.
    pub(super) async fn prepare(&mut self, api: &Api, round: usize) {
        let author = api.person(&format!("{}_{round}", self.name)).await;
        let author = std::mem::replace(&mut self.author, author);
        self.earlier.push((author, std::mem::take(&mut self.posts)));
        self.followed = false;
        self.hall
            .connect(api, &self.fan)
            .await
            .expect("a seat in the hall");
    }

    /// Works until the program is gone.
    pub(super) async fn work(&mut self, api: &Api) {
        loop {
            let op = self.choose();
            if self.perform(api, &op).await.is_err() {
                self.doubt = Some(op);
                self.doubts += 1;
                break;
            }
        }
        self.hall.disconnect();
        if let Some(live) = &mut self.live {
            live.disconnect();
        }
    }

    fn choose(&mut self) -> Op {
        self.serial += 1;
        let unique = format!("{}-{}", self.name, self.serial);
        if self.live.is_none() && self.rng.random_bool(0.4) {
            return Op::Start {
                key: unique.clone(),
                title: unique,
            };
        }
        match self.rng.random_range(0..10) {
            0 if self.live.is_some() => Op::End,
            1 | 2 if self.posts.len() < POSTS => Op::Post {
                key: unique.clone(),
                text: unique,
            },
            3 | 4 if !self.posts.is_empty() => {
                let post = self.rng.random_range(0..self.posts.len());
                let liked = !self.posts[post].liked;
                Op::Like { post, liked }
            }
            5 => Op::Follow {
                following: !self.followed,
            },
            _ => Op::Chat {
                key: unique.clone(),
                text: unique,
                in_hall: self.live.is_none() || self.rng.random_bool(0.5),
            },
        }
    }

    /// Does one thing and notes that it was acknowledged.
    pub(super) async fn perform(&mut self, api: &Api, op: &Op) -> Result<(), Lost> {
        let what = match op {
            Op::Start { .. } => "start",
            Op::End => "end",
            Op::Post { .. } => "post",
            Op::Like { .. } => "like",
            Op::Follow { .. } => "follow",
            Op::Chat { .. } => "chat",
        };
        match op {
            Op::Start { key, title } => self.start(api, key, title).await?,
            Op::End => self.end(api).await?,
            Op::Post { key, text } => self.post(api, key, text).await?,
            Op::Like { post, liked } => self.like(api, *post, *liked).await?,
            Op::Follow { following } => self.follow(api, *following).await?,
            Op::Chat { key, text, in_hall } => {
                let room = if *in_hall {
                    Some(&mut self.hall)
                } else {
                    self.live.as_mut()
                };
                room.expect("a room to talk in")
                    .say(api, &self.fan, key, text)
                    .await?;
            }
        }
        *self.acknowledged.entry(what).or_default() += 1;
        Ok(())
    }

    async fn start(&mut self, api: &Api, key: &str, title: &str) -> Result<(), Lost> {
        let body = json!({ "title": title, "category": "talk" });
        let call = self
            .streamer
            .at(api)
            .post("/streams")
            .idempotency(key)
            .json(&body);
        let stream = answered(call, 201).await?;
        let id = stream["stream_id"].as_str().unwrap();
        self.live = Some(Room::new(id.to_owned()));
        Ok(())
    }

    async fn end(&mut self, api: &Api) -> Result<(), Lost> {
        let stream = self.live.as_ref().expect("a live stream").stream.clone();
        let call = self.streamer.at(api).post(&format!("/streams/{stream}/end"));
        answered(call, 200).await?;
        let mut room = self.live.take().expect("a live stream");
        room.disconnect();
        self.ended.push(room);
        Ok(())
    }

    async fn post(&mut self, api: &Api, key: &str, text: &str) -> Result<(), Lost> {
        let body = json!({ "text": text });
        let call = self.author.at(api).post("/posts").idempotency(key).json(&body);
        let post = answered(call, 201).await?;
        self.posts.push(Post {
            id: post["post_id"].as_str().unwrap().to_owned(),
            text: text.to_owned(),
            liked: false,
        });
        Ok(())
    }

    async fn like(&mut self, api: &Api, post: usize, liked: bool) -> Result<(), Lost> {
        let fan = self.fan.at(api);
        let path = format!("/posts/{}/like", self.posts[post].id);
        let call = if liked { fan.put(&path) } else { fan.delete(&path) };
        answered(call, 204).await?;
        self.posts[post].liked = liked;
        Ok(())
    }

    async fn follow(&mut self, api: &Api, following: bool) -> Result<(), Lost> {
        let fan = self.fan.at(api);
        let path = format!("/users/{}/follow", self.author.id);
        let call = if following {
            fan.put(&path)
        } else {
            fan.delete(&path)
        };
        answered(call, 204).await?;
        self.followed = following;
        Ok(())
    }
}

/// The answer that was expected, or none because the program is gone.
async fn answered(call: Call, status: u16) -> Result<serde_json::Value, Lost> {
    let answer = call.try_send().await.map_err(|_| Lost)?;
    Ok(answer.ok(status))
}
