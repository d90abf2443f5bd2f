//! `postern sale list|show|act`: what people see of customers' orders and may do to them. Whatever a person does is
//! audited with a reason.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use super::{Adapters, client, view};
use crate::gateway::desk::Request;
use crate::gateway::sales::SaleAct;
use crate::model::{CustomerId, SaleStatus};

#[derive(Args, Debug)]
pub struct SaleArgs {
    #[command(subcommand)]
    command: SaleCommand,
}

#[derive(Subcommand, Debug)]
enum SaleCommand {
    /// List customers' orders, newest first.
    List {
        /// A status like CHECK_ANNOUNCED.
        #[arg(long, value_parser = status)]
        status: Option<SaleStatus>,
        #[arg(long)]
        customer: Option<String>,
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// One order: path walked, versions, what was handed over and answered, differences, the confirmation.
    Show {
        /// `S12`, or the order's number.
        sale: String,
        #[arg(long)]
        json: bool,
    },
    /// Do something to it.
    Act {
        /// `S12`, or the order's number.
        sale: String,
        #[command(subcommand)]
        action: Action,
        /// Why; it goes into the audit log.
        #[arg(long, default_value = "", global = true)]
        reason: String,
        /// Who; default: the login name.
        #[arg(long, global = true)]
        by: Option<String>,
        #[arg(long, global = true)]
        json: bool,
    },
    /// Answers of the order system that nobody could make anything of, newest first.
    Answers {
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Check again, with the mail read anew: the mapping, the price list or the settings were mended.
    Recheck,
    /// Let a faulty order pass as it is (audited override, needs a reason).
    Force,
    /// Decline it or give it up; the order system takes it back, the customer is told.
    Decline,
    /// The order system's order stands, with its differences.
    Release,
    /// Change lines: `10 qty = 8 price = 12.50`, as in a reply.
    Change { words: Vec<String> },
    /// Ask the customer something.
    Ask { words: Vec<String> },
    /// Ask the sales desk anew, with new tokens.
    AskAgain,
    /// Hand it over now: the same document under the same key; after a refusal a new one.
    HandOver,
}

fn status(name: &str) -> Result<SaleStatus, String> {
    SaleStatus::from_name(&name.to_ascii_uppercase()).ok_or_else(|| {
        let known: Vec<&str> = SaleStatus::ALL.iter().map(|row| row.1).collect();
        format!("no such status; one of {}", known.join(", "))
    })
}

pub fn run(args: SaleArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    match args.command {
        SaleCommand::List { status, customer, limit, json } => {
            let request = Request::SaleList { status, customer: customer.map(CustomerId), limit };
            let reply = client::ask(adapters, config, request)?;
            let columns = [
                ("id", "id"),
                ("customer", "customer"),
                ("number", "number"),
                ("status", "status"),
                ("since", "since"),
                ("received", "received_at"),
                ("seconds", "seconds_to_confirmation"),
                ("differences", "differences"),
                ("error", "error"),
            ];
            Ok(client::show(&reply, json, |value| view::list(value, "sales", &columns)))
        }
        SaleCommand::Show { sale, json } => {
            let reply = client::ask(adapters, config, Request::SaleShow { name: sale })?;
            Ok(client::show(&reply, json, shown))
        }
        SaleCommand::Act { sale, action, reason, by, json } => {
            let action = match action {
                Action::Recheck => SaleAct::Recheck,
                Action::Force => SaleAct::Force,
                Action::Decline => SaleAct::Decline,
                Action::Release => SaleAct::Release,
                Action::Change { words } => SaleAct::Change(words.join(" ")),
                Action::Ask { words } => SaleAct::Ask(words.join(" ")),
                Action::AskAgain => SaleAct::AskAgain,
                Action::HandOver => SaleAct::HandOver,
            };
            let request = Request::SaleAct { name: sale, action, by: client::who(&by), reason };
            let reply = client::ask(adapters, config, request)?;
            Ok(client::show(&reply, json, |value| view::list(value, "walked", &STEPS)))
        }
        SaleCommand::Answers { limit, json } => {
            let drawer = Some("order-answer-unknown".to_string());
            let reply = client::ask(adapters, config, Request::MailList { drawer, order: None, limit })?;
            let columns =
                [("id", "id"), ("from", "from"), ("name", "subject"), ("at", "received_at"), ("reason", "reason")];
            Ok(client::show(&reply, json, |value| view::list(value, "mails", &columns)))
        }
    }
}

const STEPS: [(&str, &str); 6] =
    [("at", "at"), ("step", "step"), ("to", "to"), ("answer", "answer"), ("by", "by"), ("note", "note")];

/// One sale for a person.
fn shown(value: &Json) -> String {
    let sale = &value["sale"];
    let mut out = String::new();
    for (title, key) in [
        ("sale", "id"),
        ("customer", "customer"),
        ("order number", "number"),
        ("called", "order"),
        ("status", "status"),
        ("since", "entered_at"),
        ("received", "received_at"),
        ("seconds to confirmation", "seconds_to_confirmation"),
        ("canceled because", "canceled_because"),
        ("error", "error"),
    ] {
        if !sale[key].is_null() {
            out.push_str(&format!("{title:<24} {}\n", view::word(&sale[key])));
        }
    }
    out.push_str("\nPath\n");
    out.push_str(&view::list(sale, "history", &STEPS));
    out.push_str("\n\nWanted\n");
    out.push_str(&view::said(&sale["wanted"]));
    for (title, key, columns) in [
        ("Faults", "faults", &[("code", "code"), ("position", "position"), ("message", "message")][..]),
        (
            "Handed over",
            "hand_overs",
            &[
                ("key", "key"),
                ("what", "what"),
                ("tries", "tries"),
                ("next try", "next_try"),
                ("handed", "handed_at"),
                ("said", "said"),
                ("error", "error"),
            ],
        ),
        (
            "Answers",
            "answers",
            &[("at", "at"), ("by", "by"), ("number", "reference"), ("not taken into account", "ignored")],
        ),
        (
            "Differences",
            "differences",
            &[
                ("code", "code"),
                ("line", "position"),
                ("article", "article"),
                ("wanted", "wanted"),
                ("confirmed", "confirmed"),
                ("within", "within"),
                ("impact", "impact"),
            ],
        ),
    ] {
        if sale[key].as_array().is_some_and(|rows| !rows.is_empty()) {
            out.push_str(&format!("\n\n{title}\n"));
            out.push_str(&view::list(sale, key, columns));
        }
    }
    if !sale["confirmation"].is_null() {
        out.push_str("\n\nConfirmed\n");
        let confirmation = &sale["confirmation"];
        out.push_str(&view::said(&confirmation["message"]));
    }
    out.push_str("\n\nMails\n");
    out.push_str(&view::list(
        value,
        "mails",
        &[("id", "id"), ("drawer", "drawer"), ("from", "from"), ("subject", "subject"), ("at", "received_at")],
    ));
    out.push_str("\n\nTransmissions\n");
    out + &view::list(
        value,
        "transmissions",
        &[("id", "id"), ("kind", "kind"), ("status", "status"), ("to", "to"), ("at", "created_at")],
    )
}
