//! Asking the gateway: through the control socket of a running one, else by opening the store here.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use serde_json::Value as Json;

use super::{Adapters, COMPLAINTS, DONE};
use crate::config::Loaded;
use crate::gateway::desk::{Reply, Request};
use crate::gateway::{Gateway, Live, SystemClock, control};
use crate::store::StoreError;

/// Finds and reads the configuration: `--config`, `$POSTERN_CONFIG`, `./postern.toml`.
pub fn load(config: &Option<PathBuf>) -> anyhow::Result<Loaded> {
    let file = config.clone().unwrap_or_else(|| PathBuf::from("postern.toml"));
    if !file.exists() {
        return Err(anyhow!(
            "no configuration at {}; `postern config example > postern.toml` makes one",
            file.display()
        ));
    }
    Loaded::read(&file).map_err(|complaints| anyhow!("{}", complaints.draw(false)))
}

/// Who acts when a person gives a command: `--by`, else the login name.
pub fn who(by: &Option<String>) -> String {
    by.clone()
        .or_else(|| std::env::var("USER").ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "operator".to_string())
}

/// Serves one request, by the running gateway when there is one.
pub fn ask(adapters: &Adapters, config: &Option<PathBuf>, request: Request) -> anyhow::Result<Reply> {
    ask_whoever(adapters, config, request).map(|(reply, _)| reply)
}

/// The same, and whether a gateway is running.
pub fn ask_whoever(adapters: &Adapters, config: &Option<PathBuf>, request: Request) -> anyhow::Result<(Reply, bool)> {
    let loaded = load(config)?;
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = control::ask(&loaded.data_dir(), &request) {
            return answer.context("the running gateway did not answer").map(|reply| (reply, true));
        }
        match open(adapters, loaded.clone()) {
            Ok(gateway) => return Ok((gateway.handle(request), false)),
            // A gateway that is just starting holds the store and does not listen yet.
            Err(error) if began.elapsed() < START_MAX && in_use(&error) => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Opens the store for `run`; a command that holds it for a moment is waited for.
pub fn open_patiently(adapters: &Adapters, loaded: &Loaded) -> anyhow::Result<Gateway> {
    let began = std::time::Instant::now();
    loop {
        match open(adapters, loaded.clone()) {
            Err(error) if began.elapsed() < START_MAX && in_use(&error) => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            opened => return opened,
        }
    }
}

/// A gateway that holds the store listens after so long at the latest.
const START_MAX: std::time::Duration = std::time::Duration::from_secs(10);

fn in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<StoreError>(), Some(StoreError::Away(_)))
}

/// A gateway on the store itself, without mailboxes and relay.
pub fn open(adapters: &Adapters, loaded: Loaded) -> anyhow::Result<Gateway> {
    let data_dir = loaded.data_dir();
    let secret = secret(&loaded)?;
    let store =
        (adapters.open_store)(&loaded).with_context(|| format!("opening the store in {}", data_dir.display()))?;
    let reader = (adapters.reader)(&loaded);
    let live = Live::from_loaded(loaded)
        .map_err(|complaints| anyhow!("{}", complaints.iter().map(|c| c.draw(false)).collect::<Vec<_>>().join("\n")))?;
    Ok(Gateway::new(live, store, Arc::new(SystemClock), reader, secret))
}

/// The key for tokens: the configured file, else one made at first start.
pub fn secret(loaded: &Loaded) -> anyhow::Result<Vec<u8>> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    const BYTES_MIN: usize = 32;
    let configured = loaded.config.gateway.secret_file.as_ref().map(|file| loaded.resolve(file));
    let file = configured.clone().unwrap_or_else(|| loaded.data_dir().join("secret"));
    match std::fs::read(&file) {
        Ok(secret) if secret.len() >= BYTES_MIN => return Ok(secret),
        Ok(_) => return Err(anyhow!("{}: the secret is shorter than {BYTES_MIN} bytes", file.display())),
        Err(error) if configured.is_some() => return Err(anyhow!("{}: {error}", file.display())),
        Err(_) => {}
    }
    std::fs::create_dir_all(loaded.data_dir()).with_context(|| format!("making {}", loaded.data_dir().display()))?;
    let mut bytes = [0_u8; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| std::io::Read::read_exact(&mut random, &mut bytes))
        .context("reading /dev/urandom")?;
    let text = hex::encode(bytes);
    // Whole or not at all: another command may look in the same moment, and must never see half a secret.
    let fresh = file.with_extension(format!("new-{}", std::process::id()));
    let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    let linked = std::fs::hard_link(&fresh, &file);
    let _ = std::fs::remove_file(&fresh);
    match linked {
        Ok(()) => Ok(text.into_bytes()),
        // Another command was first: its secret counts.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(std::fs::read(&file)?),
        Err(error) => Err(anyhow!("{}: {error}", file.display())),
    }
}

/// Prints a reply: the JSON alone on stdout with `--json`, else what `draw` makes of it.
pub fn show(reply: &Reply, json: bool, draw: impl FnOnce(&Json) -> String) -> u8 {
    if !reply.message.is_empty() {
        eprintln!("{}", reply.message);
    }
    if json && !reply.value.is_null() {
        println!("{}", serde_json::to_string_pretty(&reply.value).unwrap_or_default());
    } else if json && !reply.ok {
        println!("{}", super::complaint(&reply.message));
    } else if reply.ok {
        let text = draw(&reply.value);
        if !text.is_empty() {
            println!("{}", text.trim_end());
        }
    }
    if reply.ok { DONE } else { COMPLAINTS }
}
