//! One line of a message before its words are values: the cells of a row and of the rows that continue
//! it, by table or by patterns.

use std::ops::Range;

use super::view::View;
use crate::model::Place;

/// Words with their place.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    pub text: String,
    pub place: Place,
}

/// The rows of one line.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Per wanted column, what stands there, a fragment a line.
    pub cells: Vec<Vec<Fragment>>,
    /// Per wanted column, the fragment that stands on the row that begins the line.
    pub first: Vec<Option<usize>>,
    /// The rows as text, one a line.
    pub text: String,
    /// Where pieces of the text came from: the byte each begins at.
    pub origins: Vec<(usize, Origin)>,
}

#[derive(Clone, Debug)]
pub enum Origin {
    /// From this byte of the view's text on.
    Byte(usize),
    Place(Place),
}

/// One row of a table's body.
#[derive(Clone, Debug)]
pub struct BodyRow {
    pub cells: Vec<Option<Fragment>>,
    pub text: String,
    pub origins: Vec<(usize, Origin)>,
    pub page: usize,
    pub y0: f64,
    pub y1: f64,
    /// A ruling, or the edge of a page, stands between this row and the one before.
    pub parted: bool,
}

impl Record {
    pub fn new(columns: usize) -> Record {
        Record { cells: vec![Vec::new(); columns], first: vec![None; columns], ..Record::default() }
    }

    /// Appends a row below what is there; `begins`: it is the row that begins the line.
    pub fn push(&mut self, row: BodyRow, begins: bool) {
        for ((cell, first), fragment) in self.cells.iter_mut().zip(&mut self.first).zip(row.cells) {
            if begins && fragment.is_some() {
                *first = Some(cell.len());
            }
            // Lines of one cell are fragments of their own.
            cell.extend(fragment.into_iter().flat_map(lines));
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let offset = self.text.len();
        self.text.push_str(&row.text);
        self.origins.extend(row.origins.into_iter().map(|(at, origin)| (offset + at, origin)));
    }

    /// Where some bytes of the record's text stand.
    pub fn place(&self, view: &View<'_>, span: Range<usize>) -> Place {
        let index = self.origins.partition_point(|origin| origin.0 <= span.start);
        match index.checked_sub(1).and_then(|index| self.origins.get(index)) {
            Some((at, Origin::Byte(byte))) => view.place(byte + (span.start - at)..byte + (span.end - at)),
            Some((_, Origin::Place(place))) => place.clone(),
            None => Place::whole(view.part.name.clone()),
        }
    }

    /// The place of the record: that of its first filled cell.
    pub fn whole(&self, view: &View<'_>) -> Place {
        match self.cells.iter().flatten().next() {
            Some(fragment) => fragment.place.clone(),
            None => self.place(view, 0..self.text.lines().next().map_or(0, str::len)),
        }
    }
}

/// A cell of several lines as one fragment a line.
fn lines(fragment: Fragment) -> Vec<Fragment> {
    if !fragment.text.contains('\n') {
        return vec![fragment];
    }
    let shifted = |line: usize, text: &str| {
        let mut place = fragment.place.clone();
        if let crate::model::Spot::Text { line: at, end, column } = &mut place.spot {
            *at += line;
            *end = *column + text.chars().count();
        }
        place
    };
    let found = fragment.text.split('\n').enumerate().filter(|(_, text)| !text.trim().is_empty());
    found.map(|(line, text)| Fragment { text: text.to_string(), place: shifted(line, text) }).collect()
}
