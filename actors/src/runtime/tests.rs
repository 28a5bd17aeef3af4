//! The runtime's promises, each under a paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::tree::Life;
use super::*;
use crate::error::{Error, Result};

const DEADLINE: Duration = Duration::from_secs(5);

/// Everything that a test actor can be told.
enum Msg {
    Add(u32),
    Get(Reply<u32>),
    Fail,
    Panic,
    TaskPanics,
    Hang(Arc<Notify>),
    Stop,
    Tick,
}

#[derive(Clone, Default)]
struct Args {
    name: &'static str,
    log: Arc<Mutex<Vec<String>>>,
    starts: Arc<AtomicUsize>,
    tick: Option<Duration>,
}

impl Args {
    fn note(&self, what: &str) {
        self.log.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

struct Counter {
    args: Args,
    sum: u32,
}

impl Actor for Counter {
    type Msg = Msg;
    type Args = Args;

    const KIND: &'static str = "counter";

    fn init(args: Args, _: &mut Ctx<Self>) -> Result<Self> {
        args.starts.fetch_add(1, Ordering::Relaxed);
        Ok(Self { args, sum: 0 })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        if let Some(period) = self.args.tick {
            ctx.every(period, || Msg::Tick);
        }
        Ok(())
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg {
            Msg::Add(n) => self.sum += n,
            Msg::Get(reply) => reply.send(self.sum),
            Msg::Fail => return Err(Error::internal("asked to fail")),
            Msg::Panic => panic!("asked to panic"),
            Msg::TaskPanics => ctx.run(async { panic!("in a task") }, |()| Msg::Tick),
            Msg::Hang(gate) => gate.notified().await,
            Msg::Stop => ctx.stop(),
            Msg::Tick => {
                self.sum += 1;
                sleep(Duration::from_secs(10)).await;
            }
        }
        Ok(())
    }

    async fn stopping(&mut self, _: &mut Ctx<Self>) {
        self.args.note("stopped");
    }

    fn snapshot(&self) -> Value {
        json!({ "sum": self.sum })
    }
}

async fn supervised(args: Args, spec: ChildSpec) -> (Address<Msg>, Root) {
    let address = Address::vacant(Counter::KIND, "counter", 4);
    let root = Root::start(GroupSpec::new("root").child::<Counter>(&address, spec, args))
        .await
        .unwrap();
    (address, root)
}

async fn get(address: &Address<Msg>) -> Result<u32, CallError> {
    address.call(DEADLINE, Msg::Get).await
}

/// Waits, on the paused clock, until the actor answers again.
async fn back(address: &Address<Msg>) -> u32 {
    let begun = Instant::now();
    loop {
        if let Ok(sum) = get(address).await {
            return sum;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the actor did not come back"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_panicked_or_killed_actor_comes_back_behind_the_same_address() {
    let args = Args::default();
    let (address, root) = supervised(args.clone(), ChildSpec::permanent("counter")).await;
    for (round, end) in [Msg::Fail, Msg::Panic, Msg::TaskPanics].into_iter().enumerate() {
        address.tell(Msg::Add(1)).unwrap();
        assert_eq!(get(&address).await, Ok(1));
        address.tell(end).unwrap();
        while args.starts.load(Ordering::Relaxed) == round + 1 {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            back(&address).await,
            0,
            "a new incarnation starts with a new state"
        );
    }
    assert!(root.tree().restart("counter"));
    while args.starts.load(Ordering::Relaxed) == 4 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(back(&address).await, 0);
    assert_eq!(root.tree().describe().await[0].children[0].restarts, 4);
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_failing_actor_are_told_that_it_is_gone() {
    let (address, _root) = supervised(Args::default(), ChildSpec::permanent("counter")).await;
    address.tell(Msg::Fail).unwrap();
    assert_eq!(get(&address).await, Err(CallError::Gone));
    assert_eq!(back(&address).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline() {
    let (address, _root) = supervised(Args::default(), ChildSpec::permanent("counter")).await;
    address.tell(Msg::Hang(Arc::default())).unwrap();
    let begun = Instant::now();
    assert_eq!(get(&address).await, Err(CallError::Timeout));
    assert_eq!(begun.elapsed(), DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_and_counts() {
    let (address, root) = supervised(Args::default(), ChildSpec::permanent("counter")).await;
    let gate = Arc::new(Notify::new());
    address.tell(Msg::Hang(Arc::clone(&gate))).unwrap();
    let accepted = (0..1_000).filter(|_| address.tell(Msg::Add(1)).is_ok()).count();
    assert_eq!(
        accepted, 3,
        "four places, one of them taken by the message in the handler"
    );
    let node = root.tree().describe().await.remove(0).children.remove(0);
    assert_eq!((node.rejected, node.mailbox, node.state), (997, 4, Life::Busy));
    gate.notify_one();
    assert_eq!(get(&address).await, Err(CallError::Overloaded));
    assert_eq!(address.send(DEADLINE, Msg::Add(1)).await, Ok(()));
    assert_eq!(back(&address).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_whose_child_keeps_failing_gives_up_upward() {
    let args = Args::default();
    let spec = ChildSpec::permanent("counter").intensity(2, Duration::from_secs(60));
    let (address, root) = supervised(args.clone(), spec).await;
    for _ in 0..3 {
        back(&address).await;
        address.tell(Msg::Fail).unwrap();
        assert_eq!(get(&address).await, Err(CallError::Gone));
    }
    tokio::time::timeout(DEADLINE, root.ended())
        .await
        .expect("the root gives up");
    assert_eq!(args.starts.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_transient_actor_may_end_and_a_permanent_one_may_not() {
    for (spec, starts) in [
        (ChildSpec::transient("counter"), 1),
        (ChildSpec::permanent("counter"), 2),
    ] {
        let args = Args::default();
        let (address, root) = supervised(args.clone(), spec).await;
        address.tell(Msg::Stop).unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(args.starts.load(Ordering::Relaxed), starts);
        assert_eq!(root.tree().describe().await[0].children.len(), starts - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn draining_handles_what_waits_and_stops_the_last_started_first() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let args = |name| Args {
        name,
        log: Arc::clone(&log),
        ..Args::default()
    };
    let first = Address::vacant(Counter::KIND, "first", 16);
    let second = Address::vacant(Counter::KIND, "second", 16);
    let inner =
        GroupSpec::new("inner").child::<Counter>(&second, ChildSpec::permanent("second"), args("second"));
    let spec = GroupSpec::new("root")
        .child::<Counter>(&first, ChildSpec::permanent("first"), args("first"))
        .group(inner);
    let root = Root::start(spec).await.unwrap();
    for _ in 0..5 {
        second.tell(Msg::Add(1)).unwrap();
    }
    let (reply, sum) = Reply::channel();
    second.tell(Msg::Get(reply)).unwrap();
    assert!(root.drain(DEADLINE).await);
    assert_eq!(sum.await, Ok(5), "queued messages are handled before the end");
    assert_eq!(*log.lock().unwrap(), ["second stopped", "first stopped"]);
    assert_eq!(second.tell(Msg::Add(1)), Err(CallError::Gone));
    root.ended().await;
}

#[tokio::test(start_paused = true)]
async fn ticks_do_not_pile_up_behind_a_slow_actor() {
    let args = Args {
        tick: Some(Duration::from_secs(1)),
        ..Args::default()
    };
    let (address, _root) = supervised(args, ChildSpec::permanent("counter")).await;
    sleep(Duration::from_secs(100)).await;
    let ticks = address.call(Duration::from_secs(60), Msg::Get).await.unwrap();
    assert!(
        (8..=11).contains(&ticks),
        "{ticks} ticks of ten seconds each in 100 s"
    );
}

#[tokio::test(start_paused = true)]
async fn the_tree_shows_every_actor_with_its_state() {
    let (address, root) = supervised(Args::default(), ChildSpec::permanent("counter")).await;
    address.tell(Msg::Add(7)).unwrap();
    let tree = root.tree().describe().await;
    let node = &tree[0].children[0];
    assert_eq!(
        (node.name.as_str(), node.kind, node.state),
        ("counter", "counter", Life::Running)
    );
    assert_eq!(node.snapshot, json!({ "sum": 7 }));
}
