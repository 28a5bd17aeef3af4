//! `nova seed`: the demo world, without starting anything.

use super::args::DataArgs;
use super::{configure, on_runtime, output};
use crate::data_dir::DataDir;
use crate::demo::Progress;
use crate::embedded;
use crate::failure::Failure;

pub(super) fn run(args: DataArgs) -> Result<(), Failure> {
    let config = configure(&args)?;
    let data = DataDir::open(&config.data.dir)?;
    let _lock = data.lock()?;
    let world = on_runtime(embedded::seed(&config, &Progress::on_terminal()))?;
    let text = match world.posts_written {
        0 => "the demo world was there already".to_owned(),
        posts => format!(
            "{} people, {} live streams, {posts} posts",
            world.people.len(),
            world.streams.len()
        ),
    };
    output::print(&text)
}
