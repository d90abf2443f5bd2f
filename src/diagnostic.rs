//! A complaint with a place in a text: mapping file, config, template, a partner's mail.
//!
//! Everything that complains to a person does it with one of these, so that shell, log and JSON say
//! the same thing in the same way. It must never know what the text is about.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// One complaint. `line` and `column` count from 1, in characters; 0 means "the text as a whole".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable, e.g. `MAP001`, `CFG003`, `UNREADABLE`; `postern explain CODE` tells more.
    pub code: String,
    pub severity: Severity,
    pub message: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub help: Option<String>,
    /// Bytes of the text that the caret marks; not part of the JSON that others rely on.
    #[serde(skip)]
    pub span: Option<Range<usize>>,
    /// The words under the caret.
    #[serde(skip)]
    pub label: String,
}

impl Diagnostic {
    pub fn error(code: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: code.to_string(),
            severity: Severity::Error,
            message: message.into(),
            file: String::new(),
            line: 0,
            column: 0,
            help: None,
            span: None,
            label: String::new(),
        }
    }

    pub fn warning(code: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    /// Marks the bytes `span` of `text`, the content of `file`.
    pub fn at(mut self, file: &str, text: &str, span: Range<usize>) -> Diagnostic {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(span.start)).max(start);
        let (line, column) = line_column(text, start);
        (self.line, self.column) = (line, column);
        self.file = file.to_string();
        self.span = Some(start..end);
        self
    }

    /// Names a file (or mail) without a place in it.
    pub fn in_file(mut self, file: &str) -> Diagnostic {
        self.file = file.to_string();
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The few words under the caret.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Drawn for a person: `text` is the content of the file that the diagnostic speaks of.
    pub fn draw(&self, text: &str, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code.as_str()));
        match &self.span {
            Some(span) if span.end <= text.len() => {
                let annotation = AnnotationKind::Primary.span(span.clone()).label(self.label.as_str());
                group = group.element(Snippet::source(text).path(self.file.as_str()).annotation(annotation));
            }
            _ if !self.file.is_empty() => {
                let mut origin = annotate_snippets::Origin::path(self.file.as_str());
                if self.line > 0 {
                    origin = origin.line(self.line).char_column(self.column);
                }
                group = group.element(origin);
            }
            _ => {}
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group]).to_string()
    }
}

impl std::fmt::Display for Diagnostic {
    /// One line: `file:line:column: CODE message (help)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
            if self.line > 0 {
                write!(f, "{}:{}:", self.line, self.column)?;
            }
            write!(f, " ")?;
        }
        write!(f, "{} {}", self.code, self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

/// The nearest of `known` to `name`, for "did you mean": at most three edits away.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 3 && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Line and column, both from 1, of a byte offset; columns count characters.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..floor_boundary(text, offset)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An admin who mistypes a key must see the line, the caret and the word that was meant.
    #[test]
    fn a_complaint_points_at_its_place() {
        let text = "partner = \"n\"\nordr = 1\n";
        let at = text.find("ordr").unwrap();
        let d = Diagnostic::error("MAP001", "`ordr` is no field")
            .at("a.toml", text, at..at + 4)
            .label("not known")
            .help("did you mean `order`?");
        assert_eq!((d.line, d.column), (2, 1));
        assert_eq!(d.to_string(), "a.toml:2:1: MAP001 `ordr` is no field (did you mean `order`?)");
        let drawn = d.draw(text, false);
        assert!(drawn.contains("^^^^ not known"), "{drawn}");
        assert_eq!(nearest("quantity_confirmd", ["quantity_confirmed", "price"]), Some("quantity_confirmed"));
        assert_eq!(nearest("x", ["quantity_confirmed"]), None);
    }
}
