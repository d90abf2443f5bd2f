//! What operators ask: `status`, `alarm`, `audit`, `backup`, `reload`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Adapters, client, view};
use crate::gateway::desk::Request;
use crate::model::AlarmId;

/// How often the bar of a backup moves.
const BAR_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

#[derive(Args, Debug)]
pub struct StatusArgs {
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub struct AlarmArgs {
    #[command(subcommand)]
    command: AlarmCommand,
}

#[derive(Subcommand, Debug)]
enum AlarmCommand {
    /// List alarms, newest first.
    List {
        /// Ended ones too.
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// End an alarm by hand.
    Close {
        id: AlarmId,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand, Debug)]
enum AuditCommand {
    /// The log, oldest first.
    List {
        /// Only entries after this number.
        #[arg(long, default_value_t = 0)]
        after: u64,
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// Check the chain of hashes over all entries.
    Verify {
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub struct BackupArgs {
    /// A folder that does not exist yet.
    to: PathBuf,
    #[arg(long)]
    json: bool,
}

pub fn status(args: StatusArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    let (mut reply, running) = client::ask_whoever(adapters, config, Request::Status)?;
    if let Some(told) = reply.value.as_object_mut() {
        told.insert("running".into(), running.into());
    }
    Ok(client::show(&reply, args.json, |value| {
        let mut out = String::new();
        if !running {
            out.push_str("No gateway is running: nothing is fetched or sent. This is what the store holds.\n\n");
        }
        out.push_str("Mailboxes\n");
        out.push_str(&view::list(
            value,
            "mailboxes",
            &[
                ("name", "name"),
                ("last success", "last_success"),
                ("last mail", "last_mail"),
                ("lag s", "lag_seconds"),
                ("trouble", "trouble"),
            ],
        ));
        for (title, key) in [("Mails by drawer", "mails"), ("Responses by status", "responses")] {
            out.push_str(&format!("\n\n{title}\n"));
            for (name, count) in value[key].as_object().into_iter().flatten() {
                out.push_str(&format!("  {name:<26} {count}\n"));
            }
        }
        out.push_str("\nTransmissions\n");
        for (kind, statuses) in value["transmissions"].as_object().into_iter().flatten() {
            for (status, count) in statuses.as_object().into_iter().flatten() {
                out.push_str(&format!("  {kind:<26} {status:<18} {count}\n"));
            }
        }
        if !value["sales"].is_null() {
            let sales = &value["sales"];
            out.push_str("\nOrders by mail\n");
            for (name, count) in sales["by_status"].as_object().into_iter().flatten() {
                out.push_str(&format!("  {name:<26} {count}\n"));
            }
            let times = &sales["mail_to_confirmation"];
            out.push_str(&format!(
                "  mail to confirmation p50 {} s, p95 {} s, above ten minutes {} of {}\n",
                view::word(&times["p50_seconds"]),
                view::word(&times["p95_seconds"]),
                view::word(&times["over_ten_minutes"]),
                view::word(&times["count"])
            ));
            for still in sales["stand_still"].as_array().into_iter().flatten() {
                out.push_str(&format!(
                    "  stands still: {}\n",
                    view::words(still, &["sale", "order", "status", "since"]).join(" ")
                ));
            }
            let system = &sales["order_system"];
            if !system["trouble"].is_null() {
                out.push_str(&format!("  order system: {}\n", view::word(&system["trouble"])));
            }
        }
        for warning in value["warnings"].as_array().into_iter().flatten() {
            out.push_str(&format!("\nwarning: {}\n", view::word(warning)));
        }
        if !view::rows(value, "mappings").is_empty() {
            out.push_str("\nMappings\n");
            let columns = [
                ("name", "name"),
                ("messages", "messages"),
                ("usual %", "usual_percent"),
                ("last %", "last_percent"),
                ("drifts", "drifts"),
                ("held", "held"),
                ("shadow, same", "same"),
            ];
            out.push_str(&view::list(value, "mappings", &columns));
            out.push('\n');
        }
        let p = &value["times_ms"];
        out + &format!(
            "\norders {}, transmissions due {}, open alarms {}, mail to commit p50 {} ms, p95 {} ms\noldest waiting {}",
            view::word(&value["orders"]),
            view::word(&value["transmissions_due"]),
            view::word(&value["alarms_open"]),
            view::word(&p["p50"]),
            view::word(&p["p95"]),
            view::word(&value["oldest_waiting"])
        )
    }))
}

pub fn alarm(args: AlarmArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    match args.command {
        AlarmCommand::List { all, limit, json } => {
            let reply = client::ask(adapters, config, Request::Alarms { open_only: !all, limit })?;
            let columns = [
                ("id", "id"),
                ("kind", "kind"),
                ("about", "subject"),
                ("message", "message"),
                ("since", "started_at"),
                ("over", "ended_at"),
            ];
            Ok(client::show(&reply, json, |value| view::list(value, "alarms", &columns)))
        }
        AlarmCommand::Close { id, by, json } => {
            let reply = client::ask(adapters, config, Request::AlarmClose { id, by: client::who(&by) })?;
            Ok(client::show(&reply, json, |value| format!("{} is closed", view::word(&value["closed"]))))
        }
    }
}

pub fn audit(args: AuditArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    match args.command {
        AuditCommand::List { after, limit, json } => {
            let reply = client::ask(adapters, config, Request::Audit { after, limit })?;
            let columns =
                [("no", "number"), ("at", "at"), ("who", "who"), ("what", "what"), ("on", "on"), ("detail", "detail")];
            Ok(client::show(&reply, json, |value| view::list(value, "entries", &columns)))
        }
        AuditCommand::Verify { json } => {
            let reply = client::ask(adapters, config, Request::AuditVerify)?;
            Ok(client::show(&reply, json, |value| {
                format!("{} entries, the chain holds", view::word(&value["entries"]))
            }))
        }
    }
}

pub fn backup(args: BackupArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    let to = std::path::absolute(&args.to)?;
    let data = client::load(config)?.data_dir();
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let reply = std::thread::scope(|scope| {
        let (data, copy) = (&data, &to);
        scope.spawn(move || watch_copy(data, copy, &end));
        let reply = client::ask(adapters, config, Request::Backup { to: to.clone() });
        drop(ended);
        reply
    })?;
    Ok(client::show(&reply, args.json, |value| format!("written to {}", view::word(&value["to"]))))
}

/// Draws how much of the data has arrived in the copy, until `end`. The copy is packed anew: it may end before all.
fn watch_copy(data: &std::path::Path, to: &std::path::Path, end: &std::sync::mpsc::Receiver<()>) {
    let bar = indicatif::ProgressBar::new(size_of(data)).with_style(super::bar_style()).with_message("backing up");
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(".new");
    while end.recv_timeout(BAR_EVERY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        bar.set_position(size_of(std::path::Path::new(&unfinished)));
    }
    bar.finish_and_clear();
}

/// The bytes in a folder and in its folders; what cannot be read counts nothing.
fn size_of(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(kind) if kind.is_dir() => size_of(&entry.path()),
        Ok(kind) => kind.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

#[derive(clap::Args, Debug)]
pub struct ReloadArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn reload(args: &ReloadArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    let reply = client::ask(adapters, config, Request::Reload)?;
    Ok(client::show(&reply, args.json, |value| {
        let later = value["restart"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        let later: String = later.map(|what| format!("\n{what} changed: restart the gateway for it")).collect();
        format!("reloaded{later}")
    }))
}
