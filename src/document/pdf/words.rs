//! Glyphs to words.
//!
//! Two steps. First glyphs that follow each other in the order they were drawn are chained while
//! each goes on where the last one ended: this keeps overflowing cells and overprints apart, which
//! sorting by place alone would shuffle. Then the pieces of one baseline are put in order, doubled
//! ones (fake bold) dropped, and touching ones joined.

use super::source::{Glyph, Said};
use crate::document::Word;

/// A word and the quarter turn of its text: 0 left to right, 1 downwards, 2 upside down, 3 upwards.
#[derive(Clone, Debug)]
pub(in crate::document) struct Turned {
    pub word: Word,
    pub turn: u8,
}

/// The quarter turn in which a glyph runs.
pub(super) fn turn_of(glyph: &Glyph) -> u8 {
    if glyph.dx.abs() >= glyph.dy.abs() {
        if glyph.dx >= 0.0 { 0 } else { 2 }
    } else if glyph.dy > 0.0 {
        1
    } else {
        3
    }
}

/// Page coordinates to coordinates in which text of this turn runs to the right.
fn local(turn: u8, x: f64, y: f64) -> (f64, f64) {
    match turn {
        0 => (x, y),
        1 => (y, -x),
        2 => (-x, -y),
        _ => (-y, x),
    }
}

fn global(turn: u8, u: f64, v: f64) -> (f64, f64) {
    match turn {
        0 => (u, v),
        1 => (-v, u),
        2 => (-u, -v),
        _ => (v, -u),
    }
}

/// A piece of a word.
#[derive(Clone, Debug)]
struct Piece {
    text: String,
    u0: f64,
    u1: f64,
    /// The baseline.
    v: f64,
    size: f64,
    /// Where its last glyph begins.
    last: f64,
    /// A space was drawn behind it.
    spaced: bool,
    hidden: bool,
    characters: usize,
}

/// All words of a page, in no particular order.
pub(super) fn words(glyphs: &[Glyph]) -> Vec<Turned> {
    let mut words = Vec::new();
    for turn in 0..4 {
        let pieces = chain(glyphs, turn);
        for line in baselines(pieces) {
            for piece in join(track(undouble(line))) {
                let (ax, ay) = global(turn, piece.u0, piece.v - 0.78 * piece.size);
                let (bx, by) = global(turn, piece.u1, piece.v + 0.22 * piece.size);
                let word = Word {
                    text: piece.text,
                    x0: ax.min(bx),
                    y0: ay.min(by),
                    x1: ax.max(bx),
                    y1: ay.max(by),
                    hidden: piece.hidden,
                };
                words.push(Turned { word, turn });
            }
        }
    }
    words
}

/// Chains glyphs of one turn in the order they were drawn.
fn chain(glyphs: &[Glyph], turn: u8) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut broken = true;
    for glyph in glyphs.iter().filter(|glyph| turn_of(glyph) == turn && glyph.size > 0.1) {
        let (u, v) = local(turn, glyph.x, glyph.y);
        let length = glyph.dx.hypot(glyph.dy);
        if glyph.said == Said::Space {
            if let Some(last) = pieces.last_mut()
                && (u - last.u1).abs() < last.size
            {
                last.spaced = true;
            }
            broken = true;
            continue;
        }
        if !broken
            && let Some(last) = pieces.last_mut()
            && last.hidden == glyph.hidden
            && follows(last, glyph, u, v)
        {
            append(&mut last.text, &glyph.said);
            last.characters += 1;
            last.u1 = last.u1.max(u + length);
            last.last = u;
            last.size = last.size.max(glyph.size);
            continue;
        }
        broken = false;
        let mut text = String::new();
        append(&mut text, &glyph.said);
        let (hidden, size) = (glyph.hidden, glyph.size);
        pieces.push(Piece { text, u0: u, u1: u + length, v, size, last: u, spaced: false, hidden, characters: 1 });
    }
    pieces
}

fn append(text: &mut String, said: &Said) {
    match said {
        Said::One(c) => text.push(*c),
        Said::Many(many) => text.push_str(many),
        Said::Space => {}
    }
}

/// Whether a glyph goes on where the piece ends. Parts of a ligature stand on one origin.
fn follows(piece: &Piece, glyph: &Glyph, u: f64, v: f64) -> bool {
    let size = piece.size.min(glyph.size);
    let gap = u - piece.u1;
    let same_baseline = (v - piece.v).abs() <= 0.12 * size;
    let ligature = (u - piece.last).abs() < 0.02 * size && !ends_with(&piece.text, &glyph.said);
    let alike = piece.size / glyph.size < 1.8 && glyph.size / piece.size < 1.8;
    same_baseline && (ligature || (-0.35 * size..=0.13 * size).contains(&gap) && u >= piece.last && alike)
}

fn ends_with(text: &str, said: &Said) -> bool {
    match said {
        Said::One(c) => text.ends_with(*c),
        Said::Many(many) => text.ends_with(&**many),
        Said::Space => false,
    }
}

/// Pieces of one baseline, left to right; baselines may drift a little.
fn baselines(mut pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    pieces.sort_by(|a, b| a.v.total_cmp(&b.v));
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces {
        if let Some(line) = lines.last_mut()
            && let (Some(first), Some(last)) = (line.first(), line.last())
            && (piece.v - last.v).abs() <= 0.15 * last.size.min(piece.size)
            && (piece.v - first.v).abs() <= 0.3 * last.size.max(piece.size)
        {
            line.push(piece);
        } else {
            lines.push(vec![piece]);
        }
    }
    for line in &mut lines {
        line.sort_by(|a, b| a.u0.total_cmp(&b.u0));
    }
    lines
}

/// Drops text that is drawn twice on nearly the same spot; the copy that can be seen stays.
fn undouble(line: Vec<Piece>) -> Vec<Piece> {
    let mut kept: Vec<Piece> = Vec::with_capacity(line.len());
    for piece in line {
        let double = kept.iter_mut().rev().take(6).find(|other| {
            other.text == piece.text
                && (other.u0 - piece.u0).abs() < 0.2 * piece.size
                && (other.v - piece.v).abs() < 0.2 * piece.size
        });
        match double {
            Some(other) => {
                other.hidden &= piece.hidden;
                other.spaced |= piece.spaced;
            }
            None => kept.push(piece),
        }
    }
    kept
}

/// Joins letter-spaced words: four and more single characters with even gaps.
fn track(line: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(line.len());
    let mut run: Vec<Piece> = Vec::new();
    let mut usual: Option<f64> = None;
    for piece in line {
        let goes_on = run.last().is_some_and(|last| {
            let gap = piece.u0 - last.u1;
            last.characters == 1
                && piece.characters == 1
                && !last.spaced
                && last.hidden == piece.hidden
                && gap > 0.05 * last.size
                && gap < 0.45 * last.size
                && usual.is_none_or(|usual| (gap - usual).abs() <= 0.09 * last.size)
        });
        if goes_on {
            if let Some(last) = run.last() {
                let gap = piece.u0 - last.u1;
                usual = Some(usual.map_or(gap, |usual| (usual * 3.0 + gap) / 4.0));
            }
        } else {
            settle(&mut run, &mut out);
            usual = None;
        }
        run.push(piece);
    }
    settle(&mut run, &mut out);
    out
}

fn settle(run: &mut Vec<Piece>, out: &mut Vec<Piece>) {
    // Leader dots are no word.
    if run.len() < 4 || run.iter().all(|piece| matches!(piece.text.as_str(), "." | "_" | "-")) {
        out.append(run);
        return;
    }
    let mut rest = run.drain(..);
    if let Some(mut whole) = rest.next() {
        for piece in rest {
            absorb(&mut whole, piece);
        }
        out.push(whole);
    }
}

fn absorb(whole: &mut Piece, piece: Piece) {
    whole.text.push_str(&piece.text);
    whole.characters += piece.characters;
    whole.u1 = whole.u1.max(piece.u1);
    whole.last = piece.u0;
    whole.size = whole.size.max(piece.size);
    whole.spaced = piece.spaced;
}

/// Joins pieces that touch.
fn join(line: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(line.len());
    for piece in line {
        if let Some(last) = out.last_mut() {
            let size = last.size.min(piece.size);
            let gap = piece.u0 - last.u1;
            let alike = last.size / piece.size < 1.8 && piece.size / last.size < 1.8;
            if !last.spaced && last.hidden == piece.hidden && alike && (-0.15 * size..=0.13 * size).contains(&gap) {
                absorb(last, piece);
                continue;
            }
        }
        out.push(piece);
    }
    out
}
