//! `postern restore`: a backup becomes the data folder of a gateway that has none yet, and is checked before anybody
//! relies on it. Nothing is ever overwritten: an operator who restores is in a hurry.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::{Adapters, COMPLAINTS, DONE, client};
use crate::store::StoreError;

/// What a data folder may hold already: commands make the secret when there is none, the backup's takes its place.
const SECRET: &str = "secret";
const COPIED_AT_ONCE: usize = 1 << 20;

#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The folder that `postern backup` wrote.
    from: PathBuf,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RestoreArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    let loaded = client::load(config)?;
    if !args.from.is_dir() {
        bail!("{} is no folder: name the one that `postern backup` wrote", args.from.display());
    }
    let to = loaded.data_dir();
    let held: Vec<String> = names(&to)?.into_iter().filter(|name| name != SECRET).collect();
    if !held.is_empty() {
        bail!("{} is not empty ({}): move it away first", to.display(), held.join(", "));
    }
    let files = files(&args.from)?;
    if files.is_empty() {
        bail!("{} holds nothing: is it what `postern backup` wrote?", args.from.display());
    }
    // Beside its place, and moved there whole: what breaks off leaves no half store behind.
    let unfinished = to.with_extension("restoring");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("removing {}", unfinished.display()))?;
    }
    let bytes = files.iter().map(|(_, size)| size).sum();
    let bar = indicatif::ProgressBar::new(bytes).with_message("restoring");
    for (name, _) in &files {
        let target = unfinished.join(name);
        copy(&args.from.join(name), &target, &bar).with_context(|| format!("writing {}", target.display()))?;
    }
    bar.finish_and_clear();
    let kept = to.join(SECRET);
    if kept.exists() && !unfinished.join(SECRET).exists() {
        fs::copy(&kept, unfinished.join(SECRET))?;
    }
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("replacing {}", to.display()))?;
    }
    fs::rename(&unfinished, &to).with_context(|| format!("moving {} to {}", unfinished.display(), to.display()))?;
    // "Restored" is said of what a power cut leaves in its place.
    let whole = std::path::absolute(&to)?;
    for folder in [Some(whole.as_path()), whole.parent()].into_iter().flatten() {
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())?;
    }

    let store = (adapters.open_store)(&loaded).context("the restored store cannot be opened")?;
    let counts = store.counts()?;
    let (entries, broken) = match store.audit_verify() {
        Ok(entries) => (entries, None),
        Err(StoreError::Damaged(what)) => (0, Some(what)),
        Err(error) => return Err(error.into()),
    };
    if args.json {
        let value = json!({"v": 1, "to": to, "bytes": bytes, "audit_entries": entries, "broken": broken, "responses": counts.responses});
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        let responses: u64 = counts.responses.values().sum();
        println!("restored to {}: {responses} responses, {entries} audit entries whose chain holds", to.display());
    }
    if let Some(what) = broken {
        eprintln!("the audit log was changed: {what}");
        return Ok(COMPLAINTS);
    }
    Ok(DONE)
}

/// The names in a folder; none when there is no folder.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The files of a backup with their sizes: those in it and in its folders, which have no folders of their own.
fn files(from: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = from.join(&folder);
        for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            let name = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && folder.as_os_str().is_empty() {
                folders.push(name);
            } else if kind.is_file() {
                found.push((name, entry.metadata()?.len()));
            } else {
                bail!("{} is no part of a backup", entry.path().display());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn copy(from: &Path, to: &Path, bar: &indicatif::ProgressBar) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    // Before anything is in it: the secret is for nobody else.
    target.set_permissions(source.metadata()?.permissions())?;
    let mut buffer = vec![0; COPIED_AT_ONCE];
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            return target.sync_all();
        }
        target.write_all(buffer.get(..count).unwrap_or_default())?;
        bar.inc(count as u64);
    }
}
