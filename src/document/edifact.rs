//! EDIFACT and X12 as a reader sees them: a segment a line. What segments mean is not known here.

use super::{Kind, Limits, Line, Part, grid};

/// Whether a text is an EDIFACT or X12 interchange.
pub(super) fn is_interchange(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |tag: &str| {
        text.strip_prefix(tag)
            .and_then(|rest| rest.chars().next())
            .is_some_and(|c| !c.is_alphanumeric() && !c.is_whitespace())
    };
    begins("UNA") || begins("UNB") || begins("UNH") || begins("ISA") && text.len() > 105
}

/// Reads a decoded interchange. Faults: `TOO_LARGE`.
pub(super) fn part(name: &str, text: &str, limits: &Limits) -> Part {
    let mut part = Part::new(Kind::Edifact, name);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let signs: Vec<char> = text.chars().take(110).collect();
    let sign = |at: usize| signs.get(at).copied();
    let x12 = text.starts_with("ISA");
    let (release, terminator) = if x12 {
        (None, sign(105).unwrap_or('~'))
    } else if text.starts_with("UNA") {
        (sign(6).filter(|c| *c != ' '), sign(8).unwrap_or('\''))
    } else {
        (Some('?'), '\'')
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut segment = String::new();
    // `UNA:+.? '` ends with the terminator that it defines.
    let mut rest = text.chars();
    if text.starts_with("UNA") {
        segment.extend(rest.by_ref().take(9));
        push(&mut lines, &mut segment);
    }
    let mut released = false;
    for c in rest {
        if released || c != terminator {
            released = !released && release == Some(c);
            segment.push(c);
            continue;
        }
        push(&mut lines, &mut segment);
        if lines.len() >= limits.words_max {
            part.fault("TOO_LARGE", format!("more than {} segments; the rest is not shown", limits.words_max));
            break;
        }
    }
    push(&mut lines, &mut segment);
    part.pages.push(grid::page(lines));
    part.source = Some(text.to_owned());
    part
}

fn push(lines: &mut Vec<Line>, segment: &mut String) {
    let text = std::mem::take(segment);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    if !text.is_empty() {
        lines.push(grid::line(text, lines.len()));
    }
}

/// The character set that the first segment names (ISO 9735, syntax identifier), as a label.
pub(super) fn declared_encoding(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..bytes.len().min(100))?;
    let at = head.windows(4).position(|window| window == b"UNOC" || window.starts_with(b"UNO"))?;
    match head.get(at + 3)? {
        b'A' | b'B' | b'C' => Some("iso-8859-1"),
        b'D' => Some("iso-8859-2"),
        b'E' => Some("iso-8859-5"),
        b'F' => Some("iso-8859-7"),
        b'Y' | b'W' => Some("utf-8"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments must be readable one by one, and a released apostrophe ends none.
    #[test]
    fn a_segment_a_line() {
        let cases = [
            ("UNB+UNOC:3'\r\nUNH+1'IMD+F++:::O?'Brien'", "UNB+UNOC:3\nUNH+1\nIMD+F++:::O?'Brien\n"),
            ("UNA:+.? 'UNB+UNOA:1'UNZ'", "UNA:+.? '\nUNB+UNOA:1\nUNZ\n"),
            ("UNA:*.! ~UNB*UNOA~IMD*a!~b~", "UNA:*.! ~\nUNB*UNOA\nIMD*a!~b\n"),
            ("UNB+x??'UNZ'", "UNB+x??\nUNZ\n"),
        ];
        for (text, wanted) in cases {
            assert!(is_interchange(text));
            assert_eq!(part("x", text, &Limits::default()).text(), wanted, "{text}");
        }
        assert!(!is_interchange("UNBelievable offer") && !is_interchange("Una volta"));
    }
}
