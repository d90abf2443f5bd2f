//! What a reader would see: parts, pages, lines, words and tables whose cells know their place.
//!
//! Bytes of one kind (text, HTML, PDF, CSV, XLSX, XML ...) become a [`Part`]; a mail becomes several.
//! Nothing here knows what the words mean, who wrote them, or how they arrived.
//!
//! Coordinates: in PDF parts, points from the top left corner of the displayed page. In all others
//! a character grid: `x` counts columns and `y` counts lines, both from 0, so that a word on the
//! first line has `y0 = 0, y1 = 1` and geometry works the same everywhere; there `lines[i]` is row
//! `i`, an empty row being a line without words.
//!
//! [`read()`] tells the kind by the bytes; one file or folder a kind; what they share is [`grid`] (characters to lines), [`table`]
//! (lines to cells), [`render`] (lines to text) and [`place`] (boxes to places a person can be shown).

mod archive;
mod biff;
pub mod charset;
mod compound;
mod csv;
mod edifact;
mod frame;
mod grid;
pub mod html;
mod letter;
pub mod ocr;
mod outlook;
mod pdf;
pub mod place;
mod read;
pub mod render;
mod rtf;
mod sheet;
mod signed;
pub mod table;
pub mod text;
mod tnef;
pub mod worker;
mod xml;

pub use read::read;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a mail or file shows, part by part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub parts: Vec<Part>,
}

/// What a part was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Text,
    Html,
    Pdf,
    Csv,
    Xlsx,
    Xml,
    Edifact,
    Image,
    /// A file inside that could not be read, or of a kind nobody reads; `Part::faults` says why.
    Other,
}

/// One readable piece: the text body, the HTML body, an attachment, a file inside a zip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub kind: Kind,
    /// `text`, `html`, `subject`, or the attachment's or file's name.
    pub name: String,
    pub pages: Vec<Page>,
    /// The structured source itself (XML, EDIFACT, HTML) for readers that want more than lines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// What could not be read, and why (encrypted, scanned, too large, broken); never silent.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub faults: Vec<Fault>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The sheet's name, in a workbook.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    pub width: f64,
    pub height: f64,
    /// By how many degrees, clockwise, the page as it is displayed was turned to be read; coordinates are
    /// those of the turned page.
    #[serde(skip_serializing_if = "is_level", default)]
    pub turned: u16,
    /// Visual rows, top to bottom.
    pub lines: Vec<Line>,
    pub tables: Vec<Table>,
    /// Ruling lines (x0, y0, x1, y1), for readers of tables; not part of the JSON.
    #[serde(skip)]
    pub rules: Vec<[f64; 4]>,
}

fn is_level(turned: &u16) -> bool {
    *turned == 0
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub words: Vec<Word>,
}

/// One word as drawn. `hidden`: invisible, white on white, off the page or display:none; rules never
/// see hidden words (hidden text is an attack on an automatic reader).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    pub text: String,
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
    #[serde(default)]
    pub hidden: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub rows: Vec<Vec<Cell>>,
}

/// One cell; the lines of a cell are parted by `\n`. A cell that spans is repeated as an empty one
/// where it covers, with the box of the field it covers there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub text: String,
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
}

/// Why a part, or a piece of it, could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// `ENCRYPTED`, `SCANNED`, `TOO_LARGE`, `TOO_DEEP`, `BROKEN`, `TIMED_OUT`, `UNKNOWN_KIND`, `UNMAPPED_GLYPHS`,
    /// `RECOGNISED` (read from a picture, to be checked).
    pub code: String,
    pub message: String,
}

impl Fault {
    pub fn new(code: &str, message: impl Into<String>) -> Fault {
        Fault { code: code.into(), message: message.into() }
    }
}

impl Part {
    /// A part without pages yet.
    pub fn new(kind: Kind, name: impl Into<String>) -> Part {
        Part { kind, name: name.into(), pages: Vec::new(), source: None, faults: Vec::new() }
    }

    /// A part of which nothing could be read, and why.
    pub fn faulty(kind: Kind, name: impl Into<String>, code: &str, message: impl Into<String>) -> Part {
        let mut part = Part::new(kind, name);
        part.fault(code, message);
        part
    }

    /// Notes what could not be read; the same complaint is kept once.
    pub fn fault(&mut self, code: &str, message: impl Into<String>) {
        let fault = Fault::new(code, message);
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// Bytes to be read as a part.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    pub name: &'a str,
    /// The media type as declared (`application/pdf`); only a hint, the bytes decide.
    pub media_type: &'a str,
    pub bytes: &'a [u8],
}

/// Ceilings for one document; what passes them is a [`Fault`], never a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub bytes_max: usize,
    pub pages_max: usize,
    pub words_max: usize,
    pub cells_max: usize,
    pub depth_max: usize,
    pub parts_max: usize,
    /// Time for recognising scans, with the program `tesseract` where it is installed; zero: not at all.
    pub ocr: Duration,
    /// Whether tables are looked for in plain text. Mappings read the rows of text by where their words stand; people and
    /// learners want the cells.
    pub cells_of_text: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes_max: 40 << 20,
            pages_max: 200,
            words_max: 400_000,
            cells_max: 400_000,
            depth_max: 256,
            parts_max: 1_000,
            ocr: Duration::ZERO,
            cells_of_text: true,
        }
    }
}
