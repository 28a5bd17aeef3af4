//! Raw bytes that no honest client sends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A masked client frame.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 11, 13, 17];
    let mut bytes = vec![first];
    match u16::try_from(payload.len()) {
        Ok(short) if short < 126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        Ok(medium) => {
            bytes.push(0x80 | 126);
            bytes.extend(medium.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend(u64::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

pub(super) fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

pub(super) async fn write(socket: &mut DuplexStream, bytes: &[u8]) {
    // The server may have closed already.
    let _ = timeout(PATIENCE, socket.write_all(bytes))
        .await
        .expect("taken in time");
}

pub(super) async fn read_to_end(socket: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut bytes))
        .await
        .expect("closed in time");
    bytes
}

/// The code of the close frame among server frames.
pub(super) fn close_code(mut bytes: &[u8]) -> Option<u16> {
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (
                usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
                rest.get(2..)?,
            ),
            127 => return None,
            short => (usize::from(*short), rest),
        };
        if *first == 0x88 {
            return Some(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        }
        bytes = rest.get(length..)?;
    }
    None
}

/// What the server closes with after a good hello and these bytes.
async fn after_hello(scene: &Scene, bytes: &[u8]) -> Option<u16> {
    let mut socket = scene.socket(Some(scene.stream.id));
    write(&mut socket, &text(r#"{"op":"hello"}"#)).await;
    write(&mut socket, bytes).await;
    close_code(&read_to_end(&mut socket).await)
}

#[tokio::test(start_paused = true)]
async fn frames_that_break_the_standard_are_closed_as_bad() {
    let scene = Scene::open().await;
    let unmasked = [0x81, 2, b'{', b'}'];
    let bad_utf8 = frame(0x81, &[0xff, 0xfe]);
    for (what, bytes) in [
        ("unmasked", unmasked.as_slice()),
        ("reserved opcode", &frame(0x83, b"{}")),
        ("reserved control opcode", &frame(0x8b, b"")),
        ("reserved bit", &frame(0xc1, b"{}")),
        ("invalid UTF-8", &bad_utf8),
        ("continuation of nothing", &frame(0x80, b"{}")),
        ("fragmented ping", &frame(0x09, b"x")),
        ("long ping", &frame(0x89, &[0; 126])),
        ("binary", &frame(0x82, b"{}")),
        ("no JSON", &text("hi")),
        ("no object", &text("[1]")),
        ("deep", &text(&"[".repeat(4_000))),
    ] {
        assert_eq!(after_hello(&scene, bytes).await, Some(4400), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_frame_is_too_large_before_it_has_arrived() {
    let scene = Scene::open().await;
    assert_eq!(
        after_hello(&scene, &frame(0x81, &[b' '; 4_097])).await,
        Some(4413)
    );
    // Announces 2^62 bytes and sends none.
    let announced = [0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(after_hello(&scene, &announced).await, Some(4413));
    let mut fragments = frame(0x01, &[b' '; 3_000]);
    fragments.extend(frame(0x80, &[b' '; 3_000]));
    assert_eq!(after_hello(&scene, &fragments).await, Some(4413));
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_the_longest_length_and_fragments_within_it_are_understood() {
    let scene = Scene::open().await;
    let mut client = scene.join(None).await;
    let padding = " ".repeat(4_096 - r#"{"op":"x","id":5}"#.len());
    client
        .send_raw(Message::text(format!(r#"{{"op":"x","id":5{padding}}}"#)))
        .await;
    assert_eq!(client.next("err").await["re"], 5);

    let mut socket = scene.socket(Some(scene.stream.id));
    let mut bytes = frame(0x01, br#"{"op":"#);
    bytes.extend(frame(0x89, b"in between"));
    bytes.extend(frame(0x80, br#""hello"}"#));
    write(&mut socket, &bytes).await;
    let mut seen = Vec::new();
    timeout(PATIENCE, async {
        while !seen.windows(9).any(|w| w == b"\"welcome\"") {
            seen.push(socket.read_u8().await.unwrap());
        }
    })
    .await
    .expect("welcomed");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_is_closed_and_hurts_nobody_else() {
    let scene = Scene::open().await;
    let mut ana = scene.join(Some("ana")).await;
    let pings: Vec<u8> = (0..2_000).flat_map(|_| frame(0x89, &[1; 100])).collect();
    let flood = async {
        let socket = scene.socket(Some(scene.stream.id));
        let (mut from, mut to) = tokio::io::split(socket);
        let hello = text(r#"{"op":"hello"}"#);
        let writing = async {
            let _ = to.write_all(&hello).await;
            let _ = to.write_all(&pings).await;
        };
        let mut seen = Vec::new();
        let reading = async {
            let _ = from.read_to_end(&mut seen).await;
        };
        let _ = timeout(PATIENCE, async { tokio::join!(writing, reading) })
            .await
            .expect("closed");
        close_code(&seen)
    };
    assert_eq!(flood.await, Some(4429));
    ana.chat(1, "unharmed").await;
    ana.next("ok").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_in_the_middle_of_a_frame_leaves_the_room() {
    let scene = Scene::open().await;
    let mut stays = scene.join(None).await;
    let mut socket = scene.socket(Some(scene.stream.id));
    write(&mut socket, &text(r#"{"op":"hello"}"#)).await;
    write(&mut socket, &[0x81, 0xfe]).await;
    while stays.next("state").await["viewers"] != 2 {}
    drop(socket);
    while stays.next("state").await["viewers"] != 1 {}
}

#[tokio::test(start_paused = true)]
async fn one_byte_at_a_time_does_not_put_off_the_hello_deadline() {
    let scene = Scene::open().await;
    let mut socket = scene.socket(Some(scene.stream.id));
    let slow = text(r#"{"op":"hello","id":1}"#);
    for byte in &slow[..10] {
        write(&mut socket, &[*byte]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(close_code(&read_to_end(&mut socket).await), Some(4508));
}
