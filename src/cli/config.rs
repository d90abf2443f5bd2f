//! `postern config example|schema|reference` and `postern check`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Adapters, COMPLAINTS, DONE, USAGE};
use crate::config::{self, Complaints, Loaded};
use crate::diagnostic::Diagnostic;
use crate::gateway::control;
use crate::gateway::desk::Request;
use crate::mapping::Library;
use crate::template::Templates;

#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// A complete, commented configuration.
    Example,
    /// The JSON Schema of postern.toml.
    Schema,
    /// Every key, what it means and its default, as Markdown.
    Reference,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    #[arg(long)]
    json: bool,
}

pub fn run(args: ConfigArgs) -> anyhow::Result<u8> {
    match args.command {
        ConfigCommand::Example => print!("{}", config::EXAMPLE),
        ConfigCommand::Schema => println!("{}", serde_json::to_string_pretty(&config::schema())?),
        ConfigCommand::Reference => print!("{}", config::reference()),
    }
    Ok(DONE)
}

/// Config, mappings, templates and secrets: everything that can be wrong before a mail comes.
pub fn check(args: CheckArgs, adapters: &Adapters, file: &Option<PathBuf>) -> anyhow::Result<u8> {
    let file = file.clone().unwrap_or_else(|| PathBuf::from("postern.toml"));
    let mut all: Vec<(String, Diagnostic)> = Vec::new();
    let loaded = match Loaded::read(&file) {
        Ok(loaded) => {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            all.extend(loaded.warnings.iter().map(|warning| (text.clone(), warning.clone())));
            Some(loaded)
        }
        Err(Complaints { text, list }) => {
            all.extend(list.into_iter().map(|d| (text.clone(), d)));
            None
        }
    };
    if let Some(loaded) = &loaded {
        let source = |d: Diagnostic| (std::fs::read_to_string(&d.file).unwrap_or_default(), d);
        let (_, found) = Library::load(&loaded.mappings_dir());
        all.extend(found.into_iter().map(source));
        if let Some(dir) = loaded.templates_dir()
            && let Err(found) = Templates::load(&dir)
        {
            all.extend(found.into_iter().map(source));
        }
        // What the running gateway saw in real mail.
        if let Some(Ok(reply)) = control::ask(&loaded.data_dir(), &Request::Status) {
            for warning in reply.value.get("warnings").and_then(Value::as_array).into_iter().flatten() {
                let warning = Diagnostic::warning("CFG047", warning.as_str().unwrap_or_default());
                all.push((String::new(), warning.in_file(&file.display().to_string())));
            }
        }
        for problem in (adapters.check)(loaded) {
            all.push((String::new(), Diagnostic::error("CFG040", problem).in_file(&file.display().to_string())));
        }
    }
    let errors = all.iter().filter(|(_, d)| d.is_error()).count();
    if args.json {
        let list: Vec<&Diagnostic> = all.iter().map(|(_, d)| d).collect();
        println!("{}", serde_json::to_string_pretty(&json!({"v": 1, "ok": errors == 0, "diagnostics": list}))?);
    } else {
        for (text, diagnostic) in &all {
            println!("{}\n", diagnostic.draw(text, false));
        }
        println!("{errors} errors, {} warnings", all.len() - errors);
    }
    Ok(match (loaded.is_some(), errors) {
        (_, 0) => DONE,
        (false, _) => USAGE,
        _ => COMPLAINTS,
    })
}
