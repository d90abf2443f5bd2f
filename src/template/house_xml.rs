//! An order as the house's own XML, through a template of the admin's: for order systems that do not take UBL.
//!
//! The template is [minijinja](https://docs.rs/minijinja); every value is escaped for XML, and what comes out must be
//! well-formed or nothing is handed over. Its variables:
//!
//! | variable | what it is |
//! |---|---|
//! | `key` | the idempotency key: the same for every try |
//! | `sale` | our number of the order, `S12` |
//! | `document` | `order`, or `cancellation` where it is taken back |
//! | `reason` | why it is taken back |
//! | `customer.id`, `customer.name` | the customer in the configuration |
//! | `order.FIELD` | each field of the head by its name in mappings: `order.order_number`, `order.currency`, `order.delivery_address` ... |
//! | `lines[].FIELD` | each field of a line: `line.position`, `line.supplier_sku`, `line.quantity`, `line.price_net` ... |
//!
//! A field that the order does not state is none (`{% if order.note %}`); a misspelt one is an error with its place.
//! Numbers are written `12.50`, dates `2026-12-21`. Filters: `lines_of` splits an address into its lines.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::date;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value as Shown, context};
use rust_decimal::Decimal;

use crate::diagnostic::Diagnostic;
use crate::model::message::Where;
use crate::model::{Field, Message, MessageKind, Place, Said, Value};

/// Instructions that one order may take: ten thousand lines of forty fields.
const FUEL: u64 = 50_000_000;
const BYTES_MAX: usize = 32 << 20;
const NAME: &str = "order.xml";

/// A compiled template.
#[derive(Clone, Debug)]
pub struct HouseXml {
    environment: Environment<'static>,
    path: String,
    text: String,
}

/// What the order itself does not say.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    pub key: &'a str,
    pub sale: &'a str,
    pub customer: (&'a str, &'a str),
    /// The order is taken back, for this reason.
    pub cancels: Option<&'a str>,
}

impl HouseXml {
    /// Compiles a template and writes two invented orders with it, a full one and a bare one: what does not come out as XML
    /// is found here and not when a customer waits. `path` names the file in complaints.
    pub fn compile(path: &str, text: &str) -> Result<HouseXml, Diagnostic> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        // Lines of tags alone leave nothing behind.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_auto_escape_callback(|_| AutoEscape::Custom(Cow::Borrowed("xml")));
        environment.set_formatter(|out, _, value| {
            if value.is_undefined() {
                return Err(Error::from(ErrorKind::UndefinedError));
            }
            let written = match value.as_str() {
                _ if value.is_none() => Ok(()),
                Some(text) => escape(text, out),
                None => escape(&value.to_string(), out),
            };
            written.map_err(Error::from)
        });
        environment.add_filter("lines_of", |text: Option<String>| -> Vec<String> {
            let text = text.unwrap_or_default();
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect()
        });
        let mut own = HouseXml { environment, path: path.to_string(), text: text.to_string() };
        if let Err(error) = own.environment.add_template_owned(NAME, text.to_string()) {
            return Err(own.complaint(&error));
        }
        let envelope = Envelope { key: "S12-1", sale: "S12", customer: ("ek", "Ek & Söner <AB>"), cancels: None };
        own.write(&example(), envelope)?;
        own.write(&Message { lines: Vec::new(), fields: BTreeMap::new(), ..example() }, envelope)?;
        Ok(own)
    }

    /// The order as XML.
    pub fn write(&self, message: &Message, envelope: Envelope<'_>) -> Result<String, Diagnostic> {
        let template = self.environment.get_template(NAME).map_err(|error| self.complaint(&error))?;
        let lines: Vec<Shown> = message.lines.iter().map(|line| fields(line, Where::Line)).collect();
        let context = context! {
            key => envelope.key,
            sale => envelope.sale,
            document => if envelope.cancels.is_some() { "cancellation" } else { "order" },
            reason => envelope.cancels,
            customer => context! { id => envelope.customer.0, name => envelope.customer.1 },
            order => fields(&message.fields, Where::Head),
            lines => lines,
        };
        let xml = template.render(context).map_err(|error| self.complaint(&error))?;
        self.well_formed(&xml)?;
        Ok(xml)
    }

    fn well_formed(&self, xml: &str) -> Result<(), Diagnostic> {
        if xml.len() > BYTES_MAX {
            return Err(Diagnostic::error("TPL021", "the XML is larger than 32 MiB").in_file(&self.path));
        }
        let options = roxmltree::ParsingOptions { allow_dtd: false, ..roxmltree::ParsingOptions::default() };
        let Err(error) = roxmltree::Document::parse_with_options(xml, options) else { return Ok(()) };
        let row = error.pos().row as usize;
        let line: String = xml.lines().nth(row.saturating_sub(1)).unwrap_or_default().trim().chars().take(80).collect();
        let message = format!("what comes out is no XML: {error}");
        Err(Diagnostic::error("TPL021", message).in_file(&self.path).help(format!("it is the line `{line}`")))
    }

    /// An engine's error with its place in the file.
    fn complaint(&self, error: &Error) -> Diagnostic {
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
        let (code, message) = match error.kind() {
            ErrorKind::SyntaxError => ("TPL004", detail),
            ErrorKind::UndefinedError => ("TPL005", "there is no such variable or field".to_string()),
            ErrorKind::OutOfFuel => ("TPL006", "the template takes too long: a loop without end?".to_string()),
            _ => ("TPL007", detail),
        };
        let diagnostic = Diagnostic::error(code, message);
        match (error.range(), error.line()) {
            (Some(span), _) if self.text.get(span.clone()).is_some() => diagnostic.at(&self.path, &self.text, span),
            (_, Some(line)) => {
                let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
                let length = self.text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
                diagnostic.at(&self.path, &self.text, start..start + length)
            }
            _ => diagnostic.in_file(&self.path),
        }
    }
}

/// Every field that may stand there; none where nobody says it.
fn fields(said: &BTreeMap<Field, Said>, place: Where) -> Shown {
    let all = Field::ALL.iter().filter(|row| row.3 == place || row.3 == Where::Both);
    let named = all.map(|(field, name, ..)| {
        let value = said.get(field).map(|said| match &said.value {
            Value::Number(number) => number.normalize().to_string(),
            other => other.to_string(),
        });
        ((*name).to_string(), Shown::from(value))
    });
    Shown::from(named.collect::<BTreeMap<String, Shown>>())
}

/// XML 1.0 has no place for other control characters, not even escaped.
fn escape(text: &str, out: &mut impl std::fmt::Write) -> std::fmt::Result {
    for c in text.chars() {
        match c {
            '&' => out.write_str("&amp;")?,
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&apos;")?,
            '\t' | '\n' => out.write_char(c)?,
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.write_char(c)?,
        }
    }
    Ok(())
}

/// An order that states every field, with signs that XML minds.
fn example() -> Message {
    let mut message = Message::new(MessageKind::Order);
    let said = |field: Field| {
        use crate::model::message::FieldType as Type;
        let value = match field.field_type() {
            Type::Number => Value::Number(Decimal::new(1250, 2)),
            Type::Date => Value::Date(date(2026, 12, 21)),
            Type::Text => Value::Text("A & <B> \"C\"\nsecond line".to_string()),
            Type::Status | Type::State | Type::Schedule => return None,
        };
        Some(Said::new(value, "", "example", Place::whole("text")))
    };
    let of = |place: Where| -> BTreeMap<Field, Said> {
        let all = Field::ALL.iter().filter(|row| row.3 == place || row.3 == Where::Both);
        all.filter_map(|row| Some((row.0, said(row.0)?))).collect()
    };
    message.fields = of(Where::Head);
    message.lines = vec![of(Where::Line), of(Where::Line)];
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Auftrag schluessel="{{ key }}" kunde="{{ customer.id }}">
  <Nummer>{{ order.order_number }}</Nummer>
  {% if order.note %}
  <Bemerkung>{{ order.note }}</Bemerkung>
  {% endif %}
  {% for teil in order.delivery_address | lines_of %}
  <Anschrift>{{ teil }}</Anschrift>
  {% endfor %}
  {% for line in lines %}
  <Position nr="{{ line.position }}"><Artikel>{{ line.supplier_sku }}</Artikel><Menge>{{ line.quantity }}</Menge><Preis>{{ line.price_net }}</Preis></Position>
  {% endfor %}
</Auftrag>
"#;

    const ENVELOPE: Envelope<'_> = Envelope { key: "S1-1", sale: "S1", customer: ("ek", "Ek"), cancels: None };

    /// The order system refuses, or worse misreads, XML that a customer's words have broken.
    #[test]
    fn an_order_becomes_the_houses_xml() {
        let house = HouseXml::compile("erp.xml.j2", TEMPLATE).unwrap();
        let mut message = Message::new(MessageKind::Order);
        let mut put = |field, value: Value| {
            message.fields.insert(field, Said::new(value, "", "test", Place::whole("text")));
        };
        put(Field::OrderNumber, Value::Text("<&\"'\u{0}\u{b}7]]>".into()));
        put(Field::DeliveryAddress, Value::Text("Ek & Söner\n\n211 20 Malmö".into()));
        let number = |value| Said::new(Value::Number(value), "", "test", Place::whole("text"));
        message.lines.push(BTreeMap::from([
            (Field::Position, number(Decimal::from(10))),
            (Field::Quantity, number(Decimal::new(80, 1))),
        ]));
        let xml = house.write(&message, ENVELOPE).unwrap();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Auftrag schluessel=\"S1-1\" kunde=\"ek\">\n  <Nummer>&lt;&amp;&quot;&apos;7]]&gt;</Nummer>\n  \
            <Anschrift>Ek &amp; Söner</Anschrift>\n  <Anschrift>211 20 Malmö</Anschrift>\n  \
            <Position nr=\"10\"><Artikel></Artikel><Menge>8</Menge><Preis></Preis></Position>\n</Auftrag>";
        assert_eq!(xml, expected);
    }

    /// An admin must see a mistake when the gateway starts, not when the first order stands still.
    #[test]
    fn mistakes_are_found_at_once() {
        let cases = [
            ("<a>{{ order.order_numbr }}</a>", "TPL005", 1),
            ("<a>\n{% for line in lines %}\n</a>", "TPL004", 3),
            ("<a>{{ order.note }}</b>", "TPL021", 0),
            ("<a attr={{ key }}/>", "TPL021", 0),
            ("{{ key }}", "TPL021", 0),
            ("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "TPL021", 0),
            ("<a>{% for x in range(9999) %}{% for y in range(9999) %}{{ y }}{% endfor %}{% endfor %}</a>", "TPL006", 0),
            ("{% if order.note %}<a/>{% endif %}", "TPL021", 0),
        ];
        for (text, code, line) in cases {
            let complaint = HouseXml::compile("erp.xml.j2", text).unwrap_err();
            assert_eq!((complaint.code.as_str(), complaint.file.as_str()), (code, "erp.xml.j2"), "{text}: {complaint}");
            assert!(line == 0 || complaint.line == line, "{text}: {complaint}");
        }
    }
}
