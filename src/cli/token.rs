//! `nova token`: a token for a user of the development server.

use std::sync::Arc;

use nova_actors::domain::{is_username, username_from};
use nova_actors::ports::Clock;

use super::args::TokenArgs;
use super::{configure, output};
use crate::adapters::clock::SystemClock;
use crate::auth;
use crate::data_dir::DataDir;
use crate::failure::Failure;

pub(super) fn run(args: &TokenArgs) -> Result<(), Failure> {
    if !is_username(&args.user) {
        return Err(Failure::usage(format!(
            "--user {:?}: a user name has 3 to 32 of the characters a-z, 0-9 and _, such as {}",
            args.user,
            username_from(&args.user)
        )));
    }
    let config = configure(&args.data)?;
    let data = DataDir::open(&config.data.dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (_, issuer) = auth::from_config(&config.auth, &data, &clock)?;
    let issuer = issuer.ok_or_else(|| {
        Failure::config("auth.keys is set: tokens come from whoever has the private key that belongs to it")
    })?;
    output::print(&issuer.mint(&args.user)?)
}
