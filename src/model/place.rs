//! Where a value stands: in which part of a mail or document, and at which spot of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a mail or document that a person can be shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Place {
    /// The part: `subject`, `text`, `html`, or the name of an attachment or file.
    pub part: String,
    #[serde(flatten)]
    pub spot: Spot,
}

/// A spot within a part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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

/// A place as it is written: the part and whatever its spot has.
#[derive(Deserialize)]
struct Written {
    part: String,
    page: Option<usize>,
    x0: Option<f64>,
    y0: Option<f64>,
    x1: Option<f64>,
    y1: Option<f64>,
    line: Option<usize>,
    column: Option<usize>,
    end: Option<usize>,
    sheet: Option<String>,
    cell: Option<String>,
    path: Option<String>,
}

impl From<Written> for Place {
    fn from(written: Written) -> Place {
        let w = written;
        let spot = match (w.page, w.line, w.cell, w.path) {
            (Some(page), ..) => Spot::Box {
                page,
                x0: w.x0.unwrap_or_default(),
                y0: w.y0.unwrap_or_default(),
                x1: w.x1.unwrap_or_default(),
                y1: w.y1.unwrap_or_default(),
            },
            (_, Some(line), ..) => {
                let column = w.column.unwrap_or(1);
                Spot::Text { line, column, end: w.end.unwrap_or(column) }
            }
            (.., Some(cell), _) => Spot::Cell { sheet: w.sheet.unwrap_or_default(), cell },
            (.., Some(path)) => Spot::Path { path },
            _ => Spot::Whole,
        };
        Place { part: w.part, spot }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A place that does not come back from the store makes the response behind it unreadable.
    #[test]
    fn places_survive_being_stored() {
        let places = [
            Place::whole("text"),
            Place::text("text", 3, 1, 9),
            Place::path("a.xml", "/OrderResponse/ID"),
            Place::new("a.pdf", Spot::Box { page: 2, x0: 1.5, y0: 2.0, x1: 3.25, y1: 4.0 }),
            Place::new("a.xlsx", Spot::Cell { sheet: "Table 1".into(), cell: "B4".into() }),
        ];
        for place in places {
            let written = serde_json::to_string(&place).unwrap();
            assert_eq!(serde_json::from_str::<Place>(&written).unwrap(), place, "{written}");
        }
    }
}
