//! The command line: one file a command, each with its arguments and a `run`.
//!
//! Habits that scripts rely on: with `--json`, JSON alone on stdout; logs on stderr; exit 0 done,
//! 1 complaints (something was found or refused), 2 usage.

pub mod document;
pub mod mail;
pub mod mapping;
pub mod template;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A mail-driven integration gateway: order responses and orders by e-mail.
#[derive(Parser, Debug)]
#[command(name = "postern", version, about, propagate_version = true)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, env = "POSTERN_CONFIG", value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// What a mail says: its parts, the visible reply, how a decision would be read.
    Mail(mail::MailArgs),
    /// What a reader of a file would see: lines, words and tables, as rules see them.
    Document(document::Arguments),
    #[command(name = crate::document::worker::COMMAND, hide = true)]
    Reader(document::ReaderArguments),
    /// Mappings: check, test, try, compare them.
    Mapping(mapping::Arguments),
    /// Letters: previews, lint, variables.
    Template(template::TemplateArgs),
}

/// Done: nothing to complain about.
pub const DONE: u8 = 0;
/// Something was found or refused; it was said on stderr or in the JSON.
pub const COMPLAINTS: u8 = 1;
/// The command line or configuration cannot be used.
pub const USAGE: u8 = 2;

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { DONE });
        }
    };
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("postern: {error:#}");
            ExitCode::from(COMPLAINTS)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Mail(args) => mail::run(args),
        Command::Document(arguments) => document::run(&arguments),
        Command::Reader(arguments) => document::serve(&arguments),
        Command::Mapping(arguments) => mapping::run(&arguments),
        Command::Template(args) => template::run(args),
    }
}
