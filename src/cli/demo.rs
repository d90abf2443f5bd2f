//! `postern demo`: the whole story on loopback.

use clap::Args;

use super::{Adapters, COMPLAINTS, DONE};
use crate::demo::{Telling, run as play};

#[derive(Args, Debug)]
pub struct DemoArgs {
    /// End when all stories have ended. The default, unless `--stay` is given.
    #[arg(long, conflicts_with = "stay")]
    once: bool,
    /// Go on after the stories until interrupted.
    #[arg(long)]
    stay: bool,
    /// One JSON summary on stdout, nothing else.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &DemoArgs, adapters: &Adapters) -> anyhow::Result<u8> {
    if std::env::var_os("RUST_LOG").is_some() {
        super::log(false);
    }
    let right = play(&Telling { json: args.json, once: args.once || !args.stay }, adapters.reader)?;
    Ok(if right { DONE } else { COMPLAINTS })
}
