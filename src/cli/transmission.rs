//! `postern transmission list|show|resend|cancel|sent`.

#![expect(clippy::indexing_slicing, reason = "reading a JSON value by a key that is not there gives null")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Adapters, client, view};
use crate::gateway::desk::{Request, TransmissionAction};
use crate::model::{OrderNumber, TransmissionId, TransmissionStatus};

#[derive(Args, Debug)]
pub struct TransmissionArgs {
    #[command(subcommand)]
    command: TransmissionCommand,
}

#[derive(Subcommand, Debug)]
enum TransmissionCommand {
    /// List transmissions, newest first.
    List {
        /// A status like DO_MANUAL_CHECK.
        #[arg(long, value_parser = status)]
        status: Option<TransmissionStatus>,
        #[arg(long)]
        order: Option<String>,
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// One transmission with every attempt; `--mime` prints the finished mail.
    Show {
        id: TransmissionId,
        #[arg(long)]
        mime: bool,
        #[arg(long)]
        json: bool,
    },
    /// Send it (again), with the same bytes and Message-ID.
    Resend(Act),
    /// Do not send it.
    Cancel(Act),
    /// It was sent by other means.
    Sent(Act),
}

#[derive(Args, Debug)]
struct Act {
    id: TransmissionId,
    #[arg(long)]
    by: Option<String>,
    #[arg(long)]
    json: bool,
}

fn status(name: &str) -> Result<TransmissionStatus, String> {
    TransmissionStatus::from_name(&name.to_ascii_uppercase()).ok_or_else(|| {
        let known: Vec<&str> = TransmissionStatus::ALL.iter().map(|status| status.name()).collect();
        format!("no such status; one of {}", known.join(", "))
    })
}

pub fn run(args: TransmissionArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    let (act, action) = match args.command {
        TransmissionCommand::List { status, order, limit, json } => {
            let reply = client::ask(
                adapters,
                config,
                Request::TransmissionList { status, order: order.map(OrderNumber), limit },
            )?;
            let columns = [
                ("id", "id"),
                ("kind", "kind"),
                ("status", "status"),
                ("to", "to"),
                ("subject", "subject"),
                ("order", "order"),
                ("tries", "retry_count"),
                ("next", "next_retry"),
                ("error", "error"),
            ];
            return Ok(client::show(&reply, json, |value| view::list(value, "transmissions", &columns)));
        }
        TransmissionCommand::Show { id, mime, json } => {
            let reply = client::ask(adapters, config, Request::TransmissionShow { id })?;
            return Ok(client::show(&reply, json, |value| {
                if mime {
                    return view::word(&value["mime"]);
                }
                let t = &value["transmission"];
                let mut out = String::new();
                for key in [
                    "id",
                    "kind",
                    "status",
                    "to",
                    "subject",
                    "message_id",
                    "order",
                    "response",
                    "created_at",
                    "next_retry",
                    "error",
                ] {
                    out.push_str(&format!("{key:<12} {}\n", view::word(&t[key])));
                }
                out.push_str("\nAttempts\n");
                out + &view::list(t, "attempts", &[("at", "at"), ("ok", "ok"), ("answer", "answer")])
            }));
        }
        TransmissionCommand::Resend(act) => (act, TransmissionAction::Resend),
        TransmissionCommand::Cancel(act) => (act, TransmissionAction::Cancel),
        TransmissionCommand::Sent(act) => (act, TransmissionAction::Sent),
    };
    let reply =
        client::ask(adapters, config, Request::TransmissionAct { id: act.id, action, by: client::who(&act.by) })?;
    Ok(client::show(&reply, act.json, |value| {
        format!("{} is {}", view::word(&value["transmission"]["id"]), view::word(&value["transmission"]["status"]))
    }))
}
