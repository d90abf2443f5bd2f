//! `postern run`: the gateway until it is told to stop.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Adapters, DONE, client};

#[derive(Args, Debug)]
pub struct RunArgs {
    /// Logs as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
}

pub fn run(args: RunArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    super::log(args.log_json);
    let loaded = client::load(config)?;
    let problems = (adapters.check)(&loaded);
    if !problems.is_empty() {
        return Err(anyhow!("{}", problems.join("\n")));
    }
    let data_dir = loaded.data_dir();
    std::fs::create_dir_all(&data_dir).with_context(|| format!("making {}", data_dir.display()))?;
    let gateway = client::open_patiently(adapters, &loaded)?;
    // For tests whose portal stands on this machine; never set in earnest.
    if std::env::var_os("POSTERN_LOOPBACK_LINKS").is_some() {
        gateway.allow_loopback_links();
    }
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut rounds = tokio::task::JoinSet::new();
        let relay = (adapters.relay)(&loaded).map_err(|error| anyhow!(error))?;
        let connections = loaded.config.relay.connections.unwrap_or(4);
        for mailbox in &loaded.config.mailboxes {
            let opened = (adapters.mailbox)(&loaded, mailbox).map_err(|error| anyhow!("mailbox {}: {error}", mailbox.name))?;
            let (gateway, config, stop) = (gateway.clone(), mailbox.clone(), stop.clone());
            rounds.spawn(async move { gateway.take_in(opened, config, stop).await });
        }
        {
            let (gateway, stop) = (gateway.clone(), stop.clone());
            rounds.spawn(async move { gateway.send_out(relay, connections, stop).await });
        }
        {
            let (gateway, stop) = (gateway.clone(), stop.clone());
            rounds.spawn(async move { gateway.remind(stop).await });
        }
        if let Some(system) = (adapters.order_system)(&loaded).await.map_err(|error| anyhow!("order system: {error}"))? {
            let (gateway, stop) = (gateway.clone(), stop.clone());
            rounds.spawn(async move { gateway.sell(system, stop).await });
        }
        {
            let (gateway, stop, data_dir) = (gateway.clone(), stop.clone(), data_dir.clone());
            rounds.spawn(async move {
                if let Err(error) = gateway.serve_control(&data_dir, stop).await {
                    tracing::error!(%error, "the control socket cannot be served");
                }
            });
        }
        tracing::info!(data = %data_dir.display(), mailboxes = loaded.config.mailboxes.len(), "postern runs");
        let (mut term, mut int, mut hup) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = int.recv() => break,
                _ = hup.recv() => {
                    let gateway = gateway.clone();
                    let _ = tokio::task::spawn_blocking(move || {
                        if let Err(complaints) = gateway.reload() {
                            tracing::error!("not reloaded, the old configuration stays:\n{}", complaints.iter().map(|c| c.draw(false)).collect::<Vec<_>>().join("\n"));
                        }
                    }).await;
                }
                ended = rounds.join_next() => {
                    if let Some(Err(error)) = ended {
                        return Err(anyhow!("a round of the gateway died: {error}"));
                    }
                }
            }
        }
        tracing::info!("stopping; what is under way is finished");
        stop.cancel();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(30), async { while rounds.join_next().await.is_some() {} }).await;
        Ok(DONE)
    })
}
