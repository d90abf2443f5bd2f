//! `postern process`: the table of the business process, for people and programs.

use std::io::Write;

use clap::{Args, ValueEnum};

use crate::process::print;

/// Prints the process: its statuses and every row of its table.
#[derive(Args, Debug)]
pub struct Arguments {
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
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
    let text = match arguments.format {
        Format::Markdown => print::markdown(),
        Format::Mermaid => print::mermaid(),
        Format::Json => serde_json::to_string_pretty(&print::json())? + "\n",
    };
    // A reader that closed the pipe has seen enough.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(super::DONE)
}
