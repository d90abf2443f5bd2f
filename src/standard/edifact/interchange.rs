//! An EDIFACT interchange as messages, and whether all of it arrived: UNB..UNZ, UNH..UNT, their counts
//! and references. Damage is told with its place, and values near it are not to be trusted.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::take::{Found, Take, shorten, whole_number};
use super::tokens::{Component, Damage, Segment, Segments};
use crate::model::{Decimal, FaultCode};

const MESSAGES_MAX: usize = 1_000;
const SEGMENTS_MAX: usize = 400_000;

/// One message, UNH and UNT taken off.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// `ORDRSP`, `ORDERS` ...
    pub kind: String,
    pub segments: Vec<Segment>,
    /// How paths begin: empty, or `UNH[2]/` where there are several messages.
    pub prefix: String,
    pub span: Range<usize>,
}

/// Where an interchange begins: at the start, or on a line of its own (a mail's text with a greeting).
pub fn start(text: &str) -> Option<usize> {
    let begins = |rest: &str| {
        let body = match rest.strip_prefix("UNA") {
            Some(service) => service.char_indices().nth(6).map_or("", |(end, _)| service.get(end..).unwrap_or("")),
            None => rest,
        };
        let body = body.trim_start();
        let heads = if body.len() == rest.len() { ["UNB+UNO", "UNH+", "UNH+"] } else { ["UNB", "UNG", "UNH"] };
        heads.iter().any(|head| body.starts_with(head))
    };
    let first = text.find(|c: char| !c.is_whitespace() && c != '\u{feff}')?;
    if begins(text.get(first..)?) {
        return Some(first);
    }
    let mut at = 0;
    for line in text.split_inclusive('\n').take(200) {
        let indent = line.len() - line.trim_start().len();
        let rest = text.get(at + indent..)?;
        // Within a mail's text only a service string or an interchange head is beyond doubt.
        if rest.starts_with("UNA:+") || rest.starts_with("UNB+UNO") {
            return Some(at + indent);
        }
        at += line.len();
    }
    None
}

/// The first message's kind and version, without reading further than to its UNH.
pub fn first(text: &str) -> Option<(String, String)> {
    let segments = Segments::new(text, start(text)?).ok()?;
    let header = segments.take(5).find_map(|segment| segment.ok().filter(|segment| segment.tag == "UNH"))?;
    Some(kind_and_version(&header))
}

/// `ORDRSP` and `D96A`, with EANCOM's own version behind it: `D96A EAN005`.
fn kind_and_version(header: &Segment) -> (String, String) {
    let mut version = format!("{}{}", header.text(2, 2), header.text(2, 3));
    if !header.text(2, 5).is_empty() {
        version = format!("{version} {}", header.text(2, 5));
    }
    (header.text(2, 1).to_string(), version)
}

/// Cuts the interchange into messages; whatever is odd is told.
pub fn read(text: &str, take: &mut Take) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let mut open: Option<(Message, Segment)> = None;
    let (mut count, mut interchange, mut ended, mut grouped) = (0usize, None, false, false);
    let segments = match Segments::new(text, start(text).unwrap_or(0)) {
        Ok(segments) => segments,
        Err(_) => {
            take.fault(FaultCode::Unreadable, "UNA does not name four service characters", "UNA", 0..0);
            return messages;
        }
    };
    for item in segments {
        count += 1;
        if count > SEGMENTS_MAX || messages.len() >= MESSAGES_MAX {
            take.fault(FaultCode::Unreadable, "more segments or messages than any interchange of orders has", "", 0..0);
            break;
        }
        let segment = match item {
            Ok(segment) => segment,
            Err(Damage::Tag(segment)) if ended => {
                // Behind UNZ a mail's text may go on (a signature).
                let _ = segment;
                break;
            }
            Err(Damage::Unterminated(_)) if ended => break,
            Err(damage) => {
                damaged(take, damage);
                continue;
            }
        };
        match segment.tag.as_str() {
            "UNB" => interchange = Some(segment),
            "UNH" => {
                if let Some((message, header)) = open.take() {
                    take.fault(FaultCode::Unreadable, "a message without its end (UNT)", "UNH", header.span);
                    messages.push(message);
                }
                let (kind, _) = kind_and_version(&segment);
                let message = Message { kind, span: segment.span.clone(), ..Message::default() };
                open = Some((message, segment));
            }
            "UNT" => match open.take() {
                Some((message, header)) => {
                    check_end(take, &message, &header, &segment);
                    messages.push(message);
                }
                None => {
                    take.fault(FaultCode::Unreadable, "the end of a message that has no beginning", "UNT", segment.span)
                }
            },
            "UNZ" => {
                ended = true;
                let said = whole_number(segment.text(1, 1));
                // With functional groups, UNZ counts these.
                if said != Some(Decimal::from(messages.len())) && !grouped {
                    let message =
                        format!("the interchange says {} messages, {} are there", segment.text(1, 1), messages.len());
                    take.fault(FaultCode::Unreadable, message, "UNZ/0036", segment.span.clone());
                }
                if let Some(head) = &interchange
                    && head.text(5, 1) != segment.text(2, 1)
                {
                    let message = format!(
                        "UNB and UNZ name different interchanges, `{}` and `{}`",
                        shorten(head.text(5, 1)),
                        shorten(segment.text(2, 1))
                    );
                    take.warn(message, "UNZ/0020", segment.span.clone());
                }
            }
            "UNG" | "UNE" => grouped = true,
            _ => match &mut open {
                Some((message, _)) => message.segments.push(segment),
                None if ended => break,
                None => take.fault(
                    FaultCode::Unreadable,
                    format!("`{}` stands outside a message", segment.tag),
                    &segment.tag,
                    segment.span,
                ),
            },
        }
    }
    if let Some((message, header)) = open {
        take.fault(
            FaultCode::Unreadable,
            "the text ends within a message: its end (UNT) is missing",
            "UNH",
            header.span,
        );
        messages.push(message);
    } else if let (Some(head), false) = (interchange, ended) {
        take.fault(
            FaultCode::Unreadable,
            "the interchange has no end (UNZ): something may be missing",
            "UNB",
            head.span,
        );
    }
    if messages.len() > 1 {
        for (number, message) in (1..).zip(&mut messages) {
            message.prefix = format!("UNH[{number}]/");
        }
    }
    messages
}

fn check_end(take: &mut Take, message: &Message, header: &Segment, end: &Segment) {
    let there = message.segments.len() + 2;
    let said = end.text(1, 1);
    if whole_number(said) != Some(Decimal::from(there)) {
        let text = format!("the message says {} segments, {there} are there", shorten(said));
        take.warn(text, "UNT/0074", end.span.clone());
    }
    if end.text(2, 1) != header.text(1, 1) {
        let text = format!(
            "UNH and UNT name different messages, `{}` and `{}`: the file is damaged",
            shorten(header.text(1, 1)),
            shorten(end.text(2, 1))
        );
        take.fault(FaultCode::Unreadable, text, "UNT/0062", end.span.clone());
    }
}

fn damaged(take: &mut Take, damage: Damage) {
    match damage {
        Damage::Service(span) => {
            take.fault(FaultCode::Unreadable, "UNA does not name four service characters", "UNA", span)
        }
        Damage::Tag(segment) => {
            let text = format!("`{}` is no segment tag: the file is damaged", shorten(&segment.tag));
            take.fault(FaultCode::Unreadable, text, "", segment.span);
        }
        Damage::Unterminated(segment) => {
            let text = format!("the text ends within the segment {}", shorten(&segment.tag));
            take.fault(FaultCode::Unreadable, text, "", segment.span);
        }
        Damage::TooLong(span) => {
            take.fault(FaultCode::Unreadable, "a segment without an end (its terminator is missing)", "", span);
        }
    }
}

/// How many data elements a segment can have (UN/EDIFACT directories D.96A to D.01B, the larger of them):
/// more mean that a terminator was lost and two segments grew together.
const ELEMENTS_MAX: [(&str, usize); 14] = [
    ("BGM", 4),
    ("DTM", 1),
    ("RFF", 1),
    ("QTY", 1),
    ("MOA", 1),
    ("PRI", 2),
    ("LIN", 6),
    ("PIA", 6),
    ("CNT", 1),
    ("NAD", 9),
    ("FTX", 6),
    ("CUX", 4),
    ("IMD", 4),
    ("UNS", 1),
];

/// Tells of segments that grew together, and of signs that stand where a terminator was.
pub fn check_segments(take: &mut Take, message: &Message) {
    for segment in &message.segments {
        let most = ELEMENTS_MAX.iter().find(|row| row.0 == segment.tag).map(|row| row.1);
        let Some(most) = most else { continue };
        let filled = |components: &Vec<Component>| components.iter().any(|component| !component.text.trim().is_empty());
        let there = segment.elements.iter().rposition(filled).map_or(0, |last| last + 1);
        if there > most {
            let text = format!(
                "{} has {there} data elements, at most {most} are possible: a segment terminator was lost, values here are not to be trusted",
                segment.tag,
            );
            take.fault(
                FaultCode::Unreadable,
                text,
                &format!("{}{}", message.prefix, segment.tag),
                segment.span.clone(),
            );
        }
    }
}

/// A segment with the path that leads to it.
#[derive(Clone, Debug)]
pub struct Placed<'m> {
    pub segment: &'m Segment,
    /// `BGM`, `RFF[2]`, `LIN[3]`, `LIN[3]/QTY[1]`.
    pub path: String,
}

impl Placed<'_> {
    pub fn is(&self, tag: &str) -> bool {
        self.segment.tag == tag
    }

    /// The words of one component; `name` is the data element's number (`1154`), `rule` how the segment
    /// is known (`RFF+ON`).
    pub fn found(&self, element: usize, component: usize, name: &str, rule: &str) -> Option<Found> {
        let Component { text, span } = self.segment.get(element, component)?;
        Some(Found {
            raw: text.trim().to_string(),
            rule: rule.to_string(),
            path: format!("{}/{name}", self.path),
            span: span.clone(),
        })
    }

    pub fn text(&self, element: usize, component: usize) -> &str {
        self.segment.text(element, component)
    }
}

/// A message as head, lines (each beginning with its LIN) and summary.
#[derive(Debug, Default)]
pub struct Layout<'m> {
    pub head: Vec<Placed<'m>>,
    pub lines: Vec<Vec<Placed<'m>>>,
    pub tail: Vec<Placed<'m>>,
}

pub fn layout(message: &Message) -> Layout<'_> {
    let mut layout = Layout::default();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ended = false;
    for segment in &message.segments {
        let tag = segment.tag.as_str();
        if matches!(tag, "LIN" | "UNS" | "CPS") {
            counts.clear();
            ended |= tag != "LIN";
        }
        let nth = counts.entry(tag).or_default();
        *nth += 1;
        let prefix = &message.prefix;
        if tag == "LIN" {
            let path = format!("{prefix}LIN[{}]", layout.lines.len() + 1);
            layout.lines.push(vec![Placed { segment, path }]);
            ended = false;
            continue;
        }
        let number = layout.lines.len();
        match layout.lines.last_mut() {
            Some(line) if !ended => {
                line.push(Placed { segment, path: format!("{prefix}LIN[{number}]/{tag}[{nth}]") });
            }
            Some(_) => layout.tail.push(Placed { segment, path: format!("{prefix}{tag}[{nth}]") }),
            None if tag == "BGM" => layout.head.push(Placed { segment, path: format!("{prefix}BGM") }),
            None => layout.head.push(Placed { segment, path: format!("{prefix}{tag}[{nth}]") }),
        }
    }
    layout
}
