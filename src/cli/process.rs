//! `postern process`: the tables of the business processes, for people and programs.

use std::io::Write;

use clap::{Args, ValueEnum};

use crate::process::{print, sale};

/// Prints a process: its statuses and every row of its table.
#[derive(Args, Debug)]
pub struct Arguments {
    #[arg(long, value_enum, default_value_t = Table::Response)]
    table: Table,
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Table {
    /// Partners answer orders.
    Response,
    /// Customers order by mail.
    Sale,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// The table, to be read beside the reference.
    Markdown,
    /// A state diagram.
    Mermaid,
    /// `{v, statuses, rows}`.
    Json,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let text = match (arguments.table, arguments.format) {
        (Table::Response, Format::Markdown) => print::markdown(),
        (Table::Response, Format::Mermaid) => print::mermaid(),
        (Table::Response, Format::Json) => serde_json::to_string_pretty(&print::json())? + "\n",
        (Table::Sale, Format::Markdown) => sale::print::markdown(),
        (Table::Sale, Format::Mermaid) => sale::print::mermaid(),
        (Table::Sale, Format::Json) => serde_json::to_string_pretty(&sale::print::json())? + "\n",
    };
    // A reader that closed the pipe has seen enough.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(super::DONE)
}
