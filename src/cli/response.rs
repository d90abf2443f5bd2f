//! `postern response list|show|correct|recheck|force|fail|release|...`: what people see of responses and
//! may do to them. Whatever a person does is audited with a reason.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Adapters, client, view};
use crate::gateway::desk::{Act, Request};
use crate::model::{OrderNumber, PartnerId, ResponseId, Status};

#[derive(Args, Debug)]
pub struct ResponseArgs {
    #[command(subcommand)]
    command: ResponseCommand,
}

#[derive(Subcommand, Debug)]
enum ResponseCommand {
    /// List responses, newest first.
    List {
        /// A status like NOT_CHECKED.
        #[arg(long, value_parser = status)]
        status: Option<Status>,
        #[arg(long)]
        order: Option<String>,
        #[arg(long)]
        partner: Option<String>,
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// One response: status, path walked, values with their places, faults, deviations, transmissions.
    Show {
        id: ResponseId,
        #[arg(long)]
        json: bool,
    },
    /// Edit values (the received original is kept as COPIED_FOR_MANUAL_EDIT) and check again.
    Correct {
        id: ResponseId,
        /// `20.quantity_confirmed=8` for a position, `entry_date=2026-12-01` for the head; may be repeated.
        #[arg(long = "set", value_name = "[POSITION.]FIELD=VALUE")]
        sets: Vec<String>,
        #[command(flatten)]
        why: Why,
    },
    /// Check again: the order, the partner's data or the mapping was mended.
    Recheck {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// Let a faulty response pass as it is (audited override).
    Force {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// Give it up.
    Fail {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// Out of WAIT_PENDING or WAIT_MERGE.
    Release {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// Take a waiting CONTINUOUS response as the INITIAL one.
    Promote {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// Announce again: NOT_ANNOUNCED with its errors handled, or FAILED after NOT_ANNOUNCED.
    Announce {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// Ask the approvers anew, with a new token: the question expired or was lost.
    AskAgain {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// Undo a decline while its recall is still held back.
    UndoDecline {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
    /// The partner answered TOO LATE and the channel accepts the deviations after all.
    Accept {
        id: ResponseId,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Args, Debug)]
struct Why {
    /// Why; it goes into the audit log.
    #[arg(long, default_value = "")]
    reason: String,
    /// Who; default: the login name.
    #[arg(long)]
    by: Option<String>,
    #[arg(long)]
    json: bool,
}

fn status(name: &str) -> Result<Status, String> {
    Status::from_name(&name.to_ascii_uppercase()).ok_or_else(|| {
        let known: Vec<&str> = Status::ALL.iter().map(|row| row.1).collect();
        format!("no such status; one of {}", known.join(", "))
    })
}

pub fn run(args: ResponseArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    let (id, action, why) = match args.command {
        ResponseCommand::List { status, order, partner, limit, json } => {
            let request =
                Request::ResponseList { status, order: order.map(OrderNumber), partner: partner.map(PartnerId), limit };
            let reply = client::ask(adapters, config, request)?;
            let columns = [
                ("id", "id"),
                ("order", "order"),
                ("partner", "partner"),
                ("type", "type"),
                ("status", "status"),
                ("received", "arrived_at"),
                ("faults", "faults"),
                ("deviations", "deviations"),
                ("waits", "waits_for"),
                ("error", "error"),
            ];
            return Ok(client::show(&reply, json, |value| view::list(value, "responses", &columns)));
        }
        ResponseCommand::Show { id, json } => {
            let reply = client::ask(adapters, config, Request::ResponseShow { id })?;
            return Ok(client::show(&reply, json, view::response));
        }
        ResponseCommand::Correct { id, sets, why } => {
            (id, if sets.is_empty() { Act::Recheck } else { Act::Edit(sets) }, why)
        }
        ResponseCommand::Recheck { id, why } => (id, Act::Recheck, why),
        ResponseCommand::Force { id, why } => (id, Act::Force, why),
        ResponseCommand::Fail { id, why } => (id, Act::Fail, why),
        ResponseCommand::Release { id, why } => (id, Act::Release, why),
        ResponseCommand::Promote { id, why } => (id, Act::Promote, why),
        ResponseCommand::Announce { id, why } => (id, Act::Announce, why),
        ResponseCommand::AskAgain { id, why } => (id, Act::AskAgain, why),
        ResponseCommand::UndoDecline { id, why } => (id, Act::UndoDecline, why),
        ResponseCommand::Accept { id, why } => (id, Act::AcceptAfterTooLate, why),
    };
    let request = Request::ResponseAct { id, action, by: client::who(&why.by), reason: why.reason };
    let reply = client::ask(adapters, config, request)?;
    Ok(client::show(&reply, why.json, |value| {
        view::table(&["response", "step", "from", "answer", "to"], view::rows(value, "walked"), |row| {
            let step = &row["step"];
            vec![
                view::word(&row["response"]),
                view::word(&step["step"]),
                view::word(&step["from"]),
                view::word(&step["answer"]),
                view::word(&step["to"]),
            ]
        })
    }))
}
