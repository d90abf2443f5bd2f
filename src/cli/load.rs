//! `postern load`: how fast is the whole chain, from the mailbox to the relay?

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::json;

use super::{Adapters, DONE, client};
use crate::demo::load::{self, Fill, Measured};
use crate::demo::{partners, sandbox::Sandbox};

#[derive(Args, Debug)]
pub struct LoadArgs {
    /// How many mails.
    #[arg(long, default_value_t = 2_000)]
    mails: usize,
    /// The Maildir behind the first mailbox of the configuration; it is filled by writing files. Without it the
    /// run is against the sandbox in this program, whose own work then counts as ours.
    #[arg(long, value_name = "DIR")]
    fill: Option<PathBuf>,
    /// Do not measure the chain without work.
    #[arg(long)]
    no_empty: bool,
    /// The size of the mails that the chain without work sends; without it, that of the gateway's own mails: what a
    /// mail of another size costs the servers is no work of the gateway.
    #[arg(long, value_name = "BYTES")]
    empty_bytes: Option<usize>,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &LoadArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    super::log(false);
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (file, fill) = match &args.fill {
            Some(maildir) => (config.clone().unwrap_or_else(|| PathBuf::from("postern.toml")), Fill::Maildir(maildir.clone())),
            None => {
                let sandbox = Arc::new(Sandbox::start().await?);
                let file = folder.path().join("postern.toml");
                std::fs::write(&file, load::configuration(&sandbox))?;
                std::fs::write(folder.path().join("password"), sandbox.password())?;
                (file, Fill::Sandbox(sandbox, "gateway".into()))
            }
        };
        let loaded = client::load(&Some(file))?;
        partners::unpack_mappings(&loaded.mappings_dir())?;
        let mailbox_config = loaded.config.mailboxes.first().cloned().context("the configuration has no mailbox")?;
        let to = loaded.config.channels.values().flat_map(|c| &c.addresses).next().cloned().context("a channel with an address is needed")?;
        let connections = loaded.config.relay.connections.unwrap_or(4);
        let mailbox = || (adapters.mailbox)(&loaded, &mailbox_config).map_err(|e| anyhow!(e));
        let relay = (adapters.relay)(&loaded).map_err(|e| anyhow!(e))?;
        let gateway = client::open(adapters, loaded.clone())?;
        eprintln!("writing {} mails ...", args.mails);
        load::register(&gateway, 0, args.mails)?;
        fill.fill(0, args.mails)?;
        let measured = load::run_gateway(&gateway, mailbox()?, Arc::clone(&relay), connections, args.mails).await?;
        let counts = gateway.store().counts()?;
        let mut empty: Option<Measured> = None;
        let mut letter_bytes = None;
        // Second, so that what it leaves in memory is not counted as the gateway's.
        if !args.no_empty {
            let bytes = args.empty_bytes.map_or_else(|| load::letter_bytes(&gateway), Ok)?;
            fill.fill(args.mails, 2 * args.mails)?;
            let sending = load::Sending { relay: Arc::clone(&relay), connections, to, bytes };
            empty = Some(load::run_empty(Arc::clone(gateway.store()), mailbox()?, sending, args.mails).await?);
            letter_bytes = Some(bytes);
        }
        let ratio = empty.as_ref().map(|empty| (measured.mails_per_second / empty.mails_per_second * 1_000.0).round() / 1_000.0);
        if args.json {
            println!("{}", serde_json::to_string_pretty(&json!({"v": 1, "gateway": measured, "empty_chain": empty, "ratio": ratio, "empty_chain_mail_bytes": letter_bytes, "responses": counts.responses, "mails": counts.mails}))?);
        } else {
            let tell = |name: &str, m: &Measured| {
                println!("{name:<12} {:>7} mails in {:>7.2} s  {:>7} mails/s  {:>6.3} CPU s per 1,000  peak {:>6.1} MiB", m.mails, m.seconds, m.mails_per_second, m.cpu_seconds_per_1000, m.peak_mib);
            };
            if let Some(empty) = &empty {
                tell("empty chain", empty);
                println!("             each mail it sends has {} bytes", letter_bytes.unwrap_or(0));
            }
            tell("gateway", &measured);
            if let Some(ratio) = ratio {
                println!("gateway / empty chain = {ratio}");
            }
            println!("responses {:?}", counts.responses);
        }
        Ok(DONE)
    })
}
