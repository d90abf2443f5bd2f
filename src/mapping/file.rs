//! A mapping file as TOML values that know their bytes, and the sink that gathers every complaint at
//! once. Knows TOML and carets; it must never know what a key means (that is [`super::check`]).

use std::ops::Range;

use regex::RegexBuilder;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::rule::{GroupPattern, Pattern};
use crate::diagnostic::{Diagnostic, nearest};
use crate::model::Field;

/// Longer mapping files are refused.
pub const FILE_BYTES_MAX: usize = 256 << 10;
/// Compiled size of one pattern; more is refused.
const PATTERN_BYTES_MAX: usize = 2 << 20;

/// A value with its bytes in the file.
pub type Value<'f> = Spanned<DeValue<'f>>;

/// Where complaints go.
pub struct Sink<'f> {
    pub file: &'f str,
    pub text: &'f str,
    pub found: Vec<Diagnostic>,
}

/// One table of the file, with the keys asked for so far.
pub struct Table<'t, 'f> {
    /// `[fields]` or `[fields] order_number`, for complaints.
    pub name: String,
    pub span: Range<usize>,
    entries: Vec<(&'t str, Range<usize>, &'t Value<'f>)>,
}

impl<'f> Sink<'f> {
    pub fn new(file: &'f str, text: &'f str) -> Sink<'f> {
        Sink { file, text, found: Vec::new() }
    }

    /// The file's tables; syntax errors are complaints, and what could be read goes on.
    pub fn parse(&mut self) -> Option<Spanned<DeTable<'f>>> {
        if self.text.len() > FILE_BYTES_MAX {
            self.found.push(
                Diagnostic::error("MAP019", format!("a mapping has at most {} KiB", FILE_BYTES_MAX >> 10))
                    .in_file(self.file),
            );
            return None;
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let d = Diagnostic::error("MAP001", format!("not TOML: {}", error.message().lines().next().unwrap_or("")));
            self.found.push(d.at(self.file, self.text, span).label("here"));
        }
        Some(table)
    }

    pub fn error(&mut self, code: &str, span: Range<usize>, message: impl Into<String>, label: impl Into<String>) {
        self.found.push(Diagnostic::error(code, message).at(self.file, self.text, span).label(label));
    }

    pub fn error_help(
        &mut self,
        code: &str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let mut d = Diagnostic::error(code, message).at(self.file, self.text, span).label(label);
        d.help = help;
        self.found.push(d);
    }

    /// The bytes in the file of bytes `inner` of a string value, for carets within it.
    pub fn within(&self, span: &Range<usize>, inner: Range<usize>) -> Range<usize> {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let quotes = ["'''", "\"\"\"", "'", "\""].iter().find(|q| written.starts_with(**q)).map_or(0, |q| q.len());
        let mut offset = quotes;
        if quotes == 3 {
            let body = written.get(3..).unwrap_or_default();
            offset += if body.starts_with("\r\n") { 2 } else { usize::from(body.starts_with('\n')) };
        }
        if !written.starts_with('"') {
            return span.start + offset + inner.start..span.start + offset + inner.end;
        }
        // Escapes make the written text longer than the value: count both at once.
        let (mut decoded, mut at) = (0, offset);
        let (mut start, mut end) = (None, None);
        let body = written.get(offset..).unwrap_or_default();
        let mut chars = body.char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            at = offset + i;
            if decoded >= inner.start {
                start.get_or_insert(at);
            }
            if decoded >= inner.end {
                end.get_or_insert(at);
            }
            if c == '\\' {
                let escape = chars.next().map_or('\\', |next| next.1);
                let digits = match escape {
                    'u' => 4,
                    'U' => 8,
                    'x' => 2,
                    _ => 0,
                };
                let code: String = chars.by_ref().take(digits).map(|next| next.1).collect();
                decoded += u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).map_or(1, char::len_utf8);
            } else {
                decoded += c.len_utf8();
            }
        }
        span.start + start.unwrap_or(at)..span.start + end.unwrap_or(at)
    }

    /// A table, or the complaint that it is none.
    pub fn table<'t, 'v>(&mut self, name: &str, value: &'t Value<'v>) -> Option<Table<'t, 'v>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Table::new(name, value.span(), table)),
            other => {
                self.wrong_kind(name, value.span(), "a table", other);
                None
            }
        }
    }

    pub fn string<'t>(&mut self, name: &str, value: &'t Value<'_>) -> Option<&'t str> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            other => {
                self.wrong_kind(name, value.span(), "a text in quotes", other);
                None
            }
        }
    }

    pub fn boolean(&mut self, name: &str, value: &Value<'_>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            other => {
                self.wrong_kind(name, value.span(), "true or false", other);
                None
            }
        }
    }

    /// A text, or a list of texts; at least one.
    pub fn strings<'t>(&mut self, name: &str, value: &'t Value<'_>) -> Option<Vec<(&'t str, Range<usize>)>> {
        match value.get_ref() {
            DeValue::String(text) => Some(vec![(text.as_ref(), value.span())]),
            DeValue::Array(list) => {
                let mut texts = Vec::new();
                for entry in list.iter() {
                    texts.push((self.string(name, entry)?, entry.span()));
                }
                if texts.is_empty() {
                    self.error("MAP004", value.span(), format!("`{name}` is an empty list"), "nothing in it");
                    return None;
                }
                Some(texts)
            }
            other => {
                self.wrong_kind(name, value.span(), "a text in quotes, or a list of them", other);
                None
            }
        }
    }

    pub fn wrong_kind(&mut self, name: &str, span: Range<usize>, wanted: &str, found: &DeValue<'_>) {
        let kind = found.type_str();
        let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let label = format!("this is {article} {kind}");
        self.error("MAP003", span, format!("`{name}` takes {wanted}"), label);
    }

    /// One word of a closed list.
    pub fn word<T: Copy>(&mut self, name: &str, value: &Value<'_>, known: &[(T, &'static str)]) -> Option<T> {
        let word = self.string(name, value)?;
        let found = known.iter().find(|row| row.1 == word).map(|row| row.0);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|row| row.1).collect();
            let help = match nearest(word, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", names.join(", ")),
            };
            self.error_help("MAP005", value.span(), format!("`{word}` is no {name}"), "not known", Some(help));
        }
        found
    }

    /// A field by its name; `span` is where the name stands.
    pub fn field(&mut self, name: &str, span: Range<usize>, code: &str) -> Option<Field> {
        let field = Field::from_name(name);
        if field.is_none() {
            let known = Field::ALL.iter().map(|row| row.1);
            let near = nearest(name, known.clone()).map(|near| vec![near]);
            // A part of the name: `sku`.
            let parts: Vec<&str> = known.filter(|known| known.split('_').any(|part| part == name)).collect();
            let near = Some(parts).filter(|parts| !parts.is_empty()).or(near);
            let help = near.map(|near| format!("did you mean `{}`?", near.join("` or `")));
            self.error_help(code, span, format!("`{name}` is no field of a message"), "not known", help);
        }
        field
    }

    /// A regular expression; multi-line, so that `^` and `$` are the ends of lines.
    pub fn pattern(&mut self, name: &str, value: &Value<'_>) -> Option<Pattern> {
        let written = self.string(name, value)?;
        match RegexBuilder::new(written).multi_line(true).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(regex) => Some(Pattern { regex, written: written.to_string() }),
            Err(error) => {
                let (at, reason) = match regex_syntax::ast::parse::Parser::new().parse(written) {
                    Err(error) => {
                        let span = error.span();
                        (span.start.offset..span.end.offset.max(span.start.offset), error.kind().to_string())
                    }
                    Ok(_) => {
                        let text = error.to_string();
                        let last = text.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_string();
                        (0..written.len(), last)
                    }
                };
                let span = self.within(&value.span(), at);
                self.error("MAP009", span, format!("`{name}` is no regular expression"), reason);
                None
            }
        }
    }

    /// A regular expression with exactly one group: the value.
    pub fn pattern_of_one(&mut self, name: &str, value: &Value<'_>) -> Option<Pattern> {
        let pattern = self.pattern(name, value)?;
        let groups = pattern.regex.captures_len() - 1;
        if groups == 1 {
            return Some(pattern);
        }
        let help = if groups == 0 {
            "put ( ) around the value itself"
        } else {
            "write (?: ) for the groups that are not the value"
        };
        let label = format!("{groups} groups here");
        self.error_help("MAP010", value.span(), format!("`{name}` takes exactly one group"), label, Some(help.into()));
        None
    }

    /// A regular expression whose named groups are among `fields`; a wrong name is marked where it stands.
    pub fn group_pattern(
        &mut self,
        name: &str,
        value: &Value<'_>,
        takes: impl Fn(Field) -> bool,
    ) -> Option<GroupPattern> {
        let pattern = self.pattern(name, value)?;
        let mut groups = Vec::new();
        let mut sound = true;
        for (group, span, number) in group_names(&pattern.written) {
            let span = self.within(&value.span(), span);
            match self.field(&group, span.clone(), "MAP011") {
                Some(field) if takes(field) => groups.push((number, field, format!("{name} <{group}>"))),
                Some(_) => {
                    self.error(
                        "MAP007",
                        span,
                        format!("`{group}` belongs to the head, not to a line"),
                        "stands in [fields]",
                    );
                    sound = false;
                }
                None => sound = false,
            }
        }
        if sound && groups.is_empty() {
            let help = "name the values: (?<position>\\d+)";
            let label = "no field in it";
            self.error_help("MAP010", value.span(), format!("`{name}` takes named groups"), label, Some(help.into()));
            return None;
        }
        sound.then_some(GroupPattern { pattern, groups })
    }
}

/// The named groups of a pattern, with the bytes of each name.
fn group_names(pattern: &str) -> Vec<(String, Range<usize>, usize)> {
    use regex_syntax::ast::{Ast, GroupKind, Visitor, parse::Parser, visit};
    struct Names(Vec<(String, Range<usize>, usize)>);
    impl Visitor for Names {
        type Output = Vec<(String, Range<usize>, usize)>;
        type Err = ();
        fn finish(self) -> Result<Self::Output, ()> {
            Ok(self.0)
        }
        fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
            if let Ast::Group(group) = ast
                && let GroupKind::CaptureName { name, .. } = &group.kind
            {
                self.0.push((name.name.clone(), name.span.start.offset..name.span.end.offset, name.index as usize));
            }
            Ok(())
        }
    }
    let Ok(ast) = Parser::new().parse(pattern) else { return Vec::new() };
    visit(&ast, Names(Vec::new())).unwrap_or_default()
}

impl<'t, 'f> Table<'t, 'f> {
    pub fn new(name: &str, span: Range<usize>, table: &'t DeTable<'f>) -> Table<'t, 'f> {
        let mut entries: Vec<_> =
            table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
        entries.sort_by_key(|entry| entry.1.start);
        Table { name: name.to_string(), span, entries }
    }

    pub fn get(&self, key: &str) -> Option<&'t Value<'f>> {
        self.entries.iter().find(|entry| entry.0 == key).map(|entry| entry.2)
    }

    /// Key, its bytes, and value, as they stand in the file.
    pub fn entries(&self) -> impl Iterator<Item = &(&'t str, Range<usize>, &'t Value<'f>)> {
        self.entries.iter()
    }

    /// Complains of every key that is not known.
    pub fn only(&self, sink: &mut Sink<'_>, known: &[&str]) {
        for (key, span, _) in self.entries.iter().filter(|entry| !known.contains(&entry.0)) {
            let help = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let message = if self.name.is_empty() {
                format!("a mapping has no key `{key}`")
            } else {
                format!("{} has no key `{key}`", self.name)
            };
            sink.error_help("MAP002", span.clone(), message, "not known", Some(help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The caret must stand below the wrong word, also behind an escape.
    #[test]
    fn places_within_strings() {
        for (text, inner) in
            [("a = 'xäb'", "b"), ("a = \"x\\tb\"", "b"), ("a = '''\nxb'''", "b"), ("a = \"\\u00e4b\"", "b")]
        {
            let mut sink = Sink::new("f", text);
            let table = sink.parse().unwrap();
            let value = table.get_ref().values().next().unwrap();
            let decoded = value.get_ref().as_str().unwrap();
            let at = decoded.find(inner).unwrap();
            let span = sink.within(&value.span(), at..at + 1);
            assert_eq!(&text[span], inner, "{text}");
        }
    }
}
