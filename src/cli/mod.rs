//! The command line: one file a command, each with its arguments and a `run`.
//!
//! Habits that scripts rely on: with `--json`, JSON alone on stdout; logs on stderr; exit 0 done,
//! 1 complaints (something was found or refused), 2 usage.

pub mod client;
pub mod config;
pub mod demo;
pub mod document;
pub mod explain;
pub mod load;
pub mod mail;
pub mod mapping;
pub mod operate;
pub mod order;
pub mod process;
pub mod response;
pub mod restore;
pub mod run;
pub mod sale;
pub mod template;
pub mod transmission;
pub mod view;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use futures_util::future::BoxFuture;

use crate::config::{Loaded, MailboxConfig};
use crate::gateway::Reader;
use crate::store::{Store, StoreError};
use crate::wire::order_system::OrderSystem;
use crate::wire::{Mailbox, Relay};

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
    /// The business process: its statuses and every row of its table.
    Process(process::Arguments),
    /// What a code in a complaint, letter or alarm means.
    Explain(explain::Arguments),
    /// Letters: previews, lint, variables.
    Template(template::TemplateArgs),
    /// The whole story on loopback: mail servers, partners and an approver inside this program.
    Demo(demo::DemoArgs),
    /// Measure the whole chain, from the mailbox to the relay, beside the same chain without work.
    Load(load::LoadArgs),
    /// Run the gateway until it is told to stop (SIGTERM); SIGHUP reloads.
    Run(run::RunArgs),
    /// Check configuration, mappings, templates and secrets.
    Check(config::CheckArgs),
    /// The configuration explained.
    Config(config::ConfigArgs),
    /// Register, list, show, cancel, dispatch and merge orders.
    Order(order::OrderArgs),
    /// List and show responses, and act on them.
    Response(response::ResponseArgs),
    /// Orders by mail: list and show customers' orders, and act on them.
    Sale(sale::SaleArgs),
    /// List and show transmissions; resend, cancel or mark them as sent.
    Transmission(transmission::TransmissionArgs),
    /// How the gateway is doing.
    Status(operate::StatusArgs),
    /// What a person must look at.
    Alarm(operate::AlarmArgs),
    /// Who did what: the log, chained by hashes.
    Audit(operate::AuditArgs),
    /// Write a consistent copy of the store while work goes on.
    Backup(operate::BackupArgs),
    /// Make a backup the data folder of a gateway that has none yet, and check it.
    Restore(restore::RestoreArgs),
    /// Reload configuration, mappings and templates, all or nothing.
    Reload(operate::ReloadArgs),
}

/// Opens the store that the configuration names.
pub type OpenStore = fn(&Loaded) -> Result<Arc<dyn Store>, StoreError>;
/// Opens one of the configured mailboxes.
pub type OpenMailbox = fn(&Loaded, &MailboxConfig) -> Result<Box<dyn Mailbox>, String>;
/// Opens the configured relay.
pub type OpenRelay = fn(&Loaded) -> Result<Arc<dyn Relay>, String>;

/// Opens the configured order system; `None` when there is none, or when it is reached by mail.
pub type OpenOrderSystem = for<'a> fn(&'a Loaded) -> BoxFuture<'a, Result<Option<Arc<dyn OrderSystem>>, String>>;

/// What stands behind the traits; `main` fills it in.
pub struct Adapters {
    pub open_store: OpenStore,
    pub mailbox: OpenMailbox,
    pub relay: OpenRelay,
    pub order_system: OpenOrderSystem,
    pub reader: fn(&Loaded) -> Reader,
    /// What cannot be seen in the configuration's text: URLs, secrets, files.
    pub check: fn(&Loaded) -> Vec<String>,
}

/// How progress is shown where one waits; nothing of it on a pipe.
pub fn bar_style() -> indicatif::ProgressStyle {
    let plain = indicatif::ProgressStyle::default_bar;
    plain().template("{msg} {wide_bar} {pos}/{len} {eta}").unwrap_or_else(|_| plain())
}

/// Done: nothing to complain about.
pub const DONE: u8 = 0;
/// Something was found or refused; it was said on stderr or in the JSON.
pub const COMPLAINTS: u8 = 1;
/// The command line or configuration cannot be used.
pub const USAGE: u8 = 2;

/// Parses the command line and runs the command.
pub fn main(adapters: &Adapters) -> ExitCode {
    crate::drill::arm();
    quiet_pipes();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { DONE });
        }
    };
    match run(cli, adapters) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("postern: {error:#}");
            if wants_json() {
                println!("{}", complaint(&format!("{error:#}")));
            }
            ExitCode::from(COMPLAINTS)
        }
    }
}

/// Whether a script reads the answer.
fn wants_json() -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let format = |pair: &[String]| matches!(pair, [name, value] if name == "--format" && value == "json");
    arguments.iter().any(|argument| argument == "--json" || argument == "--format=json")
        || arguments.windows(2).any(format)
}

/// What went wrong, for a script: in the form of `check`.
fn complaint(words: &str) -> String {
    let complaint = crate::diagnostic::Diagnostic::error("CLI001", words);
    serde_json::json!({"v": 1, "ok": false, "diagnostics": [complaint]}).to_string()
}

/// Whoever reads us may stop reading (`postern ... | head`): that is no mistake of anybody's.
fn quiet_pipes() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.to_string().contains("Broken pipe") {
            std::process::exit(i32::from(DONE));
        }
        usual(panic);
    }));
}

fn run(cli: Cli, adapters: &Adapters) -> anyhow::Result<u8> {
    let file = &cli.config;
    match cli.command {
        Command::Mail(args) => mail::run(args, adapters, file),
        Command::Reader(arguments) => document::serve(&arguments),
        Command::Mapping(arguments) => mapping::run(&arguments, adapters, file),
        Command::Process(arguments) => process::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Template(args) => template::run(args),
        Command::Demo(args) => demo::run(&args, adapters),
        Command::Load(args) => load::run(&args, adapters, file),
        Command::Run(args) => run::run(args, adapters, file),
        Command::Check(args) => config::check(args, adapters, file),
        Command::Config(args) => config::run(args),
        Command::Order(args) => order::run(args, adapters, file),
        Command::Response(args) => response::run(args, adapters, file),
        Command::Sale(args) => sale::run(args, adapters, file),
        Command::Transmission(args) => transmission::run(args, adapters, file),
        Command::Status(args) => operate::status(args, adapters, file),
        Command::Alarm(args) => operate::alarm(args, adapters, file),
        Command::Audit(args) => operate::audit(args, adapters, file),
        Command::Backup(args) => operate::backup(args, adapters, file),
        Command::Restore(args) => restore::run(&args, adapters, file),
        Command::Reload(args) => operate::reload(&args, adapters, file),
        Command::Document(arguments) => document::run(&arguments),
    }
}

/// Where connections live. Looking, deciding and writing have threads of their own, which are awake whenever mails come:
/// a worker on every core would only be woken to find its work taken (measured by `scripts/load`: half the cores cost
/// 5 % less than all).
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads((cores / 2).max(1)).enable_all().build()
}

/// Logs go to stderr. `RUST_LOG` narrows them; what a library says of its own dialogue (passwords among it)
/// is never logged below `warn`.
pub(crate) fn log(json: bool) {
    use tracing_subscriber::{EnvFilter, fmt};
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into());
    let filter = EnvFilter::try_new(format!(
        "{wanted},async_imap=warn,imap_proto=warn,lettre=warn,rustls=warn,hyper=warn,html5ever=error,selectors=warn"
    ))
    .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call (tests) changes nothing.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
