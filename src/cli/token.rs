//! `nova token`: a token for a user of the development server.

use std::sync::Arc;

use nova_actors::domain::{is_username, username_from};

use super::args::TokenArgs;
use super::{configure, output};
use crate::adapters::clock::SystemClock;
use crate::auth::TokenIssuer;
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
    if let Some(keys) = &config.auth.keys {
        return Err(Failure::config(format!(
            "auth.keys is {}: tokens come from whoever has the private key of it",
            keys.display()
        )));
    }
    let key = DataDir::open(&config.data.dir)?.signing_key()?;
    let issuer = TokenIssuer::new(
        &key,
        &config.auth.issuer,
        &config.auth.audience,
        Arc::new(SystemClock),
    );
    output::print(&issuer.mint(&args.user)?)
}
