//! What a worker is asked and answers, as bytes: short, exact, and read without trust.

use std::time::Duration;

use super::{Cell, Fault, Kind, Limits, Line, Page, Part, Table, Word};

/// A question: what to read, and within which limits.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub name: String,
    pub media_type: String,
    pub limits: Limits,
    pub bytes: Vec<u8>,
}

const KINDS: [Kind; 9] =
    [Kind::Text, Kind::Html, Kind::Pdf, Kind::Csv, Kind::Xlsx, Kind::Xml, Kind::Edifact, Kind::Image, Kind::Other];

impl Question {
    pub(super) fn encoded(name: &str, media_type: &str, bytes: &[u8], limits: &Limits) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(bytes.len() + name.len() + media_type.len() + 96));
        out.text(name);
        out.text(media_type);
        for number in
            [limits.bytes_max, limits.pages_max, limits.words_max, limits.cells_max, limits.depth_max, limits.parts_max]
        {
            out.number(number);
        }
        out.number(limits.ocr.as_millis() as usize);
        out.flag(limits.cells_of_text);
        out.bytes(bytes);
        out.0
    }

    pub(super) fn decoded(bytes: &[u8]) -> Option<Question> {
        let mut rest = Reader(bytes);
        Some(Question {
            name: rest.text()?,
            media_type: rest.text()?,
            limits: Limits {
                bytes_max: rest.number()?,
                pages_max: rest.number()?,
                words_max: rest.number()?,
                cells_max: rest.number()?,
                depth_max: rest.number()?,
                parts_max: rest.number()?,
                ocr: Duration::from_millis(rest.number()? as u64),
                cells_of_text: rest.flag()?,
            },
            bytes: rest.bytes()?.to_vec(),
        })
    }
}

/// An answer: the parts.
pub(super) fn encoded(parts: &[Part]) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(1 << 14));
    out.many(parts, |out, part| {
        out.number(KINDS.iter().position(|kind| *kind == part.kind).unwrap_or(KINDS.len() - 1));
        out.text(&part.name);
        out.flag(part.source.is_some());
        out.text(part.source.as_deref().unwrap_or_default());
        out.many(&part.faults, |out, fault| {
            out.text(&fault.code);
            out.text(&fault.message);
        });
        out.many(&part.pages, |out, page| {
            out.text(&page.name);
            out.float(page.width);
            out.float(page.height);
            out.number(usize::from(page.turned));
            out.many(&page.lines, |out, line| {
                out.many(&line.words, |out, word| {
                    out.text(&word.text);
                    out.flag(word.hidden);
                    out.corners([word.x0, word.y0, word.x1, word.y1]);
                });
            });
            out.many(&page.tables, |out, table| {
                out.many(&table.rows, |out, row| {
                    out.many(row, |out, cell| {
                        out.text(&cell.text);
                        out.corners([cell.x0, cell.y0, cell.x1, cell.y1]);
                    });
                });
            });
            out.many(&page.rules, |out, rule| out.corners(*rule));
        });
    });
    out.0
}

/// The parts of an answer; none when it is not one.
pub(super) fn decoded(bytes: &[u8]) -> Option<Vec<Part>> {
    let mut rest = Reader(bytes);
    rest.many(|rest| {
        let kind = *KINDS.get(rest.number()?)?;
        let name = rest.text()?;
        let has_source = rest.flag()?;
        let source = rest.text()?;
        let faults = rest.many(|rest| Some(Fault { code: rest.text()?, message: rest.text()? }))?;
        let pages = rest.many(|rest| {
            Some(Page {
                name: rest.text()?,
                width: rest.float()?,
                height: rest.float()?,
                turned: u16::try_from(rest.number()?).ok()?,
                lines: rest.many(|rest| {
                    let words = rest.many(|rest| {
                        let (text, hidden) = (rest.text()?, rest.flag()?);
                        let [x0, y0, x1, y1] = rest.corners()?;
                        Some(Word { text, x0, y0, x1, y1, hidden })
                    })?;
                    Some(Line { words })
                })?,
                tables: rest.many(|rest| {
                    let rows = rest.many(|rest| {
                        rest.many(|rest| {
                            let text = rest.text()?;
                            let [x0, y0, x1, y1] = rest.corners()?;
                            Some(Cell { text, x0, y0, x1, y1 })
                        })
                    })?;
                    Some(Table { rows })
                })?,
                rules: rest.many(Reader::corners)?,
            })
        })?;
        Some(Part { kind, name, pages, source: has_source.then_some(source), faults })
    })
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: usize) {
        self.0.extend((number as u64).to_le_bytes());
    }

    /// Counts are short: no answer has four thousand million of anything.
    fn count(&mut self, count: usize) {
        self.0.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn float(&mut self, float: f64) {
        self.0.extend(float.to_le_bytes());
    }

    fn corners(&mut self, corners: [f64; 4]) {
        corners.into_iter().for_each(|corner| self.float(corner));
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(u8::from(flag));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn many<T>(&mut self, items: &[T], each: impl Fn(&mut Writer, &T)) {
        self.count(items.len());
        items.iter().for_each(|item| each(self, item));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.array()?)).ok()
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn float(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.array()?))
    }

    fn corners(&mut self) -> Option<[f64; 4]> {
        Some([self.float()?, self.float()?, self.float()?, self.float()?])
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.array::<1>()? == [1])
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<String> {
        Some(std::str::from_utf8(self.bytes()?).ok()?.to_owned())
    }

    fn many<T>(&mut self, mut each: impl FnMut(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        // A claimed count makes no room by itself: every item takes at least four bytes.
        let mut items = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            items.push(each(self)?);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{html, text};

    /// What a worker read must arrive as it was read.
    #[test]
    fn answers_come_back_as_they_were() {
        let mut parts = vec![
            text::part("a", "| A | B |\n|---|---|\n| 1 | ä |\n"),
            html::part("b", "<p hidden>x</p><p>y</p>", &Limits::default()),
            Part::faulty(Kind::Other, "c", "BROKEN", "why"),
        ];
        parts[0].pages[0].rules.push([1.0, 2.0, 3.0, 4.5]);
        let bytes = encoded(&parts);
        assert_eq!(decoded(&bytes), Some(parts));
        for end in 0..bytes.len() {
            assert_eq!(decoded(&bytes[..end]), None);
        }
        assert_eq!(decoded(&[0xff; 64]), None);
    }

    #[test]
    fn questions_come_back_as_they_were() {
        let limits = Limits { pages_max: 7, ocr: Duration::from_secs(5), ..Limits::default() };
        let bytes = Question::encoded("n", "m", b"xyz", &limits);
        let question = Question { name: "n".into(), media_type: "m".into(), limits, bytes: b"xyz".to_vec() };
        assert_eq!(Question::decoded(&bytes), Some(question));
    }
}
