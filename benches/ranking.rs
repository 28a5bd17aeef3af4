//! Scoring and ordering of 1,300 candidates, beside a bare sort of as many numbers in the same run.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use nova_actors::domain::feed::PostFeatures;
use nova_actors::feed::{Inputs, Ranker};

const CANDIDATES: u64 = 1_300;
const RUNS: usize = 400;

fn main() {
    let inputs: Vec<Inputs> = (0..CANDIDATES).map(inputs).collect();
    let mut ranking = Vec::with_capacity(RUNS);
    let mut sorting = Vec::with_capacity(RUNS);
    // Interleaved, so that both see the same machine.
    for _ in 0..RUNS {
        ranking.push(time(|| rank(&inputs)));
        let mut bare: Vec<(f64, usize)> = (0..inputs.len())
            .map(|n| ((n as f64 * 0.618).fract(), n))
            .collect();
        sorting.push(time(|| bare.sort_unstable_by(|a, b| b.0.total_cmp(&a.0))));
    }
    let (ranking, sorting) = (median(ranking), median(sorting));
    let ratio = ranking.as_secs_f64() / sorting.as_secs_f64();
    println!("rank {CANDIDATES} candidates: {ranking:?}; bare sort: {sorting:?}; ratio {ratio:.2}");
}

fn inputs(n: u64) -> Inputs {
    Inputs {
        age: Duration::from_millis(n * 77_003 % 259_200_000),
        features: PostFeatures {
            likes: n % 97,
            comments: n % 13,
            shares: n % 5,
            impressions: n % 1_009,
        },
        interactions: n % 31,
    }
}

fn rank(inputs: &[Inputs]) -> Vec<(f64, usize)> {
    let weights = Ranker::V1.weights();
    let mut scored: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(n, one)| (weights.score(&one.parts()), n))
        .collect();
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    black_box(scored)
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
