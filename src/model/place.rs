//! Where a value stands: in which part of a mail or document, and at which spot of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a mail or document that a person can be shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The part: `subject`, `text`, `html`, or the name of an attachment or file.
    pub part: String,
    #[serde(flatten)]
    pub spot: Spot,
}

/// A spot within a part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Spot {
    /// A box on a page (PDF, images); points from the top left corner, pages from 1.
    Box { page: usize, x0: f64, y0: f64, x1: f64, y1: f64 },
    /// Characters of a line; lines and columns from 1, `end` is the column behind the last one.
    Text { line: usize, column: usize, end: usize },
    /// A cell of a sheet, as spreadsheets call it (`B4`).
    Cell { sheet: String, cell: String },
    /// A path in a structured document: an XPath (`/OrderResponse/ID`) or an EDIFACT segment (`LIN[2]/1229`).
    Path { path: String },
    /// The part as a whole.
    #[default]
    Whole,
}

impl Place {
    pub fn new(part: impl Into<String>, spot: Spot) -> Place {
        Place { part: part.into(), spot }
    }

    pub fn text(part: impl Into<String>, line: usize, column: usize, end: usize) -> Place {
        Place::new(part, Spot::Text { line, column, end })
    }

    pub fn path(part: impl Into<String>, path: impl Into<String>) -> Place {
        Place::new(part, Spot::Path { path: path.into() })
    }

    pub fn whole(part: impl Into<String>) -> Place {
        Place::new(part, Spot::Whole)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        match &self.spot {
            Spot::Text { line, column, .. } => write!(f, ":{line}:{column}"),
            Spot::Box { page, x0, y0, .. } => write!(f, ", page {page} at {x0:.0}, {y0:.0}"),
            Spot::Cell { sheet, cell } => write!(f, ", {sheet}!{cell}"),
            Spot::Path { path } => write!(f, ", {path}"),
            Spot::Whole => Ok(()),
        }
    }
}
