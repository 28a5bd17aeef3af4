//! The page in real Chromium against the real binary: two people in two browsers.

mod driver;

use std::time::Duration;

use tokio::sync::Mutex;

use crate::harness::{Home, Launch, Nova};
use driver::{Driver, Page, id};

/// From a post's answer to its place in a follower's feed.
const FEED_DEADLINE: Duration = Duration::from_secs(20);

/// One story at a time: each has two browsers, and a small machine should not run six.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

const FEED_LOADED: &str = "!document.querySelector('[data-testid=feed]').hasAttribute('aria-busy')";
const MORE_FEED: &str = "!document.querySelector('[data-testid=feed-next]').hidden";

/// The post is in the feed because its author is followed, has a score, and can be liked.
async fn a_followed_post_is_found_and_liked(viewer: &Page) {
    let post = ".post:has([data-testid=feed-source][data-source=followees])";
    let arrived = format!(
        "[...document.querySelectorAll('{post}')].some((e) => e.textContent.includes('count the washers first'))"
    );
    // The post travels through the log and a consumer before it can be ranked; the reader asks again meanwhile.
    let found = async {
        while viewer.value(&arrived).await != true {
            viewer.click("feed-refresh").await;
            viewer.until(FEED_LOADED).await;
            // Posts that many people like come first: the one that is looked for may be on a later page.
            while viewer.value(&arrived).await != true && viewer.value(MORE_FEED).await == true {
                viewer.click("feed-next").await;
                viewer.until(FEED_LOADED).await;
            }
        }
    };
    tokio::time::timeout(FEED_DEADLINE, found)
        .await
        .expect("the post reaches the feed");
    let score = format!("Number(document.querySelector('{post} [data-testid=feed-score]').dataset.score)");
    assert!(
        viewer
            .value(&score)
            .await
            .as_f64()
            .is_some_and(|score| score > 0.0),
        "a ranked post has a score"
    );
    viewer
        .shows(&format!("{post} {}", id("feed-score")), "score ")
        .await;
    for fact in ["feed-ranker", "feed-rung"] {
        viewer
            .until(&format!(
                "document.querySelector('[data-testid={fact}]').textContent !== ''"
            ))
            .await;
    }
    viewer.click_on(&format!("{post} .like"), "0").await;
    viewer
        .shows(&format!("{post} .like[aria-pressed=true]"), "1")
        .await;
    viewer.click_on(&format!("{post} {}", id("feed-score")), "").await;
    viewer
        .shows(&format!("{post} {}", id("feed-explanation")), "Freshness")
        .await;
}

/// The newest posts are one choice away: a fresh post is the first there, and no score claims to have put it there.
async fn a_fresh_post_leads_the_newest_ones(viewer: &Page) {
    viewer.choose("order-newest").await;
    viewer.shows(&id("feed-words"), "newest posts of everyone").await;
    let first = "document.querySelector('[data-testid=feed-item]')";
    viewer
        .until(&format!(
            "{first}?.textContent.includes('count the washers first')"
        ))
        .await;
    viewer
        .until(&format!(
            "!{first}.querySelector('[data-testid=feed-score]').checkVisibility()"
        ))
        .await;
    viewer.choose("order-ranked").await;
    viewer.shows(&id("feed-words"), "Ranked for you").await;
    viewer.shows(&id("feed-score"), "score ").await;
}

/// What each says is seen by both, once, as text.
async fn two_people_talk(viewer: &Page, streaming: &Page) {
    viewer.say("Is that a 12-string?").await;
    streaming.shows(&id("message-text"), "Is that a 12-string?").await;
    streaming.say("It is <b>now</b>.").await;
    for page in [viewer, streaming] {
        page.shows(&id("message-text"), "It is <b>now</b>.").await;
        page.until("document.querySelectorAll('[data-testid=message]').length === 2")
            .await;
        page.until("!document.querySelector('[data-testid=message-pending]:not([hidden])')")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_started_with_curl_is_found_watched_and_seen_to_end_in_two_browsers() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let home = Home::new();
    let (nova, driver) = (
        Nova::start(&home, &Launch::seeded().quiet()).await,
        Driver::start(),
    );
    let viewer = driver.open(&nova.origin()).await;
    viewer.shows(&id("live-total"), "stream").await;
    viewer.value("window.sameDocument = true").await;

    let streamer = nova.person("harper").await;
    let stream = streamer.go_live("Evening set from the attic").await;
    viewer
        .shows(&id("stream-title"), "Evening set from the attic")
        .await;
    assert_eq!(
        viewer.value("window.sameDocument").await,
        true,
        "it appeared without a reload"
    );
    viewer.picture("list").await;

    viewer.sign_in("robin").await;
    viewer.click_on(&id("stream"), "Evening set from the attic").await;
    viewer
        .shows(&id("room-title"), "Evening set from the attic")
        .await;
    viewer
        .until("document.querySelector('[data-testid=connection]').dataset.state === 'open'")
        .await;
    viewer.shows(&id("room-status"), "Live").await;

    let streaming = driver.open(&nova.origin()).await;
    streaming.sign_in("harper").await;
    streaming
        .click_on(&id("stream"), "Evening set from the attic")
        .await;
    streaming.shows(&id("end-stream"), "End stream").await;
    for page in [&viewer, &streaming] {
        page.shows(&id("room-viewers"), "2 viewers").await;
    }

    two_people_talk(&viewer, &streaming).await;
    viewer.picture("room").await;

    // What was said is still there for someone who comes later.
    viewer.go("#/").await;
    streaming.shows(&id("room-viewers"), "1 viewer").await;
    viewer.click_on(&id("stream"), "Evening set from the attic").await;
    viewer.shows(&id("message-text"), "Is that a 12-string?").await;

    viewer
        .until("document.querySelector('[data-testid=connection]').dataset.state === 'open'")
        .await;
    streamer.end(&stream).await;
    for page in [&viewer, &streaming] {
        page.until("document.querySelector('[data-testid=room-status]').dataset.state === 'ended'")
            .await;
        page.until("!document.querySelector('[data-testid=chat-form]').checkVisibility()")
            .await;
    }
    viewer.go("#/").await;
    viewer.until("![...document.querySelectorAll('[data-testid=stream-title]')].some((e) => e.textContent.includes('attic'))").await;

    viewer.close_without_errors(&[]).await;
    streaming.close_without_errors(&[]).await;
    nova.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamer_goes_live_and_ends_with_the_page_alone_and_a_follower_finds_the_post() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let home = Home::new();
    let (nova, driver) = (
        Nova::start(&home, &Launch::seeded().quiet()).await,
        Driver::start(),
    );
    let streaming = driver.open(&nova.origin()).await;
    streaming.sign_in("sasha").await;
    streaming.click("nav-go-live").await;
    streaming.fill("live-title", "Fixing a bicycle").await;
    streaming.click("live-start").await;
    streaming.shows(&id("owner"), "This is your stream").await;
    streaming.shows(&id("room-status"), "Live").await;

    let viewer = driver.open(&nova.origin()).await;
    viewer.sign_in("noor").await;
    viewer.click_on(&id("stream"), "Fixing a bicycle").await;
    viewer.click("room-follow").await;
    viewer.shows(&id("room-follow"), "Following").await;
    streaming.shows(&id("room-viewers"), "2 viewers").await;

    streaming.click("end-stream").await;
    streaming.click("end-confirm").await;
    for page in [&viewer, &streaming] {
        page.until("document.querySelector('[data-testid=room-status]').dataset.state === 'ended'")
            .await;
    }

    streaming.click("nav-feed").await;
    streaming
        .fill("post-text", "Lesson learned: count the washers first.")
        .await;
    streaming.click("post-send").await;
    streaming.shows(&id("own-posts"), "count the washers first").await;

    viewer.click("nav-feed").await;
    a_followed_post_is_found_and_liked(&viewer).await;
    a_fresh_post_leads_the_newest_ones(&viewer).await;
    viewer.picture("feed").await;

    // Whom one follows is still known after a reload.
    viewer.reload().await;
    viewer
        .shows(
            &format!(".post:has([data-source=followees]) {}", id("follow")),
            "Following",
        )
        .await;

    viewer.close_without_errors(&[]).await;
    streaming.close_without_errors(&[]).await;
    nova.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_input_and_unknown_rooms_are_explained_on_the_page() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let home = Home::new();
    let (nova, driver) = (
        Nova::start(&home, &Launch::seeded().quiet()).await,
        Driver::start(),
    );
    let page = driver.open(&nova.origin()).await;

    page.click("nav-sign-in").await;
    page.fill("username", "No Such Name!").await;
    page.click("sign-in").await;
    page.shows(
        &format!("{} {}", id("sign-in-form"), id("form-problem")),
        "username",
    )
    .await;
    page.until("document.activeElement?.id === 'username'").await;
    page.fill("username", "kim").await;
    page.click("sign-in").await;
    page.shows(&id("me"), "kim").await;

    page.click("nav-go-live").await;
    page.click("live-start").await;
    page.shows(&format!("{} {}", id("live-form"), id("form-problem")), "title")
        .await;

    page.go("#/s/0198aaaa-0000-7000-8000-000000000000").await;
    page.shows(&id("room-title"), "There is no such stream").await;
    page.go("#/nowhere").await;
    page.shows("h1", "Nothing at this address").await;

    nova.person("kim").await.go_live("Already running").await;
    page.click("nav-go-live").await;
    page.fill("live-title", "A second one").await;
    page.click("live-start").await;
    page.click("running-stream").await;
    page.shows(&id("room-title"), "Already running").await;

    // The answers that the test asked for are in the browser's console; nothing else may be.
    page.close_without_errors(&["status of 400", "status of 404", "status of 409"])
        .await;
    nova.stop().await;
}
