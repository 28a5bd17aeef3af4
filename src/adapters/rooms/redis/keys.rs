//! Names of a room's keys. The braces keep all keys of one room on one node of a cluster.

use nova_actors::domain::StreamId;
use nova_actors::domain::room::RoomId;

/// The keys of a room's sequence, in the order in which the scripts take them.
pub(super) fn sequence(room: RoomId) -> Vec<String> {
    vec![
        state(room),
        log(room),
        format!("room:{{{room}}}:keys"),
        format!("room:{{{room}}}:key_times"),
    ]
}

/// Epoch, newest number and time, end.
pub(super) fn state(room: RoomId) -> String {
    format!("room:{{{room}}}:state")
}

/// The history.
pub(super) fn log(room: RoomId) -> String {
    format!("room:{{{room}}}:log")
}

/// Counts per node.
pub(super) fn viewers(room: RoomId) -> String {
    format!("room:{{{room}}}:viewers")
}

/// The channel of a room's events.
pub(super) fn channel(room: RoomId) -> String {
    format!("room:{{{room}}}:events")
}

/// The room of a channel.
pub(super) fn room_of(channel: &str) -> Option<RoomId> {
    let id = channel.strip_prefix("room:{")?.strip_suffix("}:events")?;
    id.parse::<StreamId>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_names_its_room() {
        let room = RoomId::new();
        assert_eq!(room_of(&channel(room)), Some(room));
        assert_eq!(room_of("room:{x}:events"), None);
        assert_eq!(room_of(&state(room)), None);
    }

    #[test]
    fn all_keys_of_a_room_share_a_hash_tag() {
        let room = RoomId::new();
        let tag = format!("room:{{{room}}}:");
        let mut keys = sequence(room);
        keys.extend([viewers(room), channel(room)]);
        assert!(keys.iter().all(|key| key.starts_with(&tag)), "{keys:?}");
    }
}
