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
    /// The size of the mails that the chain without work sends; without it, it sends some of the gateway's own: what other
    /// mails cost the servers is no work of the gateway.
    #[arg(long, value_name = "BYTES")]
    empty_bytes: Option<usize>,
    /// Where the chain without work sends to; without it, to the channel. A mailbox that is delivered to costs the
    /// server the more the fuller it is.
    #[arg(long, value_name = "ADDRESS")]
    empty_to: Option<String>,
    /// A shell command that ends when the relay has delivered what it took. A relay takes mails faster than it delivers
    /// them, and delivers while we work on the same machine: with this both runs are also timed to the last delivery.
    #[arg(long, value_name = "COMMAND")]
    drain: Option<String>,
    #[arg(long)]
    json: bool,
}

impl LoadArgs {
    fn drained(&self, measured: &mut Measured) -> anyhow::Result<()> {
        let Some(command) = &self.drain else { return Ok(()) };
        let began = std::time::Instant::now();
        let status = std::process::Command::new("sh").args(["-c", command]).status();
        let status = status.with_context(|| format!("`{command}` cannot be run"))?;
        if !status.success() {
            return Err(anyhow!("`{command}` ended with {status}"));
        }
        measured.delivered(began.elapsed());
        Ok(())
    }
}

pub fn run(args: &LoadArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    super::log(false);
    let folder = tempfile::tempdir()?;
    let runtime = super::runtime()?;
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
        let channel = loaded.config.channels.values().flat_map(|c| &c.addresses).next();
        let to = args.empty_to.as_ref().or(channel).cloned().context("a channel with an address is needed")?;
        let connections = loaded.config.relay.connections.unwrap_or(4);
        let mailbox = || (adapters.mailbox)(&loaded, &mailbox_config).map_err(|e| anyhow!(e));
        let relay = (adapters.relay)(&loaded).map_err(|e| anyhow!(e))?;
        let gateway = client::open(adapters, loaded.clone())?;
        eprintln!("writing {} mails ...", args.mails);
        load::register(&gateway, 0, args.mails)?;
        fill.fill(0, args.mails)?;
        let mut measured = load::run_gateway(&gateway, mailbox()?, Arc::clone(&relay), connections, args.mails).await?;
        args.drained(&mut measured)?;
        let counts = gateway.store().counts()?;
        let mut empty: Option<Measured> = None;
        let mut letter_bytes = None;
        // Second, so that what it leaves in memory is not counted as the gateway's.
        if !args.no_empty {
            let letters = match args.empty_bytes {
                Some(bytes) => [load::bare_letter(&to, bytes)].into(),
                None => load::letters(&gateway)?,
            };
            letter_bytes = Some(letters.iter().map(Vec::len).sum::<usize>() / letters.len().max(1));
            fill.fill(args.mails, 2 * args.mails)?;
            let sending = load::Sending { relay: Arc::clone(&relay), connections, to, letters };
            let keeper = Arc::clone(gateway.store());
            let mut chain = load::run_empty(keeper, mailbox()?, sending, args.mails).await?;
            args.drained(&mut chain)?;
            empty = Some(chain);
        }
        let of = |ours: f64, chain: f64| (ours / chain * 1_000.0).round() / 1_000.0;
        let ratio = empty.as_ref().map(|empty| of(measured.mails_per_second, empty.mails_per_second));
        let delivered = measured.delivered_per_second.zip(empty.as_ref().and_then(|empty| empty.delivered_per_second));
        let ratio_delivered = delivered.map(|(ours, chain)| of(ours, chain));
        if args.json {
            println!("{}", serde_json::to_string_pretty(&json!({"v": 1, "gateway": measured, "empty_chain": empty, "ratio": ratio, "ratio_delivered": ratio_delivered, "empty_chain_mail_bytes": letter_bytes, "responses": counts.responses, "mails": counts.mails}))?);
        } else {
            let tell = |name: &str, m: &Measured| {
                println!("{name:<12} {:>7} mails in {:>7.2} s  {:>7} mails/s  {:>6.3} CPU s per 1,000  peak {:>6.1} MiB", m.mails, m.seconds, m.mails_per_second, m.cpu_seconds_per_1000, m.peak_mib);
                if let Some(delivered) = m.delivered_per_second {
                    println!("             {delivered:>38} mails/s to the last delivery");
                }
            };
            if let Some(empty) = &empty {
                tell("empty chain", empty);
                println!("             each mail it sends has {} bytes", letter_bytes.unwrap_or(0));
            }
            tell("gateway", &measured);
            if let Some(ratio) = ratio {
                println!("gateway / empty chain = {ratio}");
            }
            if let Some(ratio) = ratio_delivered {
                println!("gateway / empty chain = {ratio} to the last delivery");
            }
            println!("responses {:?}", counts.responses);
        }
        Ok(DONE)
    })
}
