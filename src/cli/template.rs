//! `postern template`: what mails look like, what may be said in them, what is wrong with a folder of them.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::diagnostic::Diagnostic;
use crate::mail::Address;
use crate::mail::encode::{Automatic, Enclosure, Outgoing};
use crate::model::{TransmissionId, TransmissionKind};
use crate::template::{self, Templates, Words, example};

#[derive(Args, Debug)]
pub struct TemplateArgs {
    #[command(subcommand)]
    command: TemplateCommand,
}

#[derive(Subcommand, Debug)]
enum TemplateCommand {
    /// Writes a letter from an invented order: the text to the terminal, or all parts into a folder.
    Preview {
        /// A letter (`confirm_response`), a transmission type (`CONFIRM_RESPONSE`), or `all`.
        letter: String,
        #[arg(long, default_value = "en", value_name = "CODE")]
        lang: String,
        /// A folder of letters over the builtin ones.
        #[arg(long, value_name = "DIR")]
        templates: Option<PathBuf>,
        /// Writes NAME.eml, NAME.txt and NAME.html here, and NAME.pdf where paper goes along.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Writes a JSON list of {name, subject, text, html} to stdout.
        #[arg(long, conflicts_with = "out")]
        json: bool,
    },
    /// Compiles all letters and writes every example: wrong variables, missing words and blocks are found.
    Lint {
        /// A folder of letters over the builtin ones; without it the builtin ones.
        dir: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// What a letter may say: its variables.
    Variables {
        /// A letter (`confirm_response`) or a transmission type; all without it.
        letter: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: TemplateArgs) -> anyhow::Result<u8> {
    match args.command {
        TemplateCommand::Preview { letter, lang, templates, out, json } => {
            let templates = match templates {
                None => Templates::builtin(),
                Some(dir) => match Templates::load(&dir) {
                    Ok(templates) => templates,
                    Err(complaints) => {
                        complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
                        return Ok(super::COMPLAINTS);
                    }
                },
            };
            preview(&templates, &letter, &lang, out, json)
        }
        TemplateCommand::Lint { dir, json } => lint(dir.as_deref(), json),
        TemplateCommand::Variables { letter, json } => variables(letter.as_deref(), json),
    }
}

fn preview(templates: &Templates, wanted: &str, lang: &str, out: Option<PathBuf>, json: bool) -> anyhow::Result<u8> {
    if !templates.languages().iter().any(|one| one == lang) {
        eprintln!("postern: there is no language `{lang}`; there are {}", templates.languages().join(", "));
        return Ok(super::USAGE);
    }
    let name = wanted.to_lowercase();
    let wanted_one = |one: &str, letter: &str| name == "all" || one == name || letter == name;
    let examples = example::all().into_iter().filter(|one| wanted_one(&one.name, one.letter_name()));
    let sales = example::sales().into_iter().filter(|one| wanted_one(&one.name, one.letter_name()));
    let mut written: Vec<Previewed> = Vec::new();
    for example in examples {
        let example = example.in_language(lang);
        let letter = example.letter();
        let words = templates.write(&letter);
        let to = letter.reply_to.map(str::to_string);
        written.push(Previewed {
            name: example.name.clone(),
            words,
            id: letter.owed.id,
            reply_to: to,
            now: letter.now,
            pdf: None,
        });
    }
    for example in sales {
        let letter = example.in_language(lang);
        let (name, letter) = (letter.name, letter.letter);
        let words = templates.write_sale(&letter);
        let is_paper = letter.kind == TransmissionKind::SendOrderConfirmation;
        let pdf = if is_paper { Some(templates.confirmation_pdf(&letter).map_err(|why| anyhow!(why))?) } else { None };
        written.push(Previewed {
            name,
            words,
            id: letter.transmission,
            reply_to: letter.reply_to,
            now: letter.now,
            pdf,
        });
    }
    if written.is_empty() {
        eprintln!("postern: there is no letter `{wanted}`; there are all, {}", letters().join(", "));
        return Ok(super::USAGE);
    }
    let mut listed = Vec::new();
    for example in written {
        let words = match &example.words {
            Ok(words) => words.clone(),
            Err(complaint) => {
                eprintln!("{}", complaint.draw(templates.source(&complaint.file), false));
                return Ok(super::COMPLAINTS);
            }
        };
        match (&out, json) {
            (Some(dir), _) => {
                std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
                let mail = mail(&words, &example)?;
                let parts =
                    [("eml", mail), ("txt", with_subject(&words).into_bytes()), ("html", words.html.into_bytes())];
                let paper = example.pdf.iter().map(|bytes| ("pdf", bytes.clone()));
                for (ending, bytes) in parts.into_iter().chain(paper) {
                    let path = dir.join(format!("{}.{ending}", example.name));
                    std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
                    eprintln!("{}", path.display());
                }
            }
            (None, true) => listed.push(serde_json::json!({
                "name": example.name, "subject": words.subject, "text": words.text, "html": words.html
            })),
            (None, false) => say(&with_subject(&words)),
        }
    }
    if json {
        say(&serde_json::json!({ "v": 1, "letters": listed }).to_string());
    }
    Ok(super::DONE)
}

/// A letter of an invented order, written.
struct Previewed {
    name: String,
    words: Result<Words, Diagnostic>,
    id: TransmissionId,
    reply_to: Option<String>,
    now: Timestamp,
    /// The order confirmation on paper.
    pdf: Option<Vec<u8>>,
}

/// The mail as it would go out, from and to invented addresses.
fn mail(words: &Words, letter: &Previewed) -> anyhow::Result<Vec<u8>> {
    let address = |address: &str| Address { name: None, address: address.to_string() };
    let outgoing = Outgoing {
        from: address("orders@gateway.example"),
        to: vec![address("reader@example.com")],
        reply_to: letter.reply_to.as_deref().map(address),
        subject: words.subject.clone(),
        date: letter.now,
        message_id: format!("{}.preview@gateway.example", letter.id),
        automatic: Automatic::Generated,
        text: words.text.clone(),
        html: Some(words.html.clone()),
        enclosures: letter.pdf.iter().map(|pdf| enclosed(pdf)).collect(),
        ..Outgoing::default()
    };
    Ok(outgoing.build(None)?)
}

fn enclosed(pdf: &[u8]) -> Enclosure {
    Enclosure { name: "confirmation.pdf".into(), media_type: "application/pdf".into(), bytes: pdf.to_vec() }
}

/// A reader that has seen enough (`| head`) is no error.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn with_subject(words: &Words) -> String {
    format!("Subject: {}\n\n{}", words.subject, words.text)
}

fn letters() -> Vec<String> {
    let mut names: Vec<String> = example::all().iter().map(|example| example.letter_name().to_string()).collect();
    names.extend(example::sales().iter().map(|example| example.letter_name().to_string()));
    names.dedup();
    names
}

fn lint(dir: Option<&std::path::Path>, json: bool) -> anyhow::Result<u8> {
    let (templates, complaints) = match template::lint(dir) {
        Ok((templates, complaints)) => (Some(templates), complaints),
        Err(complaints) => (None, complaints),
    };
    if json {
        say(&serde_json::json!({ "v": 1, "diagnostics": complaints }).to_string());
    } else {
        let source = |complaint: &Diagnostic| {
            templates.as_ref().map_or(String::new(), |templates| templates.source(&complaint.file).to_string())
        };
        for complaint in &complaints {
            say(&format!("{}\n", complaint.draw(&source(complaint), false)));
        }
        match complaints.len() {
            0 => say("all letters are sound"),
            1 => say("1 complaint"),
            n => say(&format!("{n} complaints")),
        }
    }
    Ok(if complaints.is_empty() { super::DONE } else { super::COMPLAINTS })
}

fn variables(letter: Option<&str>, json: bool) -> anyhow::Result<u8> {
    let name = letter.map(str::to_lowercase);
    if let Some(name) = &name
        && !letters().contains(name)
    {
        eprintln!("postern: there is no letter `{name}`; there are {}", letters().join(", "));
        return Ok(super::USAGE);
    }
    let variables = template::variables(name.as_deref());
    if json {
        say(&serde_json::json!({ "v": 1, "variables": variables }).to_string());
        return Ok(super::DONE);
    }
    let width = variables.iter().map(|variable| variable.name.len()).max().unwrap_or(0);
    for variable in variables {
        say(&format!("{:width$}  {}", variable.name, variable.meaning));
    }
    Ok(super::DONE)
}
