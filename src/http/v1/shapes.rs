//! Shapes that several answers share. Times are RFC 3339 with milliseconds, ids are UUIDs.

use nova_actors::domain::{PostView, Profile, UNKNOWN_USERNAME, User, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use nova_actors::streams::StreamView;

/// A person, as shown beside what they made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserRef)]
pub(super) struct UserRefBody {
    id: Uuid,
    /// `unknown` when the directory of users does not know the id.
    username: String,
    #[schema(required)]
    avatar_url: Option<String>,
}

impl UserRefBody {
    fn new(id: UserId, user: Option<User>) -> Self {
        let (username, avatar_url) = user.map_or_else(
            || (UNKNOWN_USERNAME.to_owned(), None),
            |user| (user.username, user.avatar_url),
        );
        Self {
            id: id.uuid(),
            username,
            avatar_url,
        }
    }
}

/// Where a live stream is in its life.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StreamStatus {
    /// Running.
    Live,
    /// Over.
    Ended,
}

/// A live stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub(super) struct StreamBody {
    stream_id: Uuid,
    creator: UserRefBody,
    title: String,
    description: String,
    category: String,
    #[schema(required)]
    thumbnail_url: Option<String>,
    status: StreamStatus,
    /// Connected now.
    current_viewers: u64,
    /// Most at one time.
    peak_viewers: u64,
    /// Different people, within 2 %.
    unique_viewers: u64,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// `ended` by its owner, or `abandoned`.
    #[schema(required)]
    ended_reason: Option<&'static str>,
    /// Names the broadcast's sequence of events.
    epoch: String,
    /// Path of the room's WebSocket, relative to the server.
    ws_url: String,
}

impl From<StreamView> for StreamBody {
    fn from(view: StreamView) -> Self {
        let stream = view.stream;
        Self {
            stream_id: stream.id.uuid(),
            creator: UserRefBody::new(stream.creator_id, view.creator),
            status: if stream.is_live() {
                StreamStatus::Live
            } else {
                StreamStatus::Ended
            },
            title: stream.title,
            description: stream.description,
            category: stream.category,
            thumbnail_url: stream.thumbnail_url,
            current_viewers: view.viewers,
            peak_viewers: stream.peak_viewers,
            unique_viewers: stream.unique_viewers,
            started_at: stream.started_at.to_string(),
            ended_at: stream.ended_at.map(|at| at.to_string()),
            ended_reason: stream.ended_reason.map(|reason| reason.as_str()),
            epoch: stream.epoch,
            ws_url: format!("/ws/v1/streams/{}", stream.id),
        }
    }
}

/// A running live stream in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StreamSummary)]
pub(super) struct StreamSummaryBody {
    stream_id: Uuid,
    creator: UserRefBody,
    title: String,
    #[schema(required)]
    thumbnail_url: Option<String>,
    /// Connected now.
    current_viewers: u64,
    category: String,
    #[schema(format = DateTime)]
    started_at: String,
}

impl From<StreamView> for StreamSummaryBody {
    fn from(view: StreamView) -> Self {
        let stream = view.stream;
        Self {
            stream_id: stream.id.uuid(),
            creator: UserRefBody::new(stream.creator_id, view.creator),
            title: stream.title,
            thumbnail_url: stream.thumbnail_url,
            current_viewers: view.viewers,
            category: stream.category,
            started_at: stream.started_at.to_string(),
        }
    }
}

/// A person's profile.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserBody {
    id: Uuid,
    username: String,
    display_name: String,
    #[schema(required)]
    avatar_url: Option<String>,
    bio: String,
    /// How many follow this person.
    followers: u64,
    /// How many this person follows.
    following: u64,
    /// The running live stream.
    #[schema(required)]
    live_stream_id: Option<Uuid>,
}

impl From<Profile> for UserBody {
    fn from(profile: Profile) -> Self {
        let user = profile.user;
        Self {
            id: user.id.uuid(),
            username: user.username,
            display_name: user.display_name,
            avatar_url: user.avatar_url,
            bio: user.bio,
            followers: profile.followers,
            following: profile.following,
            live_stream_id: profile.live_stream_id.map(|id| id.uuid()),
        }
    }
}

/// A post.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Post)]
pub(super) struct PostBody {
    post_id: Uuid,
    author: UserRefBody,
    text: String,
    #[schema(required)]
    media_url: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    likes: u64,
    comments: u64,
    shares: u64,
    /// Whether the caller likes it.
    liked: bool,
}

impl From<PostView> for PostBody {
    fn from(view: PostView) -> Self {
        let post = view.post;
        Self {
            post_id: post.id.uuid(),
            author: UserRefBody::new(post.author_id, view.author),
            text: post.text,
            media_url: post.media_url,
            created_at: post.created_at.to_string(),
            likes: post.likes,
            comments: post.comments,
            // Sharing is an event, and no events are taken in yet: nothing has been shared.
            shares: 0,
            liked: view.liked,
        }
    }
}

#[cfg(test)]
mod tests {
    use nova_actors::domain::{EndedReason, LiveStream, StreamId, Timestamp};

    use super::*;

    #[test]
    fn a_stream_has_every_field_of_the_contract_even_when_its_creator_is_unknown() {
        let id = StreamId::new();
        let creator = UserId::new();
        let view = StreamView {
            stream: LiveStream {
                id,
                creator_id: creator,
                title: "t".into(),
                description: String::new(),
                category: "music".into(),
                thumbnail_url: None,
                started_at: Timestamp::from_millis(0),
                ended_at: Some(Timestamp::from_millis(1)),
                ended_reason: Some(EndedReason::Abandoned),
                epoch: "e".into(),
                viewers: 3,
                peak_viewers: 5,
                unique_viewers: 4,
                owner_seen_at: Timestamp::from_millis(0),
            },
            creator: None,
            viewers: 2,
        };
        let body = serde_json::to_value(StreamBody::from(view)).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "stream_id": id.to_string(),
                "creator": {"id": creator.to_string(), "username": "unknown", "avatar_url": null},
                "title": "t", "description": "", "category": "music", "thumbnail_url": null,
                "status": "ended", "current_viewers": 2, "peak_viewers": 5, "unique_viewers": 4,
                "started_at": "1970-01-01T00:00:00.000Z", "ended_at": "1970-01-01T00:00:00.001Z",
                "ended_reason": "abandoned", "epoch": "e",
                "ws_url": format!("/ws/v1/streams/{id}"),
            })
        );
    }
}
