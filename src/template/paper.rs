//! Paper: text and rules set on A4 pages, and the PDF made of them.
//!
//! It must never know what a page says. Points from the top left; a line of text is placed by its baseline. The same pages
//! give the same bytes.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use rustybuzz::{Face, UnicodeBuffer};

pub const WIDTH: f32 = 595.28;
pub const HEIGHT: f32 = 841.89;

const REGULAR: &[u8] = include_bytes!("../../templates/fonts/DejaVuSansCondensed.ttf");
const BOLD: &[u8] = include_bytes!("../../templates/fonts/DejaVuSansCondensed-Bold.ttf");

static FACES: LazyLock<[Option<Face<'static>>; 2]> =
    LazyLock::new(|| [Face::from_slice(REGULAR, 0), Face::from_slice(BOLD, 0)]);

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    pub size: f32,
    pub bold: bool,
    pub ink: Ink,
}

/// The few colours of a business letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Black,
    Grey,
    /// Behind what is marked, and the bar beside it.
    Mark,
    Bar,
    /// Behind the heads of a table.
    Head,
    Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

enum Mark {
    Text { x: f32, y: f32, style: Style, text: String },
    Box { x: f32, y: f32, width: f32, height: f32, ink: Ink },
}

/// One page with its marks, in the order they are drawn.
#[derive(Default)]
pub struct Sheet {
    marks: Vec<Mark>,
}

impl Sheet {
    /// A line of text; with [`Side::Right`] it ends at `x`.
    pub fn text(&mut self, x: f32, y: f32, side: Side, style: Style, text: &str) {
        if text.is_empty() {
            return;
        }
        let x = if side == Side::Right { x - width(text, style) } else { x };
        self.marks.push(Mark::Text { x, y, style, text: text.to_string() });
    }

    pub fn fill(&mut self, x: f32, y: f32, width: f32, height: f32, ink: Ink) {
        self.marks.push(Mark::Box { x, y, width, height, ink });
    }

    pub fn rule(&mut self, x: f32, y: f32, width: f32) {
        self.fill(x, y, width, 0.6, Ink::Rule);
    }
}

/// What stands in the file beside the pages.
pub struct About<'a> {
    pub title: &'a str,
    pub author: &'a str,
    pub language: &'a str,
    /// The same for the same document.
    pub id: &'a str,
    pub made_at: Timestamp,
}

/// Text runs of one direction: shaping does not turn a line round by itself.
fn runs(text: &str) -> Vec<(&str, bool)> {
    let is_rtl = |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}');
    let is_neutral = |c: char| !c.is_alphanumeric() && !is_rtl(c);
    let mut runs: Vec<(usize, bool)> = Vec::new();
    for (at, c) in text.char_indices() {
        let rtl = is_rtl(c);
        match runs.last() {
            None => runs.push((at, rtl)),
            Some(&(_, current)) if current != rtl && !is_neutral(c) => runs.push((at, rtl)),
            Some(_) => {}
        }
    }
    let ends = runs.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    runs.iter().zip(ends).filter_map(|((start, rtl), end)| Some((text.get(*start..end)?, *rtl))).collect()
}

/// How wide a line is.
pub fn width(text: &str, style: Style) -> f32 {
    runs(text).into_iter().map(|(run, rtl)| run_width(run, rtl, style)).sum()
}

fn run_width(run: &str, rtl: bool, style: Style) -> f32 {
    let [regular, bold] = &*FACES;
    let Some(face) = (if style.bold { bold } else { regular }).as_ref() else { return 0.0 };
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(run);
    buffer.guess_segment_properties();
    buffer.set_direction(if rtl { rustybuzz::Direction::RightToLeft } else { rustybuzz::Direction::LeftToRight });
    let shaped = rustybuzz::shape(face, &[], buffer);
    let units: f32 = shaped.glyph_positions().iter().map(|glyph| glyph.x_advance as f32).sum();
    units / face.units_per_em() as f32 * style.size
}

/// The same without kerning and ligatures, which only make it narrower: quick enough for breaking lines.
fn rough(text: &str, style: Style) -> f32 {
    let [regular, bold] = &*FACES;
    let Some(face) = (if style.bold { bold } else { regular }).as_ref() else { return 0.0 };
    let advance = |c: char| face.glyph_hor_advance(face.glyph_index(c).unwrap_or_default()).unwrap_or(0);
    let units: u32 = text.chars().map(|c| u32::from(advance(c))).sum();
    units as f32 / face.units_per_em() as f32 * style.size
}

/// Breaks a text into lines of at most `most` points; a word that is longer is broken where it must.
pub fn wrap(text: &str, style: Style, most: f32) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let (mut line, mut used) = (String::new(), 0.0);
        let space = rough(" ", style);
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let wide = rough(word, style);
            if line.is_empty() && wide <= most {
                line.push_str(word);
                used = wide;
                continue;
            }
            if !line.is_empty() && used + space + wide <= most {
                line.push(' ');
                line.push_str(word);
                used += space + wide;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            used = 0.0;
            for c in word.chars() {
                let wide = rough(c.encode_utf8(&mut [0; 4]), style);
                if !line.is_empty() && used + wide > most {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(c);
                used += wide;
            }
        }
        lines.push(line);
    }
    lines
}

/// The pages as a PDF, its fonts cut down to the signs that are used.
pub fn pdf(sheets: &[Sheet], about: &About<'_>) -> Result<Vec<u8>, String> {
    let font = |bytes: &'static [u8]| Font::new(bytes.into(), 0).ok_or("the font cannot be read");
    let (regular, bold) = (font(REGULAR)?, font(BOLD)?);
    let mut document = Document::new();
    let made = about.made_at.to_zoned(TimeZone::UTC);
    let small = |value: i8| u8::try_from(value).unwrap_or(0);
    let date = DateTime::new(u16::try_from(made.year()).unwrap_or(0))
        .month(small(made.month()))
        .day(small(made.day()))
        .hour(small(made.hour()))
        .minute(small(made.minute()))
        .second(small(made.second()))
        .utc_offset_hour(0);
    document.set_metadata(
        Metadata::new()
            .title(about.title.to_string())
            .authors(vec![about.author.to_string()])
            .language(about.language.to_string())
            .creator("Postern".to_string())
            .document_id(about.id.to_string())
            .creation_date(date),
    );
    for sheet in sheets {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or("the page has no size")?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for mark in &sheet.marks {
            draw(&mut surface, mark, &regular, &bold);
        }
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| format!("the PDF cannot be written: {error:?}"))
}

fn draw(surface: &mut Surface<'_>, mark: &Mark, regular: &Font, bold: &Font) {
    match mark {
        Mark::Box { x, y, width, height, ink } => {
            surface.set_fill(Some(fill(*ink)));
            let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) else { return };
            let mut path = PathBuilder::new();
            path.push_rect(rect);
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Mark::Text { x, y, style, text } => {
            surface.set_fill(Some(fill(style.ink)));
            let mut x = *x;
            for (run, rtl) in runs(text) {
                let font = if style.bold { bold } else { regular }.clone();
                let direction = if rtl { TextDirection::RightToLeft } else { TextDirection::LeftToRight };
                surface.draw_text(Point::from_xy(x, *y), font, style.size, run, false, direction);
                x += run_width(run, rtl, *style);
            }
        }
    }
}

fn fill(ink: Ink) -> Fill {
    let (red, green, blue) = match ink {
        Ink::Black => (20, 22, 26),
        Ink::Grey => (96, 102, 110),
        Ink::Mark => (255, 246, 214),
        Ink::Bar => (214, 146, 0),
        Ink::Head => (236, 239, 243),
        Ink::Rule => (176, 184, 194),
    };
    Fill { paint: rgb::Color::new(red, green, blue).into(), ..Fill::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { size: 10.0, bold: false, ink: Ink::Black };

    /// A name that runs into the next column makes a wrong quantity of it.
    #[test]
    fn lines_keep_within_their_width() {
        let text = "Büroschreibtisch höhenverstellbar 160 x 80 Buche-Nachbildung-mit-Kabelkanal-und-Trägerplatte";
        let lines = wrap(text, STYLE, 120.0);
        assert!(lines.len() > 3 && lines.iter().all(|line| width(line, STYLE) <= 120.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        assert_eq!(wrap("", STYLE, 120.0).len(), 0);
        assert_eq!(wrap("a\n\nb", STYLE, 120.0), ["a", "", "b"]);
    }

    /// The whole line is set in one direction unless it holds both.
    #[test]
    fn directions_are_kept_apart() {
        assert_eq!(runs("Ek & Söner 12"), [("Ek & Söner 12", false)]);
        assert_eq!(runs("Lager שלום עולם 7"), [("Lager ", false), ("שלום עולם ", true), ("7", false)]);
        assert!(runs("").is_empty());
        assert!(width("Ελλάδα Київ", STYLE) > 40.0);
    }
}
