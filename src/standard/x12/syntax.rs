//! X12 syntax: the separators ISA shows, segments, their paths and the groups of lines.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::take::Found;

pub const SEGMENTS_MAX: usize = 400_000;

/// One segment; elements from 1, element 0 is the tag.
#[derive(Debug)]
pub struct Segment<'t> {
    pub elements: Vec<&'t str>,
    pub span: Range<usize>,
    pub path: String,
}

impl<'t> Segment<'t> {
    pub fn tag(&self) -> &'t str {
        self.text(0)
    }

    pub fn text(&self, element: usize) -> &'t str {
        self.elements.get(element).copied().unwrap_or_default().trim()
    }

    pub fn found(&self, element: usize, rule: &str) -> Option<Found> {
        let raw = self.text(element);
        (!raw.is_empty()).then(|| Found {
            raw: raw.to_string(),
            rule: rule.to_string(),
            path: format!("{}/{element:02}", self.path),
            span: self.span.clone(),
        })
    }
}

/// Element separator and segment terminator, as ISA shows them.
pub fn service(text: &str) -> Option<(usize, char, char)> {
    let start = text.find(|c: char| !c.is_whitespace() && c != '\u{feff}')?;
    let rest = text.get(start..)?.strip_prefix("ISA")?;
    let element = rest.chars().next().filter(|c| !c.is_alphanumeric() && !c.is_whitespace())?;
    let last = rest.match_indices(element).nth(15)?.0;
    if last > 400 {
        return None;
    }
    let terminator = rest.get(last + element.len_utf8()..)?.chars().nth(1)?;
    (terminator != element && !terminator.is_alphanumeric()).then_some((start, element, terminator))
}

pub fn segments(text: &str) -> Option<Vec<Segment<'_>>> {
    let (start, element, terminator) = service(text)?;
    let mut at = start;
    let mut all = Vec::new();
    for piece in text.get(start..)?.split_inclusive(terminator).take(SEGMENTS_MAX) {
        let body = piece.trim_end_matches(terminator);
        let lead = body.len() - body.trim_start().len();
        let span = at + lead..at + body.len();
        at += piece.len();
        let body = body.trim();
        if !body.is_empty() {
            all.push(Segment { elements: body.split(element).collect(), span, path: String::new() });
        }
    }
    Some(all)
}

/// `BAK`, `REF[2]`, `PO1[3]/ACK[1]`; `ST[2]/` in front where there are several sets.
pub fn name_paths(set: &mut [Segment], number: usize) {
    let prefix = if number > 1 { format!("ST[{number}]/") } else { String::new() };
    let (mut line, mut counts): (usize, BTreeMap<&str, usize>) = (0, BTreeMap::new());
    for segment in set {
        let tag = segment.tag();
        if tag == "PO1" {
            line += 1;
            counts.clear();
            segment.path = format!("{prefix}PO1[{line}]");
            continue;
        }
        let nth = counts.entry(tag).or_default();
        *nth += 1;
        segment.path =
            if line > 0 { format!("{prefix}PO1[{line}]/{tag}[{nth}]") } else { format!("{prefix}{tag}[{nth}]") };
    }
}

/// Each PO1 with what follows it; the summary (CTT, AMT behind it) ends the last.
pub fn line_groups<'s, 't>(rest: &'s [Segment<'t>]) -> Vec<&'s [Segment<'t>]> {
    let end = rest.iter().position(|segment| segment.tag() == "CTT").unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().chunk_by(|_, next| next.tag() != "PO1").collect()
}
