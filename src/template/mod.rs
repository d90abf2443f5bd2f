//! What we owe, put into words: subject, text and HTML of one letter, in its reader's language.
//!
//! It must never know how a mail is encoded or sent, nor decide anything: it is given what the process
//! owes ([`Letter`]) and writes it ([`Templates::write`]).
//!
//! # How a letter is written
//! A letter is one file, `templates/LANG/LETTER.j2`, in a small part of Markdown with
//! [minijinja](https://docs.rs/minijinja) for values, conditions and loops. It is written **once**: the
//! text part and the HTML part are drawn from the same blocks, so their content is equal by construction.
//!
//! | written | becomes |
//! |---|---|
//! | `## Heading` | a heading |
//! | lines without a blank one between | a paragraph; `\` at the end of a line keeps the line end |
//! | `- item` | a list |
//! | `**words**` | strong in HTML, plain in text |
//! | `> words` | a quotation |
//! | `\| a \| b \|` over `\|---\|--:\|` | a table; `--:` sets numbers to the right; a column that is empty in every row is left out |
//! | ```` ``` ```` around lines | kept as it is, not wrapped |
//! | `[label](https://...)` | a link |
//! | `[[APPROVE 20]]` | a ready answer: a `mailto:` to the reply address with these words in its first line |
//!
//! Values are never markup, whatever they contain. Filters: `money(currency)`, `signed_money(currency)`,
//! `quantity(unit)`, `percent`, `days`, `date`, `time`, `lines` (numbers as `20, 30 and 40`), `list`,
//! `quote` (lines of somebody else's words), `verbatim`. Unknown variables are errors, not blanks.
//!
//! Each letter extends `letter.j2` and fills its blocks: `subject`, `lead` (the first lines), `body`,
//! `footer`. A partner or channel changes single blocks by a file of the same name that holds only these:
//! `partner/ID/LETTER.j2`, `channel/ID/LETTER.j2`, or below a folder of the language
//! (`partner/ID/de/LETTER.j2`); the partner's come before the channel's, `{{ super() }}` is the block
//! beneath. A new language is a new folder; what it lacks is taken from English, and the lint tells.
//! Tables stand in `shared/` and are put in by `{% include "deviations.j2" %}`; a language, partner or
//! channel may have its own. `frame.html` is the page around the HTML part.
//!
//! The variables are listed by [`variables`] (`postern template variables LETTER`).

mod confirmation;
mod deviation;
pub mod example;
mod example_sale;
mod fault;
pub mod house_xml;
mod html;
mod language;
mod lint;
mod markup;
mod paper;
pub mod sale;
mod sale_view;
pub(crate) mod sources;
mod text;
mod variables;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::Date};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use rust_decimal::Decimal;

use crate::diagnostic::{Diagnostic, line_column};
use crate::model::owed::About;
use crate::model::{Dossier, Owed, Policies, TransmissionKind};
use language::Language;
pub use lint::lint;
use sale::{SaleAbout, SaleLetter};
use sale_view::SaleView;
use sources::{Chain, Sources};
pub use variables::{Variable, variables};
use view::{Frame, View};

/// What is to be said, and all that may be said of it.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    pub owed: &'a Owed,
    pub dossier: &'a Dossier,
    pub policies: &'a Policies,
    /// As people type it: `7Q2K-9MXT-4CHB`.
    pub token: Option<&'a str>,
    /// Where answers go; ready answers are addressed to it.
    pub reply_to: Option<&'a str>,
    /// The partner's own mail, to be quoted.
    pub partner_words: Option<&'a str>,
    /// The ready block of REQUEST_NEW_RESPONSE.
    pub fill_in: Option<&'a str>,
    pub now: Timestamp,
}

impl Letter<'_> {
    /// The language its reader is written to in, as configured (a folder below `templates/`).
    pub fn language(&self) -> String {
        Frame::of(self).language
    }
}

/// A letter in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line, without control characters, at most 180 characters.
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// All letters in all languages, compiled; cheap to share.
#[derive(Clone)]
pub struct Templates {
    sources: Arc<Sources>,
    languages: Arc<BTreeMap<String, Compiled>>,
    /// The files whose letters may quote the partner's mail.
    quoting: Arc<BTreeSet<String>>,
}

struct Compiled {
    language: Arc<Language>,
    environment: Environment<'static>,
}

/// RFC 5322 allows 998 characters a line; no mail reader shows more than this.
const SUBJECT_CHARS_MAX: usize = 180;
/// Instructions that one letter may take: a thousand rows need about 200,000.
const FUEL: u64 = 5_000_000;
const FRAME: &str = "frame.html";

impl Templates {
    /// The letters that come with Postern.
    pub fn builtin() -> Templates {
        // The tests hold that these compile; were one broken, the letter would say so when it is written.
        Templates::compile(sources::builtin()).0
    }

    /// A folder's letters over the builtin ones; all or nothing.
    pub fn load(dir: &Path) -> Result<Templates, Vec<Diagnostic>> {
        let (templates, complaints) = Templates::compile(sources::load(dir)?);
        let errors: Vec<Diagnostic> = complaints.into_iter().filter(Diagnostic::is_error).collect();
        if errors.is_empty() { Ok(templates) } else { Err(errors) }
    }

    /// Everything that compiles, with complaints about the rest.
    fn compile(sources: Sources) -> (Templates, Vec<Diagnostic>) {
        let sources = Arc::new(sources);
        let mut complaints = Vec::new();
        let mut languages = BTreeMap::new();
        let read = |code: &str, english: Option<&Language>| {
            let path = format!("{code}/words.toml");
            let text = sources.get(&path).map_or("", String::as_str);
            Language::read(code, &path, text, english)
        };
        let english = match read("en", None) {
            Ok((english, _)) => english,
            Err(error) => {
                complaints.push(error);
                Language::default()
            }
        };
        for code in sources::languages(&sources) {
            match read(&code, Some(&english)) {
                Ok((language, warnings)) => {
                    complaints.extend(warnings);
                    let mut compiled = Compiled::new(language, &sources);
                    complaints.extend(compiled.check(&sources));
                    // A house writes few of the letters in few of the languages: these are compiled again when they
                    // are written first. All of them together take five megabytes.
                    compiled.environment.clear_templates();
                    languages.insert(code, compiled);
                }
                Err(error) => complaints.push(error),
            }
        }
        let quoting = Arc::new(sources::that_mention(&sources, "partner_words"));
        (Templates { sources, languages: Arc::new(languages), quoting }, complaints)
    }

    /// The languages at hand.
    pub fn languages(&self) -> Vec<String> {
        self.languages.keys().cloned().collect()
    }

    /// The text of a file, to draw a diagnostic with.
    pub fn source(&self, path: &str) -> &str {
        self.sources.get(path).map_or("", String::as_str)
    }

    /// A word of a language, by its dotted key (`verb.approve`); English where the language lacks it.
    pub fn word(&self, lang: &str, key: &str) -> Option<&str> {
        let compiled = self.languages.get(lang).or_else(|| self.languages.get("en"))?;
        compiled.language.get(key)
    }

    /// Whether a letter may quote the partner's mail: few do, and reading it takes time.
    pub fn quotes(&self, owed: &Owed) -> bool {
        file_of(owed).is_ok_and(|file| self.quoting.contains(file))
    }

    /// Writes a letter. An error names the file and the place; nothing is written half.
    pub fn write(&self, letter: &Letter<'_>) -> Result<Words, Diagnostic> {
        let frame = Frame::of(letter);
        let file = file_of(letter.owed)?;
        let compiled = self.languages.get(&frame.language).filter(|one| {
            let own = format!("{}/{file}", one.language.code);
            self.sources.contains_key(&own)
        });
        let compiled = compiled.or_else(|| self.languages.get("en"));
        let compiled = compiled.ok_or_else(|| Diagnostic::error("TPL002", "no English letters are at hand"))?;
        compiled.write(&self.sources, letter, &frame, file)
    }

    /// The order confirmation as a PDF, in the letter's language; the same letter gives the same bytes.
    pub fn confirmation_pdf(&self, letter: &SaleLetter) -> Result<Vec<u8>, String> {
        let compiled = self.languages.get(&letter.language).or_else(|| self.languages.get("en"));
        let compiled = compiled.ok_or("no English words are at hand")?;
        confirmation::pdf(letter, &compiled.language)
    }

    /// Writes a letter about an order by mail. Blocks of `channel/CUSTOMER/` stand over the language's.
    pub fn write_sale(&self, letter: &SaleLetter) -> Result<Words, Diagnostic> {
        let file = file_of_sale(letter)?;
        let own = |lang: &str| self.sources.contains_key(&format!("{lang}/{file}"));
        let compiled = self.languages.get(&letter.language).filter(|one| own(&one.language.code));
        let compiled = compiled.or_else(|| self.languages.get("en"));
        let compiled = compiled.ok_or_else(|| Diagnostic::error("TPL002", "no English letters are at hand"))?;
        compiled.write_sale(&self.sources, letter, file)
    }
}

/// The file of a letter about an order by mail.
fn file_of_sale(letter: &SaleLetter) -> Result<&'static str, Diagnostic> {
    use TransmissionKind as Kind;
    let missing = |what: &dyn std::fmt::Display| {
        Err(Diagnostic::error("TPL003", format!("there is no letter about an order by mail for {what}")))
    };
    let file = match (&letter.about, letter.kind) {
        (SaleAbout::Reminder { of_kind: Kind::ConfirmOrder, .. }, _) => "reminder_confirm_order.j2",
        (SaleAbout::Reminder { of_kind: Kind::RequestNewOrder, .. }, _) => "reminder_request_new_order.j2",
        (SaleAbout::Reminder { of_kind, .. }, _) => return missing(of_kind),
        (SaleAbout::Receipt(_), _) => "sale_receipt.j2",
        (SaleAbout::Withdrawal { .. }, _) => "sale_withdrawal.j2",
        (SaleAbout::Question { .. }, _) => "sale_question.j2",
        (SaleAbout::Faults(_) | SaleAbout::Declined { .. }, _) => "request_new_order.j2",
        (SaleAbout::Order, Kind::SendOrder) => "send_order.j2",
        (SaleAbout::Order, Kind::ConfirmOrder) => "confirm_order.j2",
        (SaleAbout::Order, Kind::SendOrderConfirmation) => "send_order_confirmation.j2",
        (SaleAbout::Order, other) => return missing(&other),
    };
    Ok(file)
}

/// The file of a letter.
fn file_of(owed: &Owed) -> Result<&'static str, Diagnostic> {
    let file = match (&owed.about, owed.kind) {
        (About::Reminder { of_kind, .. }, _) => match of_kind {
            TransmissionKind::RequestNewResponse => "reminder_request_new_response.j2",
            TransmissionKind::ConfirmResponse => "reminder_confirm_response.j2",
            TransmissionKind::SendOrderRecall => "reminder_send_order_recall.j2",
            other => return Err(Diagnostic::error("TPL003", format!("there is no letter that reminds of {other}"))),
        },
        (About::Unanswered { .. }, _) => "unanswered.j2",
        (About::Digest { answers, .. }, _) if !answers.is_empty() => "digest_receipt.j2",
        (About::Digest { .. }, _) => "digest.j2",
        (About::Receipt(_), _) => "receipt.j2",
        (About::Question { .. }, _) => "question.j2",
        (About::Withdrawal { .. }, _) => "withdrawal.j2",
        (About::Alarm { .. }, _) => "alarm.j2",
        (About::Recall { .. }, _) => "send_order_recall.j2",
        (About::Response, kind) => match kind {
            TransmissionKind::RequestNewResponse => "request_new_response.j2",
            TransmissionKind::ConfirmResponse => "confirm_response.j2",
            TransmissionKind::SendResponseInitial => "send_response_initial.j2",
            TransmissionKind::SendResponseContinuous => "send_response_continuous.j2",
            TransmissionKind::CreateDocuments => "create_documents.j2",
            other => return Err(Diagnostic::error("TPL003", format!("there is no letter for {other}"))),
        },
    };
    Ok(file)
}

impl Compiled {
    fn new(language: Language, sources: &Arc<Sources>) -> Compiled {
        let language = Arc::new(language);
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        environment.set_auto_escape_callback(|name| match name {
            FRAME => AutoEscape::Html,
            _ => AutoEscape::Custom(Cow::Borrowed("letter")),
        });
        environment.set_formatter(|out, state, value| {
            if value.is_undefined() {
                return Err(Error::from(ErrorKind::UndefinedError));
            }
            if matches!(state.auto_escape(), AutoEscape::Html) {
                return minijinja::escape_formatter(out, state, value);
            }
            let written = match value.as_str() {
                _ if value.is_none() => Ok(()),
                Some(text) if value.is_safe() => out.write_str(text),
                Some(text) => markup::escape(text, out),
                None => markup::escape(&value.to_string(), out),
            };
            written.map_err(Error::from)
        });
        environment.add_global("words", Value::from(Serde(&language.tree)));
        add_filters(&mut environment, &language);
        let (code, own) = (language.code.clone(), Arc::clone(sources));
        environment.set_path_join_callback(move |name, parent| {
            let Some(from) = Chain::parse(parent) else { return Cow::Borrowed(name) };
            let below = if from.file == name { from.level } else { 3 };
            let top = Chain { file: name, ..from }.top(below, &code, &own);
            top.map_or(Cow::Borrowed(name), |chain| Cow::Owned(chain.name()))
        });
        let (code, own) = (language.code.clone(), Arc::clone(sources));
        environment.set_loader(move |name| {
            if name == FRAME {
                return Ok(own.get(FRAME).cloned());
            }
            let Some(chain) = Chain::parse(name) else { return Ok(None) };
            let Some(path) = chain.path(&code, &own) else { return Ok(None) };
            Ok(own.get(&path).map(|text| format!("{}{}", extends(&chain, text), standalone(text))))
        });
        Compiled { language, environment }
    }

    fn write(
        &self,
        sources: &Sources,
        letter: &Letter<'_>,
        frame: &Frame<'_>,
        file: &str,
    ) -> Result<Words, Diagnostic> {
        let id = |owner: &str, id: Option<&str>| {
            let id = id.unwrap_or_default().to_string();
            let prefix = format!("{owner}/{id}/");
            let known = sources.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix));
            if known && !id.contains('|') { id } else { String::new() }
        };
        let channel = id("channel", frame.channel.map(|id| id.as_str()));
        let partner = id("partner", frame.partner.map(|id| id.as_str()));
        let chain = Chain { file, channel: &channel, partner: &partner, level: 0 };
        let chain = chain.top(3, &self.language.code, sources).unwrap_or(chain);
        let view = View::of(letter, frame, &self.language);
        self.render(sources, &chain, &view, view.reply_to.as_deref(), &frame.zone)
    }

    fn write_sale(&self, sources: &Sources, letter: &SaleLetter, file: &str) -> Result<Words, Diagnostic> {
        let prefix = format!("channel/{}/", letter.customer.0);
        let known = sources.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix));
        let channel = if known && !letter.customer.0.contains('|') { letter.customer.0.as_str() } else { "" };
        let chain = Chain { file, channel, partner: "", level: 0 };
        let chain = chain.top(3, &self.language.code, sources).unwrap_or(chain);
        let view = SaleView::of(letter, &self.language);
        self.render(sources, &chain, &view, view.reply_to.as_deref(), &sale_view::zone(letter))
    }

    fn render<V: serde::Serialize>(
        &self,
        sources: &Sources,
        chain: &Chain<'_>,
        view: &V,
        reply_to: Option<&str>,
        zone: &TimeZone,
    ) -> Result<Words, Diagnostic> {
        let complain = |error: Error| self.diagnostic(&error, sources);
        let template = self.environment.get_template(&chain.name()).map_err(complain)?;
        let context = minijinja::context! { zone => zone.iana_name().unwrap_or("UTC"), ..Value::from(Serde(view)) };
        let source = template.render(context).map_err(complain)?;
        let (subject, body) = markup::split_subject(&source);
        let subject = cut(&subject, SUBJECT_CHARS_MAX);
        let blocks = markup::parse(body);
        let answers = html::Answers { to: reply_to, subject: &subject };
        let content = html::render(&blocks, &answers);
        let page = self.environment.get_template(FRAME).map_err(complain)?;
        let html = page
            .render(minijinja::context! {
                lang => self.language.code.clone(),
                subject => subject.clone(),
                content => Value::from_safe_string(content),
            })
            .map_err(complain)?;
        Ok(Words { text: text::render(&blocks), html: html::ascii(html), subject })
    }

    /// Compiles every letter of the language, with the blocks of every partner and channel.
    fn check(&self, sources: &Sources) -> Vec<Diagnostic> {
        let mut complaints: Vec<Diagnostic> = Vec::new();
        let none = [String::new()];
        let (channels, partners) = (sources::owners(sources, "channel"), sources::owners(sources, "partner"));
        for file in sources::letters(sources).into_iter().chain(sources::tables(sources)) {
            let pairs = none.iter().chain(&channels).map(|channel| (channel.as_str(), ""));
            for (channel, partner) in pairs.chain(partners.iter().map(|partner| ("", partner.as_str()))) {
                let chain = Chain { file: &file, channel, partner, level: 0 };
                let Some(chain) = chain.top(3, &self.language.code, sources) else { continue };
                if let Err(error) = self.environment.get_template(&chain.name()) {
                    complaints.push(self.diagnostic(&error, sources));
                }
            }
        }
        if let Err(error) = self.environment.get_template(FRAME) {
            complaints.push(self.diagnostic(&error, sources));
        }
        complaints.dedup();
        complaints
    }

    /// An engine's error with its place in our file.
    fn diagnostic(&self, error: &Error, sources: &Sources) -> Diagnostic {
        // The innermost cause knows the place best.
        let mut innermost = error;
        let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
        while let Some(next) = cause {
            if let Some(next) = next.downcast_ref::<Error>().filter(|next| next.line().is_some()) {
                innermost = next;
            }
            cause = next.source();
        }
        let error = innermost;
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
        let (code, message) = match error.kind() {
            ErrorKind::SyntaxError => ("TPL004", detail),
            ErrorKind::UndefinedError => ("TPL005", detail),
            ErrorKind::OutOfFuel => ("TPL006", "the letter takes too long: a loop without end?".to_string()),
            _ => ("TPL007", detail),
        };
        let diagnostic = Diagnostic::error(code, message);
        let name = error.name().unwrap_or_default();
        let chain = Chain::parse(name);
        let path = match &chain {
            Some(chain) => chain.path(&self.language.code, sources),
            None => Some(name.to_string()),
        };
        let Some((path, text)) = path.and_then(|path| Some((path.clone(), sources.get(&path)?))) else {
            return diagnostic.in_file(name);
        };
        let before = chain.map_or(String::new(), |chain| extends(&chain, text));
        // The engine counts in the text that it was given.
        let given = format!("{before}{}", standalone(text));
        let trusted = |range: &std::ops::Range<usize>| Some(line_column(&given, range.start).0) == error.line();
        let shift = before.len();
        let span = error.range().filter(trusted);
        let span = span.map(|range| range.start.saturating_sub(shift)..range.end.saturating_sub(shift));
        match (span, error.line()) {
            (Some(span), _) => diagnostic.at(&path, text, span),
            (_, Some(line)) => {
                let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
                let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
                diagnostic.at(&path, text, start..start + length)
            }
            _ => diagnostic.in_file(&path),
        }
    }
}

/// A file with blocks of a partner or channel extends the one beneath without saying so.
fn extends(chain: &Chain<'_>, text: &str) -> String {
    if chain.level > 0 && !text.contains("{% extends") && !text.contains("{%- extends") {
        format!("{{% extends \"{}\" %}}", chain.file)
    } else {
        String::new()
    }
}

/// A line of tags alone leaves no line behind, as an admin expects: its line end moves into the last tag,
/// where it means nothing. Lengths and line numbers stay as they are.
fn standalone(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let tags = line.trim_end_matches('\n').trim_end();
        let mut rest = tags.trim_start();
        let mut alone = !rest.is_empty() && line.ends_with('\n');
        while alone && !rest.is_empty() {
            let end = [("{%", "%}"), ("{#", "#}")].iter().find_map(|(open, close)| {
                let inside = rest.strip_prefix(open)?;
                inside.split_once(close).map(|(_, after)| after.trim_start())
            });
            match end {
                Some(after) => rest = after,
                None => alone = false,
            }
        }
        let close = tags.len().saturating_sub(2);
        match (alone, tags.get(..close), tags.get(close..)) {
            (true, Some(head), Some(close)) if !head.ends_with(['-', '+']) => {
                out.push_str(head);
                out.push_str(line.get(tags.len()..).unwrap_or("\n"));
                out.push_str(close);
            }
            _ => out.push_str(line),
        }
    }
    out
}

/// At most so many characters, with an ellipsis where something was cut off.
fn cut(text: &str, most: usize) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn add_filters(environment: &mut Environment<'static>, language: &Arc<Language>) {
    let own = Arc::clone(language);
    environment.add_filter("money", move |value: &Value, currency: Option<&str>| {
        decimal(value, |amount| own.money(amount, currency.unwrap_or_default()))
    });
    let own = Arc::clone(language);
    environment.add_filter("signed_money", move |value: &Value, currency: Option<&str>| {
        decimal(value, |amount| own.signed_money(amount, currency.unwrap_or_default()))
    });
    let own = Arc::clone(language);
    environment.add_filter("quantity", move |value: &Value, unit: Option<&str>| {
        decimal(value, |quantity| match unit.filter(|unit| !unit.is_empty()) {
            Some(unit) => format!("{}\u{a0}{unit}", own.quantity(quantity)),
            None => own.quantity(quantity),
        })
    });
    let own = Arc::clone(language);
    environment.add_filter("percent", move |value: &Value| decimal(value, |percent| own.percent(percent)));
    let own = Arc::clone(language);
    environment.add_filter("days", move |days: i64| own.days(days));
    let own = Arc::clone(language);
    environment.add_filter("date", move |value: &Value| match value.as_str() {
        None if value.is_none() => Ok(String::new()),
        Some(text) => text.parse::<Date>().map(|date| own.date(date)).map_err(|_| wrong(value, "date")),
        None => Err(wrong(value, "date")),
    });
    let own = Arc::clone(language);
    environment.add_filter("time", move |state: &minijinja::State<'_, '_>, value: &Value| match value.as_str() {
        None if value.is_none() => Ok(String::new()),
        Some(text) => {
            let zone = state.lookup("zone").and_then(|zone| TimeZone::get(zone.as_str()?).ok());
            let at: Timestamp = text.parse().map_err(|_| wrong(value, "time"))?;
            Ok(own.time(at, &zone.unwrap_or(TimeZone::UTC)))
        }
        None => Err(wrong(value, "time")),
    });
    let own = Arc::clone(language);
    let list = move |items: Vec<Value>| own.list(&items.iter().map(ToString::to_string).collect::<Vec<_>>());
    environment.add_filter("lines", list.clone());
    environment.add_filter("list", list);
    environment.add_filter("quote", |lines: Vec<String>| {
        let mut out = String::new();
        for line in lines {
            out.push_str("> ");
            markup::escape(&line, &mut out).map_err(Error::from)?;
            out.push('\n');
        }
        Ok::<Value, Error>(Value::from_safe_string(out))
    });
    environment.add_filter("verbatim", |text: String| {
        let clean = |line: &str| -> String { line.chars().filter(|c| !c.is_control() || *c == '\t').collect() };
        let inside: Vec<String> =
            text.lines().map(clean).filter(|line| !line.trim_start().starts_with("```")).collect();
        Value::from_safe_string(format!("```\n{}\n```\n", inside.join("\n")))
    });
}

/// None stays blank; anything else must be a number.
fn decimal(value: &Value, write: impl Fn(Decimal) -> String) -> Result<String, Error> {
    if value.is_none() {
        return Ok(String::new());
    }
    let number = Decimal::from_str_exact(&value.to_string()).map_err(|_| wrong(value, "number"))?;
    Ok(write(number))
}

fn wrong(value: &Value, what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("`{value}` is no {what}"))
}
