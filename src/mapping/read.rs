//! One part by one mapping -> one message, with all faults at once.
//!
//! It must never choose the mapping (that is [`super::library`]) nor know the order.

use super::columns;
use super::interpret::{Unread, interpret};
use super::lines;
use super::record::Fragment;
use super::rule::{FieldRule, Mapping, Rows, Select, Source, Whence};
use super::select::{self, Around};
use super::table::{self, Found};
use super::view::View;
use crate::document::Part;
use crate::model::message::Where;
use crate::model::{Fault, FaultCode, Field, HeadState, Message, Place, Said, Value};

/// What one part says, as a mapping (or a standard) reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// `partner/layout`, or the standard's name.
    pub mapping: String,
    /// The part that was read.
    pub part: String,
    pub message: Message,
    pub faults: Vec<Fault>,
}

/// More faults than these are counted, not listed.
const FAULTS_MAX: usize = 500;

/// Gathers what could not be read.
#[derive(Default)]
pub struct Faults {
    list: Vec<Fault>,
    left_out: usize,
    /// The first currency that stood beside an amount.
    currency: Option<(&'static str, Fragment)>,
}

/// The words around the part: subject, file name, body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    pub subject: &'a str,
    pub filename: &'a str,
    pub body: Option<&'a Part>,
}

/// Reads one part.
pub fn read(mapping: &Mapping, part: &Part, around: &Surroundings<'_>) -> Reading {
    let mut faults = Faults::default();
    let mut message = Message::new(mapping.kind.message_kind());
    message.response_type = mapping.kind.response_type();
    message.habits = mapping.habits;
    let view = View::new(part);
    for fault in &part.faults {
        let text = format!("the part `{}` could not be read whole: {} ({})", part.name, fault.message, fault.code);
        faults.unreadable(text, Place::whole(part.name.clone()));
    }
    if view.cut {
        faults.unreadable(
            format!("the part `{}` is too long; the rest of it was not read", part.name),
            Place::whole(part.name.clone()),
        );
    }
    if view.rows.iter().all(|row| row.is_blank()) && mapping.source != Source::Xml {
        faults.unreadable(format!("the part `{}` holds no visible text", part.name), Place::whole(part.name.clone()));
        return Reading { mapping: mapping.name.clone(), part: part.name.clone(), message, faults: faults.finish() };
    }
    let body = around.body.map(View::new);
    let around = Around { subject: around.subject, filename: around.filename, body: body.as_ref() };
    for rule in &mapping.fields {
        if let Some(said) = head(mapping, rule, &view, &around, &mut faults) {
            message.fields.insert(rule.field, said);
        }
    }
    match &mapping.rows {
        Some(Rows::Table(rule)) if mapping.source == Source::Xml => {
            let (wanted, records) = super::elements::records(rule, &view);
            for (number, record) in records.iter().enumerate() {
                message.lines.push(columns::line(mapping, rule, &wanted, record, &view, number, &mut faults));
            }
        }
        Some(Rows::Table(rule)) => match table::records(mapping, rule, &view) {
            Found::Records(wanted, records) => {
                for (number, record) in records.iter().enumerate() {
                    message.lines.push(columns::line(mapping, rule, &wanted, record, &view, number, &mut faults));
                }
            }
            Found::NoHeads { .. } if stands_for_all(&message) => {}
            Found::NoHeads { missing, found, place } => faults.unreadable(no_heads(&missing, &found), place),
        },
        Some(Rows::Lines(rule)) => message.lines = lines::lines(mapping, rule, &view, &mut faults),
        None => {}
    }
    if mapping.rows.is_some() && message.lines.is_empty() && faults.list.is_empty() && !stands_for_all(&message) {
        faults.unreadable("no row was found that is a line of the order".into(), Place::whole(part.name.clone()));
    }
    currency(mapping, &mut message, &mut faults);
    Reading { mapping: mapping.name.clone(), part: part.name.clone(), message, faults: faults.finish() }
}

/// A head that says enough without lines: all accepted, all canceled, received.
fn stands_for_all(message: &Message) -> bool {
    matches!(message.state(), Some(HeadState::Accepted | HeadState::Canceled | HeadState::Received))
}

fn no_heads(missing: &[String], found: &[String]) -> String {
    if found.is_empty() {
        return format!("none of the column heads was found: `{}`", missing.join("`, `"));
    }
    format!("the column head `{}` was not found (`{}` were)", missing.join("`, `"), found.join("`, `"))
}

/// One field of the head: the first candidate that reads.
fn head(
    mapping: &Mapping,
    rule: &FieldRule,
    view: &View<'_>,
    around: &Around<'_>,
    faults: &mut Faults,
) -> Option<Said> {
    if let Select::Value(text) = &rule.select {
        let value = Value::parse(rule.field.field_type(), text).ok()?;
        return Some(Said::new(value, text.clone(), rule.rule.clone(), Place::default()));
    }
    let candidates = select::candidates(mapping, rule, view, around);
    let mut wrong: Option<(Fragment, Unread)> = None;
    for candidate in candidates {
        let fragment = Fragment { text: candidate.text, place: candidate.place };
        match interpret(mapping, rule.field, &fragment.text) {
            Ok(Some(read)) => {
                if let Some(currency) = read.currency {
                    faults.currency(currency, fragment.clone());
                }
                return Some(Said::new(read.value, fragment.text, rule.rule.clone(), fragment.place));
            }
            Ok(None) => {}
            Err(unread) => {
                wrong.get_or_insert((fragment, unread));
                // Which of two orders is meant, no other place may decide.
                if rule.field == Field::OrderNumber {
                    break;
                }
            }
        }
    }
    match wrong {
        Some((fragment, unread)) => faults.invalid(rule.field, None, &rule.rule, &fragment, unread),
        None if rule.required => {
            let part = match rule.whence {
                Whence::Subject => "subject".into(),
                Whence::Filename => "filename".into(),
                _ => view.part.name.clone(),
            };
            faults.missing(rule.field, None, &rule.rule, Place::whole(part));
        }
        None => {}
    }
    None
}

/// The currency: said, else beside an amount, else the usual one of `[formats]`.
fn currency(mapping: &Mapping, message: &mut Message, faults: &mut Faults) {
    let said = message.text(Field::Currency).map(str::to_string);
    match (said, faults.currency.take()) {
        (Some(said), Some((beside, fragment))) if said != beside => {
            let unread = Unread {
                reason: format!("it is in {beside}, and the head says {said}"),
                needed: format!("amounts in {said}"),
            };
            faults.invalid(Field::Currency, None, "the sign beside an amount", &fragment, unread);
        }
        (Some(_), _) => {}
        (None, Some((beside, fragment))) => {
            let value = Value::Text(beside.to_string());
            message
                .fields
                .insert(Field::Currency, Said::new(value, fragment.text, "the sign beside an amount", fragment.place));
        }
        (None, None) => {
            if let Some(usual) = &mapping.formats.currency {
                let said = Said::new(Value::Text(usual.clone()), usual.clone(), "formats.currency", Place::default());
                message.fields.insert(Field::Currency, said);
            }
        }
    }
}

impl Faults {
    fn push(&mut self, fault: Fault) {
        if self.list.len() < FAULTS_MAX {
            self.list.push(fault);
        } else {
            self.left_out += 1;
        }
    }

    /// A value that was found but cannot be read.
    pub fn invalid(&mut self, field: Field, line: Option<usize>, rule: &str, fragment: &Fragment, unread: Unread) {
        let read = shorten(&fragment.text);
        self.push(Fault {
            code: FaultCode::InvalidValue,
            message: format!("`{read}` cannot be read as {}: {} (rule {rule})", field.name(), unread.reason),
            position: None,
            line,
            field: Some(field),
            read: Some(read),
            needed: Some(unread.needed),
            place: Some(fragment.place.clone()),
        });
    }

    /// A value that a rule looked for and did not find.
    pub fn missing(&mut self, field: Field, line: Option<usize>, rule: &str, place: Place) {
        self.push(Fault {
            code: FaultCode::MissingField,
            message: format!("{} was not found: nothing fits {rule}", field.name()),
            position: None,
            line,
            field: Some(field),
            read: None,
            needed: Some(field.name().replace('_', " ")),
            place: Some(place),
        });
    }

    /// A line that names neither position nor product.
    pub fn reference(&mut self, line: usize, place: Place) {
        self.push(Fault {
            code: FaultCode::MissingField,
            message: "the line names neither a position nor a product".into(),
            position: None,
            line: Some(line),
            field: Some(Field::Position),
            read: None,
            needed: Some("the position or the article number".into()),
            place: Some(place),
        });
    }

    pub fn unreadable(&mut self, message: String, place: Place) {
        let code = FaultCode::Unreadable;
        self.push(Fault {
            code,
            message,
            position: None,
            line: None,
            field: None,
            read: None,
            needed: None,
            place: Some(place),
        });
    }

    /// A row among the lines that no pattern reads.
    pub fn unread_row(&mut self, line: usize, text: &str, place: Place) {
        self.push(Fault {
            code: FaultCode::Unreadable,
            message: format!(
                "the row `{}` looks like a line, but no pattern of [lines] reads it",
                shorten(text.trim())
            ),
            position: None,
            line: Some(line),
            field: None,
            read: Some(shorten(text.trim())),
            needed: None,
            place: Some(place),
        });
    }

    /// A currency that stood beside an amount; a second one that differs is a fault.
    pub fn currency(&mut self, currency: &'static str, fragment: Fragment) {
        match &self.currency {
            None => self.currency = Some((currency, fragment)),
            Some((first, _)) if *first == currency => {}
            Some((first, _)) => {
                let unread = Unread {
                    reason: format!("it is in {currency}, other amounts are in {first}"),
                    needed: format!("amounts in {first}"),
                };
                self.invalid(Field::Currency, None, "the sign beside an amount", &fragment, unread);
            }
        }
    }

    fn finish(mut self) -> Vec<Fault> {
        if self.left_out > 0 {
            let message = format!("{} more faults are not listed", self.left_out);
            self.list.push(Fault {
                code: FaultCode::Unreadable,
                message,
                position: None,
                line: None,
                field: None,
                read: None,
                needed: None,
                place: None,
            });
        }
        self.list
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 120 { text.to_string() } else { text.chars().take(119).chain(['…']).collect() }
}

/// Whether a field is of the head; for people who list them.
pub fn is_head(field: Field) -> bool {
    field.stands() != Where::Line
}
