//! `postern mail`: what a mail says, drawn for a person or a script. It must never change anything.

#![expect(clippy::indexing_slicing, reason = "reading a JSON value by a key that is not there gives null")]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Adapters, DONE, client, view};
use crate::gateway::desk::Request;
use crate::mail::decision::{self, Reading};
use crate::mail::{Mail, reply, sort};
use crate::model::{MailId, OrderNumber};

#[derive(Args, Debug)]
pub struct MailArgs {
    #[command(subcommand)]
    command: MailCommand,
}

#[derive(Subcommand, Debug)]
enum MailCommand {
    /// Lists the mails taken in, newest first.
    List {
        /// Only this drawer: response, decision, stranger, unreadable ...
        #[arg(long)]
        drawer: Option<String>,
        #[arg(long)]
        order: Option<String>,
        #[arg(long, default_value_t = 200)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// Reads a mail of the store anew, by the mappings as they are now.
    Rerun {
        id: MailId,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Shows a mail: subject, sender, text, attachments, the drawer it lies in.
    Show {
        /// A file, `-` for standard input, or the id of a mail in the store (M12).
        mail: String,
        #[arg(long)]
        json: bool,
    },
    /// Prints the visible reply: the author's new words alone.
    Reply {
        /// A file, `-` for standard input, or the id of a mail in the store (M12).
        mail: String,
    },
    /// Explains how a reply would be read as a decision, line by line.
    Decide {
        /// A file, `-` for standard input, or the id of a mail in the store (M12).
        mail: String,
        /// The language of the person who was asked; its words count first.
        #[arg(long, default_value = "en")]
        lang: String,
        #[arg(long)]
        json: bool,
    },
}

/// Runs `postern mail ...`.
pub fn run(args: MailArgs, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    match args.command {
        MailCommand::List { drawer, order, limit, json } => {
            let reply =
                client::ask(adapters, config, Request::MailList { drawer, order: order.map(OrderNumber), limit })?;
            let columns = [
                ("id", "id"),
                ("received", "received_at"),
                ("from", "from"),
                ("drawer", "drawer"),
                ("order", "order"),
                ("subject", "subject"),
                ("reason", "reason"),
            ];
            Ok(client::show(&reply, json, |value| view::list(value, "mails", &columns)))
        }
        MailCommand::Rerun { id, by, json } => {
            let reply = client::ask(adapters, config, Request::MailRerun { id, by: client::who(&by) })?;
            Ok(client::show(&reply, json, |value| {
                let mail = &value["mail"];
                format!(
                    "{} is now in {} {}",
                    view::word(&mail["id"]),
                    view::word(&mail["drawer"]),
                    view::word(&mail["reason"])
                )
            }))
        }
        MailCommand::Show { mail, json } => {
            let (raw, lies) = named(&mail, adapters, config)?;
            show(&Mail::parse(&raw), lies.as_ref(), json);
            Ok(DONE)
        }
        MailCommand::Reply { mail } => {
            let reply = reply::of_bytes(&named(&mail, adapters, config)?.0).visible;
            if !reply.is_empty() {
                println!("{reply}");
            }
            Ok(DONE)
        }
        MailCommand::Decide { mail, lang, json } => {
            let (raw, _) = named(&mail, adapters, config)?;
            explain(&decision::decide_mail(&Mail::parse(&raw), &lang), json);
            Ok(DONE)
        }
    }
}

/// The raw mail named on the command line, and where the store has it when it is an id.
fn named(mail: &str, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<(Vec<u8>, Option<Filed>)> {
    let id = mail.parse::<MailId>().ok().filter(|_| mail != "-" && !Path::new(mail).exists());
    let Some(id) = id else { return Ok((read(mail)?, None)) };
    let reply = client::ask(adapters, config, Request::MailRaw { id })?;
    let raw = reply.value["raw"].as_str().ok_or_else(|| anyhow::anyhow!("{}", reply.message))?;
    let word = |key: &str| view::word(&reply.value["record"][key]);
    let lies = Filed { drawer: word("drawer"), reason: word("reason") };
    Ok((base64::engine::general_purpose::STANDARD.decode(raw)?, Some(lies)))
}

/// The raw mail named on the command line: a path, or `-` for standard input.
pub fn read(source: &str) -> anyhow::Result<Vec<u8>> {
    let mut raw = Vec::new();
    match source {
        "-" => std::io::stdin().lock().read_to_end(&mut raw).context("standard input cannot be read")?,
        path => std::fs::File::open(Path::new(path))
            .and_then(|mut file| file.read_to_end(&mut raw))
            .with_context(|| format!("`{path}` cannot be read"))?,
    };
    Ok(raw)
}

/// Prints how a reply is read, as `mail decide` does.
pub fn explain(reading: &Reading, json: bool) {
    if json {
        println!("{:#}", json!({ "v": 1, "kind": reading.kind, "lines": reading.lines, "commands": reading.commands }));
        return;
    }
    for line in &reading.lines {
        println!("{:<50}  {}", line.text, line.read_as);
    }
    let kind = json!(reading.kind);
    println!("\n=> {}", kind.as_str().unwrap_or_default());
    for command in &reading.commands {
        println!("   {command}");
    }
}

/// Where a mail was filed and why, for those who know (the store).
#[derive(Clone, Debug)]
pub struct Filed {
    pub drawer: String,
    pub reason: String,
}

/// Prints a mail as `mail show` does.
pub fn show(mail: &Mail, filed: Option<&Filed>, json: bool) {
    match json {
        true => println!("{:#}", facts(mail, filed)),
        false => print!("{}", picture(mail, filed)),
    }
}

/// The JSON of `mail show`, as CONTRACTS.md has it.
pub fn facts(mail: &Mail, filed: Option<&Filed>) -> Value {
    let attachments: Vec<Value> = mail
        .attachments
        .iter()
        .map(|attachment| json!({ "name": attachment.name, "type": attachment.media_type, "size": attachment.bytes.len(), "sha256": attachment.sha256 }))
        .collect();
    json!({
        "v": 1,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "from": mail.from_address(),
        "date": mail.date.map(|date| date.to_string()),
        "text": mail.readable(),
        "attachments": attachments,
        "drawer": filed.map(|filed| &filed.drawer),
        "reason": filed.map(|filed| &filed.reason),
        "digest": mail.digest,
        "nature": sort::sort(mail),
        "faults": mail.faults,
    })
}

fn picture(mail: &Mail, filed: Option<&Filed>) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("{name:<12}{value}\n"));
        }
    };
    line("Subject", &mail.subject);
    for from in &mail.from {
        line("From", &format!("{} {}", from.name.as_deref().unwrap_or_default(), from.address));
    }
    line("To", &mail.to.iter().map(|to| to.address.as_str()).collect::<Vec<_>>().join(", "));
    line("Date", &mail.date.map(|date| date.to_string()).unwrap_or_default());
    line("Message-ID", mail.message_id.as_deref().unwrap_or_default());
    for attachment in &mail.attachments {
        let name = attachment.name.as_deref().unwrap_or("(no name)");
        line("Attachment", &format!("{name}, {}, {} bytes", attachment.media_type, attachment.bytes.len()));
    }
    if let Some(filed) = filed {
        line("Drawer", &format!("{}: {}", filed.drawer, filed.reason));
    }
    for fault in &mail.faults {
        line("Fault", &fault.to_string());
    }
    out.push('\n');
    out.push_str(&mail.readable());
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}
