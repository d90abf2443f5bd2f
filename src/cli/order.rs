//! `postern order add|list|show|cancel|dispatch|merge|release`.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Adapters, client, view};
use crate::gateway::desk::Request;
use crate::model::OrderNumber;

#[derive(Args, Debug)]
pub struct OrderArgs {
    #[command(subcommand)]
    command: OrderCommand,
}

#[derive(Subcommand, Debug)]
enum OrderCommand {
    /// Register orders: JSON files with one order or an array, or JSON Lines; `-` = standard input.
    Add {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// List the registered orders.
    List {
        /// Only numbers after this one.
        #[arg(long)]
        after: Option<String>,
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// One order: ordered, confirmed, backordered, canceled and announced per position, and its whole story.
    Show {
        number: String,
        #[arg(long)]
        json: bool,
    },
    /// The channel canceled the order.
    Cancel {
        number: String,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// A dispatch notice: {"order_number", "positions": [{"position", "quantity"}]}.
    Dispatch {
        file: PathBuf,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// The positions and open responses of one order go into another; whatever is open in both waits
    /// (WAIT_MERGE) until `order release`.
    Merge {
        /// The order that goes on.
        into: String,
        /// The order whose positions go into it.
        from: String,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// What waits for a merge goes on; it is checked again against the merged order.
    Release {
        number: String,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: OrderArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    let number = OrderNumber::new;
    match args.command {
        OrderCommand::Add { files, json } => {
            let mut worst = super::DONE;
            for file in files {
                let name = file.display().to_string();
                let text = match read(&file) {
                    Ok(text) => text,
                    Err(error) => {
                        eprintln!("{name}: {error}");
                        worst = super::COMPLAINTS;
                        continue;
                    }
                };
                let reply = client::ask(adapters, config, Request::OrderAdd { text, file: name })?;
                worst = worst.max(client::show(&reply, json, |value| {
                    let changed = view::rows(value, "orders").iter().filter(|row| row["changed"] == true).count();
                    format!("{} orders, {changed} new or changed", view::rows(value, "orders").len())
                }));
            }
            Ok(worst)
        }
        OrderCommand::List { after, limit, json } => {
            let reply = client::ask(adapters, config, Request::OrderList { after: after.map(OrderNumber), limit })?;
            let columns = [
                ("number", "order_number"),
                ("channel", "channel"),
                ("partners", "partners"),
                ("positions", "positions"),
                ("revision", "revision"),
                ("registered", "registered_at"),
            ];
            Ok(client::show(&reply, json, |value| view::list(value, "orders", &columns)))
        }
        OrderCommand::Show { number: n, json } => {
            let reply = client::ask(adapters, config, Request::OrderShow { number: number(n) })?;
            Ok(client::show(&reply, json, view::order))
        }
        OrderCommand::Cancel { number: n, by, json } => {
            let reply =
                client::ask(adapters, config, Request::OrderCancel { number: number(n), by: client::who(&by) })?;
            Ok(client::show(&reply, json, |_| "canceled".into()))
        }
        OrderCommand::Dispatch { file, by, json } => {
            let reply =
                client::ask(adapters, config, Request::OrderDispatch { text: read(&file)?, by: client::who(&by) })?;
            Ok(client::show(&reply, json, |_| "noted".into()))
        }
        OrderCommand::Merge { into, from, by, json } => {
            let reply = client::ask(
                adapters,
                config,
                Request::OrderMerge { first: number(into), second: number(from), by: client::who(&by) },
            )?;
            Ok(client::show(&reply, json, |value| {
                let moved = view::rows(value, "positions").iter();
                let moved =
                    moved.map(|row| format!("{} is now {}", view::word(&row["was"]), view::word(&row["position"])));
                format!("merged; positions: {}", moved.collect::<Vec<_>>().join(", "))
            }))
        }
        OrderCommand::Release { number: n, by, json } => {
            let reply =
                client::ask(adapters, config, Request::OrderRelease { number: number(n), by: client::who(&by) })?;
            Ok(client::show(&reply, json, |_| "released".into()))
        }
    }
}

fn read(file: &PathBuf) -> std::io::Result<String> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}
