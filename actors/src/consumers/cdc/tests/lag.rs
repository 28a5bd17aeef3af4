//! How far the consumer is behind, as it says itself.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_log_that_hangs_is_asked_for_the_lag_once_at_a_time() {
    let world = world().await;
    until("claimed", || world.sink.claims.load(Ordering::Relaxed) == 5).await;
    world.log.hangs.store(true, Ordering::Relaxed);
    for _ in 0..20 {
        sleep(Duration::from_secs(3_600)).await;
        assert!(
            world.log.hanging.load(Ordering::Relaxed) <= 1,
            "questions pile up"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_lag_grows_while_the_sink_is_away() {
    let world = world().await;
    world.sink.down.store(true, Ordering::Relaxed);
    world.log.append(post(UserId::new(), 1));
    sleep(Duration::from_secs(2 * 3_600 + 60)).await;
    let cdc = world.root.tree().describe().await[0].children[0].snapshot.clone();
    assert_eq!(cdc["lag_records"], 1);
    assert!(cdc["lag_s"].as_u64() >= Some(7_200), "{cdc}");
}
