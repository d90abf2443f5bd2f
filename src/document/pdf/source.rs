//! The seam: what a drawn page gives, whoever interprets it. Points from the top left corner, y down.

use crate::document::place::Area;

/// What a glyph says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    One(char),
    Many(Box<str>),
    /// A space, or nothing that shows.
    Space,
}

/// A glyph as drawn: where it begins on the baseline, and how far it goes.
#[derive(Clone, Debug)]
pub(super) struct Glyph {
    pub said: Said,
    pub x: f64,
    pub y: f64,
    pub dx: f64,
    pub dy: f64,
    /// The font size as it arrives on the page, in points.
    pub size: f64,
    /// A reader cannot see it: invisible, in the colour of what is behind it, covered, clipped, tiny.
    pub hidden: bool,
}

impl Glyph {
    /// The point that must be seen for the glyph to be read: the middle of a small letter.
    pub(super) fn middle(&self) -> (f64, f64) {
        let length = self.dx.hypot(self.dy).max(1e-9);
        let (ux, uy) = (self.dx / length, self.dy / length);
        let up = 0.3 * self.size;
        (self.x + self.dx / 2.0 + uy * up, self.y + self.dy / 2.0 - ux * up)
    }
}

/// Everything on one page that reading needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Ink {
    pub width: f64,
    pub height: f64,
    /// In the order they were drawn.
    pub glyphs: Vec<Glyph>,
    /// Straight strokes, thin boxes, and filled boxes: x0, y0, x1, y1.
    pub rules: Vec<[f64; 4]>,
    pub pictures: Vec<Area>,
    /// Glyphs of which nobody knows the character.
    pub unmapped: usize,
    /// More was drawn than is read.
    pub cut: bool,
}

/// What is embedded in the file beside its pages.
#[derive(Clone, Debug)]
pub(super) struct Embedded {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawn {
    pub pages: Vec<Ink>,
    /// How many pages there are, read or not.
    pub count: usize,
    pub embedded: Vec<Embedded>,
}

/// Why a file gave no pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SourceError {
    #[error("it is protected by a password")]
    Password,
    #[error("it is encrypted in a way that cannot be read")]
    Encryption,
    #[error("it is not a PDF that can be read")]
    Invalid,
}

impl Ink {
    /// Turns the page so that text running in quarter turn `turn` (1: downwards, 2: upside down,
    /// 3: upwards) runs from left to right.
    pub(super) fn turn(&mut self, turn: u8) {
        let (width, height) = (self.width, self.height);
        let point = |x: f64, y: f64| match turn {
            1 => (y, width - x),
            2 => (width - x, height - y),
            3 => (height - y, x),
            _ => (x, y),
        };
        let vector = |x: f64, y: f64| match turn {
            1 => (y, -x),
            2 => (-x, -y),
            3 => (-y, x),
            _ => (x, y),
        };
        for glyph in &mut self.glyphs {
            (glyph.x, glyph.y) = point(glyph.x, glyph.y);
            (glyph.dx, glyph.dy) = vector(glyph.dx, glyph.dy);
        }
        for rule in &mut self.rules {
            let (a, b) = (point(rule[0], rule[1]), point(rule[2], rule[3]));
            *rule = [a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)];
        }
        for picture in &mut self.pictures {
            let (a, b) = (point(picture.x0, picture.y0), point(picture.x1, picture.y1));
            *picture = Area { x0: a.0.min(b.0), y0: a.1.min(b.1), x1: a.0.max(b.0), y1: a.1.max(b.1) };
        }
        if turn % 2 == 1 {
            (self.width, self.height) = (height, width);
        }
    }
}
