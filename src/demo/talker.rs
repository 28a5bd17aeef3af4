//! Speaks the demo conversation in the demo rooms.
//!
//! - **Owns**: the conversation's next line.
//! - **Accepts**: nothing; it paces itself.
//! - **Bound**: one line at a time.
//! - **Fails when**: never by itself; a room that has ended is left, any other refusal costs one line.
//! - **Restart**: permanent, from the beginning of the conversation.

use std::fmt;

use nova_actors::domain::User;
use nova_actors::runtime::{Actor, Address, ChildSpec, Ctx, GroupSpec};
use nova_actors::streams::{ChatRequest, StreamsHandle};
use nova_actors::{Kind, Result};
use serde_json::{Value, json};

use super::chat::{DemoChat, DemoLine};

/// See the module.
#[derive(Debug)]
pub struct Talker {
    args: TalkerArgs,
    said: u64,
}

/// What the talker starts with.
#[derive(Clone)]
pub struct TalkerArgs {
    streams: StreamsHandle,
    chat: DemoChat,
}

impl fmt::Debug for TalkerArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TalkerArgs")
    }
}

/// The talker's mailbox: only its own timer and task write to it.
#[derive(Debug)]
pub struct Msg(MsgKind);

#[derive(Debug)]
enum MsgKind {
    Say(DemoLine),
    Said(DemoLine, Result<()>),
}

impl Talker {
    /// Adds a talker to a group.
    #[must_use]
    pub fn supervise(group: GroupSpec, streams: StreamsHandle, chat: DemoChat) -> GroupSpec {
        let address = Address::vacant(Self::KIND, "demo", 16);
        group.child::<Self>(
            &address,
            ChildSpec::permanent("demo"),
            TalkerArgs { streams, chat },
        )
    }

    fn next_line(&mut self, ctx: &mut Ctx<Self>) {
        if let Some(line) = self.args.chat.next() {
            ctx.after(line.pause, Msg(MsgKind::Say(line)));
        }
    }
}

impl Actor for Talker {
    type Msg = Msg;
    type Args = TalkerArgs;

    const KIND: &'static str = "demo";

    fn init(args: TalkerArgs, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self { args, said: 0 })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        self.next_line(ctx);
        Ok(())
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Say(line) => {
                let streams = self.args.streams.clone();
                let work = async move {
                    let chat = ChatRequest {
                        viewer: line.viewer(),
                        key: None,
                        text: line.text.to_owned(),
                    };
                    let said = streams.say(line.stream, chat).await.map(drop);
                    (line, said)
                };
                ctx.run(work, |(line, said)| Msg(MsgKind::Said(line, said)));
            }
            MsgKind::Said(line, outcome) => {
                match outcome {
                    Ok(()) => self.said += 1,
                    Err(error) if matches!(error.kind(), Kind::StreamEnded | Kind::NotFound) => {
                        self.args.chat.leave(line.stream);
                    }
                    Err(error) => tracing::debug!(%error, "a demo line was not taken"),
                }
                self.next_line(ctx);
            }
        }
        Ok(())
    }

    fn snapshot(&self) -> Value {
        json!({ "said": self.said })
    }
}

impl DemoLine {
    fn viewer(&self) -> User {
        User {
            id: self.speaker.id,
            username: self.speaker.username.clone(),
            display_name: self.speaker.username.clone(),
            avatar_url: None,
            bio: String::new(),
            created_at: Default::default(),
        }
    }
}
