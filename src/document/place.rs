//! Boxes to places that a person can be shown: a line and columns, a box on a page, a cell of a sheet.

use crate::model::{Place, Spot};

use super::{Cell, Kind, Line, Page, Part, Word};

/// A box in a page's own coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
}

impl Area {
    /// The smallest box around both.
    pub fn union(self, other: Area) -> Area {
        Area {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// The box around several; none for nothing.
    pub fn around(areas: impl IntoIterator<Item = Area>) -> Option<Area> {
        areas.into_iter().reduce(Area::union)
    }
}

impl From<&Word> for Area {
    fn from(word: &Word) -> Area {
        Area { x0: word.x0, y0: word.y0, x1: word.x1, y1: word.y1 }
    }
}

impl From<&Cell> for Area {
    fn from(cell: &Cell) -> Area {
        Area { x0: cell.x0, y0: cell.y0, x1: cell.x1, y1: cell.y1 }
    }
}

impl Line {
    /// The box around the visible words; none for an empty line.
    pub fn area(&self) -> Option<Area> {
        Area::around(self.words.iter().filter(|word| !word.hidden).map(Area::from))
    }
}

impl Kind {
    /// Whether coordinates are points of a drawn page; otherwise they count characters and lines.
    pub fn is_drawn(self) -> bool {
        matches!(self, Kind::Pdf | Kind::Image)
    }
}

impl Part {
    /// The place of a box on page number `page` (from 0): [`Spot::Box`] on drawn pages,
    /// [`Spot::Cell`] in sheets, [`Spot::Text`] (lines and columns from 1) in all others.
    pub fn place_of(&self, page: usize, area: impl Into<Area>) -> Place {
        let Area { x0, y0, x1, y1 } = area.into();
        let spot = match self.kind {
            kind if kind.is_drawn() => Spot::Box { page: page + 1, x0, y0, x1, y1 },
            Kind::Xlsx | Kind::Csv => match self.pages.get(page) {
                Some(sheet) => Spot::Cell { sheet: sheet.name.clone(), cell: sheet.cell_at(x0, y0) },
                None => Spot::Whole,
            },
            Kind::Xml => match self
                .pages
                .get(page)
                .and_then(|page| page.lines.get(y0.max(0.0) as usize))
                .and_then(|line| line.words.first())
            {
                Some(path) => Spot::Path { path: path.text.clone() },
                None => Spot::Whole,
            },
            _ => Spot::Text { line: ordinal(y0), column: ordinal(x0), end: ordinal(x1) },
        };
        Place::new(self.name.clone(), spot)
    }

    /// The place of a whole line; of the part when the line is empty.
    pub fn place_of_line(&self, page: usize, line: &Line) -> Place {
        match line.area() {
            Some(area) => self.place_of(page, area),
            None => Place::whole(self.name.clone()),
        }
    }
}

impl Page {
    /// The name of the cell of a sheet (`B4`) in which a box begins.
    fn cell_at(&self, x0: f64, y0: f64) -> String {
        let row = (y0.max(0.0)) as usize;
        let column = self
            .tables
            .first()
            .and_then(|table| table.rows.get(row))
            .map_or(0, |cells| cells.iter().rposition(|cell| cell.x0 <= x0 + 0.5).unwrap_or(0));
        cell_name(row, column)
    }
}

/// The name that spreadsheets give to a cell: row and column from 0, `cell_name(3, 1)` is `B4`.
pub fn cell_name(row: usize, column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().chain(format!("{}", row + 1).chars().collect::<Vec<_>>().iter()).collect()
}

fn ordinal(coordinate: f64) -> usize {
    coordinate.max(0.0).round() as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Look at B4" must send a person to the cell that was read.
    #[test]
    fn names_cells_as_spreadsheets_do() {
        for (row, column, name) in
            [(0, 0, "A1"), (3, 1, "B4"), (9, 25, "Z10"), (0, 26, "AA1"), (0, 701, "ZZ1"), (0, 702, "AAA1")]
        {
            assert_eq!(cell_name(row, column), name);
        }
    }

    /// A complaint about line 3 must stand at line 3, counted as editors count.
    #[test]
    fn text_places_count_from_one() {
        let part = Part::new(Kind::Text, "text");
        let place = part.place_of(0, Area { x0: 4.0, y0: 2.0, x1: 9.0, y1: 3.0 });
        assert_eq!(place, Place::text("text", 3, 5, 10));
    }
}
