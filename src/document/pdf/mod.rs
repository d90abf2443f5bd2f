//! PDF: glyphs, rules and pictures of drawn pages to rows of words and tables.
//!
//! Knows nothing of business documents. What draws is behind [`source`]; the only file that knows
//! the interpreter is [`interpret`].

mod interpret;
mod repair;
mod rows;
mod source;
mod words;

use self::source::{Drawn, Ink, SourceError};
pub(super) use self::words::Turned;
use super::{Kind, Limits, Page, Part, table};

/// From this share of unknown glyphs on, the words are not to be trusted.
const UNMAPPED_SHARE: f64 = 0.05;
/// A picture that takes this share of a page without words is a scan.
const SCAN_SHARE: f64 = 0.5;

/// A PDF, and the files embedded in it: what they are called and their bytes.
pub(super) struct Read {
    pub part: Part,
    pub embedded: Vec<(String, Vec<u8>)>,
}

/// Reads the pages of a PDF. Faults: `ENCRYPTED`, `BROKEN`, `TOO_LARGE`, `SCANNED`, `UNMAPPED_GLYPHS`.
pub(super) fn read(name: &str, bytes: &[u8], limits: &Limits) -> Read {
    let mut part = Part::new(Kind::Pdf, name);
    let drawn = match draw(bytes, limits) {
        Ok(drawn) => drawn,
        Err(error) => {
            let code = if error == SourceError::Invalid { "BROKEN" } else { "ENCRYPTED" };
            part.fault(code, format!("the PDF cannot be read: {error}"));
            return Read { part, embedded: Vec::new() };
        }
    };
    if drawn.count > drawn.pages.len() {
        part.fault("TOO_LARGE", format!("{} pages; only the first {} were read", drawn.count, drawn.pages.len()));
    }
    let mut left = limits.words_max;
    for (index, ink) in drawn.pages.into_iter().enumerate() {
        note(&mut part, index, &ink);
        let page = page(ink);
        let words: usize = page.lines.iter().map(|line| line.words.len()).sum();
        if words > left {
            part.fault(
                "TOO_LARGE",
                format!("more than {} words; what follows page {index} was not read", limits.words_max),
            );
            break;
        }
        left -= words;
        part.pages.push(page);
    }
    let embedded = drawn.embedded.into_iter().map(|file| (file.name, file.bytes)).collect();
    Read { part, embedded }
}

/// Interprets the file, if need be after it was decrypted or repaired.
fn draw(bytes: &[u8], limits: &Limits) -> Result<Drawn, SourceError> {
    match interpret::read(bytes.to_vec(), limits) {
        Ok(drawn) if drawn.count > 0 => Ok(drawn),
        Err(SourceError::Password) => Err(SourceError::Password),
        outcome => match repair::rewritten(bytes, limits) {
            Some(anew) => interpret::read(anew, limits),
            None => outcome.and(Err(SourceError::Invalid)),
        },
    }
}

/// Says what a reader of the page must know before trusting it.
fn note(part: &mut Part, index: usize, ink: &Ink) {
    let number = index + 1;
    let seen = ink.glyphs.iter().filter(|glyph| !glyph.hidden && glyph.said != source::Said::Space).count();
    if ink.cut {
        part.fault("TOO_LARGE", format!("page {number} has more letters than are read"));
    }
    if ink.unmapped > 0 && ink.unmapped as f64 > UNMAPPED_SHARE * ink.glyphs.len() as f64 {
        part.fault(
            "UNMAPPED_GLYPHS",
            format!("page {number}: {} of {} letters have no known character", ink.unmapped, ink.glyphs.len()),
        );
    }
    if seen == 0 && is_scan(ink) {
        part.fault("SCANNED", format!("page {number} is a picture: it has no text that could be read"));
    }
}

fn is_scan(ink: &Ink) -> bool {
    let page = (ink.width * ink.height).max(1.0);
    let covered: f64 = ink.pictures.iter().map(|area| (area.x1 - area.x0) * (area.y1 - area.y0)).sum();
    covered > SCAN_SHARE * page
}

fn page(mut ink: Ink) -> Page {
    let turned = main_turn(&ink);
    if turned > 0 {
        ink.turn(turned);
    }
    let mut page = page_of_words(words::words(&ink.glyphs), ink.rules, (ink.width, ink.height));
    page.turned = (4 - u16::from(turned)) % 4 * 90;
    page
}

/// A page of words, however they were come by.
pub(super) fn page_of_words(words: Vec<Turned>, rules: Vec<[f64; 4]>, (width, height): (f64, f64)) -> Page {
    let mut lines = rows::lines(words);
    let table::drawn::Found { tables, lifts } = table::drawn::tables(&lines, &rules);
    rows::lift(&mut lines, &lifts);
    Page { width, height, lines, tables, rules, ..Page::default() }
}

/// A page as a PNG picture, `scale` dots a point.
pub(super) fn picture(bytes: &[u8], index: usize, scale: f32, limits: &Limits) -> Option<Vec<u8>> {
    let original = interpret::picture(bytes.to_vec(), index, scale);
    original.or_else(|| interpret::picture(repair::rewritten(bytes, limits)?, index, scale))
}

/// The quarter turn in which most of the visible text runs.
fn main_turn(ink: &Ink) -> u8 {
    let mut counts = [0usize; 4];
    for glyph in ink.glyphs.iter().filter(|glyph| !glyph.hidden) {
        if let Some(count) = counts.get_mut(usize::from(words::turn_of(glyph))) {
            *count += 1;
        }
    }
    // Turning needs a clear majority.
    let all: usize = counts.iter().sum();
    counts.iter().position(|count| *count * 10 > all * 6).unwrap_or(0) as u8
}
