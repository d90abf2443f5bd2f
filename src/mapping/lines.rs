//! `[lines]`: lines by patterns with named groups, one row after another.

use super::columns::{self, Extra, Line};
use super::interpret::interpret;
use super::read::Faults;
use super::record::{Fragment, Origin, Record};
use super::rule::{GroupPattern, LinesRule, Mapping};
use super::table::RECORDS_MAX;
use super::view::View;
use super::words;
use crate::model::{Field, Place, Said, Value};

/// A line under construction, with its rows.
struct Open {
    line: Line,
    extra: Extra,
    record: Record,
}

/// Reads all lines of a part.
pub fn lines(mapping: &Mapping, rule: &LinesRule, view: &View<'_>, faults: &mut Faults) -> Vec<Line> {
    let mut done = Vec::new();
    let mut open: Option<Open> = None;
    let mut inside = rule.start.is_none();
    for index in 0..view.rows.len() {
        let text = view.row_text(index);
        if text.trim().is_empty() {
            continue;
        }
        if !inside || rule.start.as_ref().is_some_and(|start| start.is_match(text)) {
            inside |= rule.start.as_ref().is_some_and(|start| start.is_match(text));
            continue;
        }
        if rule.end.as_ref().is_some_and(|end| end.is_match(text)) {
            if rule.start.is_none() {
                break;
            }
            // The next page may start again.
            inside = false;
            close(mapping, rule, view, &mut open, &mut done, faults);
            continue;
        }
        if rule.skip.as_ref().is_some_and(|skip| skip.is_match(text)) {
            continue;
        }
        let byte = view.rows.get(index).map_or(0, |row| row.span.start);
        if rule.line.pattern.is_match(text) {
            close(mapping, rule, view, &mut open, &mut done, faults);
            if done.len() >= RECORDS_MAX {
                return done;
            }
            let mut fresh = Open { line: Line::new(), extra: Extra::default(), record: Record::default() };
            push(&mut fresh.record, text, byte);
            add(mapping, &rule.line, view, text, byte, done.len(), &mut fresh, faults);
            open = Some(fresh);
        } else if let Some(open) = &mut open {
            let mut fitting = rule.more.iter().filter(|more| more.pattern.is_match(text)).peekable();
            if fitting.peek().is_none() {
                if looks_like_a_line(rule, text) {
                    faults.unread_row(done.len() + 1, text, view.place(byte..byte + text.len()));
                } else {
                    push(&mut open.record, text, byte);
                }
                continue;
            }
            push(&mut open.record, text, byte);
            for more in fitting {
                add(mapping, more, view, text, byte, done.len(), open, faults);
            }
        } else if looks_like_a_line(rule, text) && rule.start.is_some() {
            faults.unread_row(done.len(), text, view.place(byte..byte + text.len()));
        }
    }
    close(mapping, rule, view, &mut open, &mut done, faults);
    done
}

/// A row that begins like a line (a number, then words) but fits no pattern must not be lost silently.
fn looks_like_a_line(rule: &LinesRule, text: &str) -> bool {
    let positions = rule.line.groups.iter().any(|group| group.1 == Field::Position);
    let mut words = text.split_whitespace();
    let number = words.next().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()) && word.len() <= 6);
    positions && number && words.count() >= 2 && !words::is_stop(text)
}

fn push(record: &mut Record, text: &str, byte: usize) {
    if !record.text.is_empty() {
        record.text.push('\n');
    }
    record.origins.push((record.text.len(), Origin::Byte(byte)));
    record.text.push_str(text);
}

#[expect(clippy::too_many_arguments, reason = "the loop of its caller, taken out to be read by itself")]
fn add(
    mapping: &Mapping,
    pattern: &GroupPattern,
    view: &View<'_>,
    text: &str,
    byte: usize,
    number: usize,
    open: &mut Open,
    faults: &mut Faults,
) {
    let Some(groups) = pattern.pattern.regex.captures(text) else { return };
    for (group, field, rule) in &pattern.groups {
        let Some(found) = groups.get(*group) else { continue };
        let fragment = Fragment {
            text: found.as_str().trim().to_string(),
            place: view.place(byte + found.start()..byte + found.end()),
        };
        match interpret(mapping, *field, &fragment.text) {
            Ok(Some(read)) => open.extra.take(mapping, *field, rule, fragment, read, &mut open.line),
            Ok(None) => {}
            Err(unread) => faults.invalid(*field, Some(number), rule, &fragment, unread),
        }
    }
}

fn close(
    mapping: &Mapping,
    rule: &LinesRule,
    view: &View<'_>,
    open: &mut Option<Open>,
    done: &mut Vec<Line>,
    faults: &mut Faults,
) {
    let Some(Open { mut line, extra, record }) = open.take() else { return };
    if let Some(pattern) = &rule.schedule {
        columns::schedule(mapping, pattern, &record, view, done.len(), &mut line, faults);
    }
    for (field, text, rule) in &rule.values {
        if let Ok(value) = Value::parse(field.field_type(), text) {
            line.entry(*field).or_insert_with(|| Said::new(value, text.clone(), rule.clone(), Place::default()));
        }
    }
    let place = || record.whole(view);
    done.push(columns::finish(mapping, line, extra, done.len(), faults, place));
}
