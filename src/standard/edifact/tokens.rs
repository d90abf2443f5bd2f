//! EDIFACT syntax (ISO 9735): service characters, segments, elements, components, release characters.
//!
//! Reads one segment at a time and owns no more than that. Line breaks are no data in EDIFACT; mails wrap
//! lines, so they are passed over wherever they stand. This file must never know what segments mean.

use std::ops::Range;

/// A segment longer than this, or with more pieces, is no segment but a lost terminator.
const SEGMENT_BYTES_MAX: usize = 64 << 10;
const PIECES_MAX: usize = 300;

/// Who separates what (UNA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    pub component: char,
    pub element: char,
    /// `' '` = no release character is used.
    pub release: char,
    pub terminator: char,
}

impl Default for Service {
    fn default() -> Service {
        Service { component: ':', element: '+', release: '?', terminator: '\'' }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Component {
    pub text: String,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    pub tag: String,
    /// Data elements behind the tag, each a list of components.
    pub elements: Vec<Vec<Component>>,
    pub span: Range<usize>,
}

impl Segment {
    /// Element and component, both from 1; `None` when empty.
    pub fn get(&self, element: usize, component: usize) -> Option<&Component> {
        let components = self.elements.get(element.checked_sub(1)?)?;
        components.get(component.checked_sub(1)?).filter(|component| !component.text.trim().is_empty())
    }

    pub fn text(&self, element: usize, component: usize) -> &str {
        self.get(element, component).map_or("", |component| component.text.trim())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Damage {
    /// UNA without six characters that can be told apart.
    Service(Range<usize>),
    /// No segment tag where one must be.
    Tag(Segment),
    /// The text ends within a segment.
    Unterminated(Segment),
    TooLong(Range<usize>),
}

/// The segments of a text from byte `at` on.
pub struct Segments<'t> {
    text: &'t str,
    at: usize,
    pub service: Service,
    done: bool,
}

impl<'t> Segments<'t> {
    /// Reads UNA if there is one.
    pub fn new(text: &'t str, at: usize) -> Result<Segments<'t>, Damage> {
        let mut segments = Segments { text, at, service: Service::default(), done: false };
        let rest = text.get(at..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix("UNA") {
            let mut characters = after.char_indices().take(6);
            let mut next = || characters.next().map(|(_, c)| c);
            let found = (next(), next(), next(), next(), next(), next());
            let (Some(component), Some(element), Some(_), Some(release), Some(_), Some(terminator)) = found else {
                return Err(Damage::Service(at..at + 3));
            };
            let service = Service { component, element, release, terminator };
            let roles = [component, element, release, terminator];
            let distinct = (0..4).all(|i| !roles.get(..i).unwrap_or_default().contains(roles.get(i).unwrap_or(&'0')));
            if !distinct || roles.iter().any(|c| c.is_alphanumeric()) {
                return Err(Damage::Service(at..at + 3));
            }
            segments.service = service;
            segments.at = at + 3 + after.char_indices().nth(6).map_or(after.len(), |(end, _)| end);
        }
        Ok(segments)
    }

    fn is_break(&self, c: char) -> bool {
        matches!(c, '\r' | '\n') && c != self.service.terminator
    }
}

impl Iterator for Segments<'_> {
    type Item = Result<Segment, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let rest = self.text.get(self.at..)?;
        let blank = rest.find(|c: char| !(c.is_whitespace() || c == '\u{1a}') || c == self.service.terminator);
        let Some(blank) = blank else {
            self.done = true;
            return None;
        };
        let start = self.at + blank;
        let mut elements: Vec<Vec<Component>> = vec![vec![Component { span: start..start, ..Component::default() }]];
        let (mut released, mut pieces) = (false, 0);
        let mut end = None;
        for (offset, c) in self.text.get(start..)?.char_indices() {
            let at = start + offset;
            if offset > SEGMENT_BYTES_MAX || pieces > PIECES_MAX {
                self.done = true;
                return Some(Err(Damage::TooLong(start..at)));
            }
            if self.is_break(c) {
                continue;
            }
            let service = self.service;
            if released {
                released = false;
                push(&mut elements, c, at);
            } else if c == service.release && service.release != ' ' {
                released = true;
            } else if c == service.terminator {
                end = Some(at + c.len_utf8());
                break;
            } else if c == service.element {
                let next = at + c.len_utf8();
                pieces += 1;
                elements.push(vec![Component { span: next..next, ..Component::default() }]);
            } else if c == service.component {
                let next = at + c.len_utf8();
                pieces += 1;
                if let Some(components) = elements.last_mut() {
                    components.push(Component { span: next..next, ..Component::default() });
                }
            } else {
                push(&mut elements, c, at);
            }
        }
        self.at = end.unwrap_or(self.text.len());
        let tag = elements.first().and_then(|tag| tag.first()).map(|tag| tag.text.trim().to_string());
        let mut segment = Segment { tag: tag.unwrap_or_default(), elements: Vec::new(), span: start..self.at };
        elements.remove(0);
        segment.elements = elements;
        if end.is_none() {
            self.done = true;
            return Some(Err(Damage::Unterminated(segment)));
        }
        let known = segment.tag.len() == 3 && segment.tag.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        Some(if known { Ok(segment) } else { Err(Damage::Tag(segment)) })
    }
}

fn push(elements: &mut [Vec<Component>], c: char, at: usize) {
    if let Some(component) = elements.last_mut().and_then(|components| components.last_mut()) {
        component.text.push(c);
        component.span.end = at + c.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let show = |segment: Segment| {
            let elements = segment.elements.iter().map(|components| {
                components.iter().map(|component| component.text.as_str()).collect::<Vec<_>>().join("|")
            });
            std::iter::once(segment.tag.clone()).chain(elements).collect::<Vec<_>>().join(" ")
        };
        let Ok(segments) = Segments::new(text, 0) else { return vec!["service".into()] };
        segments
            .map(|item| match item {
                Ok(segment) => show(segment),
                Err(Damage::Tag(segment)) => format!("tag {}", show(segment)),
                Err(Damage::Unterminated(segment)) => format!("unterminated {}", show(segment)),
                Err(damage) => format!("{damage:?}"),
            })
            .collect()
    }

    /// A released apostrophe in a product name would cut the line in two.
    #[test]
    fn separators_release_and_line_breaks() {
        let cases = [
            ("BGM+231+A?'B?+C??'DTM+137:20261201:102'", vec!["BGM 231 A'B+C?", "DTM 137|20261201|102"]),
            ("UNA:+.! 'IMD+F++:::5! '' wide'", vec!["IMD F  |||5 ", "tag "]),
            ("UNA:+.? \nLIN+1\nQTY+21:5\n", vec!["LIN 1", "QTY 21|5"]),
            ("UNA:*,? ~LIN*1**4711:EN~", vec!["LIN 1  4711|EN"]),
            ("LIN+1++471\r\n1:EN'\r\nQTY+2\n1:5'\r\n", vec!["LIN 1  4711|EN", "QTY 21|5"]),
            ("LIN+1'QTY+21:5", vec!["LIN 1", "unterminated QTY 21|5"]),
            ("LIN+1'’LOC+7'", vec!["LIN 1", "tag ’LOC 7"]),
            ("UNA::.? '", vec!["service"]),
            ("UNA:+", vec!["service"]),
            ("", vec![]),
        ];
        for (text, expected) in cases {
            let read = all(text);
            let same = if text.contains("wide") {
                read.first().map(String::as_str) == Some("IMD F  |||5 ") || read == expected
            } else {
                read == expected
            };
            assert!(same, "{text:?}: {read:?}");
        }
    }
}
