//! `postern mail`: what a mail says, drawn for a person or a script. It must never change anything.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::DONE;
use crate::mail::decision::{self, Reading};
use crate::mail::{Mail, reply};

#[derive(Args, Debug)]
pub struct MailArgs {
    #[command(subcommand)]
    command: MailCommand,
}

#[derive(Subcommand, Debug)]
enum MailCommand {
    /// Shows a mail: subject, sender, text, attachments, the drawer it lies in.
    Show {
        /// A file, or `-` for standard input.
        mail: String,
        #[arg(long)]
        json: bool,
    },
    /// Prints the visible reply: the author's new words alone.
    Reply {
        /// A file, or `-` for standard input.
        mail: String,
    },
    /// Explains how a reply would be read as a decision, line by line.
    Decide {
        /// A file, or `-` for standard input.
        mail: String,
        /// The language of the person who was asked; its words count first.
        #[arg(long, default_value = "en")]
        lang: String,
        #[arg(long)]
        json: bool,
    },
}

/// Runs `postern mail ...`.
pub fn run(args: MailArgs) -> anyhow::Result<u8> {
    match args.command {
        MailCommand::Show { mail, json } => {
            let raw = read(&mail)?;
            show(&Mail::parse(&raw), None, json);
            Ok(DONE)
        }
        MailCommand::Reply { mail } => {
            let reply = reply::of_bytes(&read(&mail)?).visible;
            if !reply.is_empty() {
                println!("{reply}");
            }
            Ok(DONE)
        }
        MailCommand::Decide { mail, lang, json } => {
            explain(&decision::decide_mail(&Mail::parse(&read(&mail)?), &lang), json);
            Ok(DONE)
        }
    }
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
