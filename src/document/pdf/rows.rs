//! Words to visual rows.

use super::words::Turned;
use crate::document::{Line, Word, table::stream::Lift};

/// How far the middles of two words on one row may be apart, in heights of the smaller one.
const TOLERANCE: f64 = 0.45;

/// Rows top to bottom, words left to right; text that runs in another direction than the page makes
/// lines of its own, so that a stamp on the margin does not tear the rows.
pub(super) fn lines(words: Vec<Turned>) -> Vec<Line> {
    let (level, turned): (Vec<Turned>, Vec<Turned>) = words.into_iter().partition(|word| word.turn == 0);
    let mut lines = rows(level.into_iter().map(|turned| turned.word).collect());
    for turn in 1..4 {
        let words: Vec<Word> = turned.iter().filter(|word| word.turn == turn).map(|word| word.word.clone()).collect();
        lines.extend(columns(words, turn));
    }
    lines.sort_by(|a, b| top(a).total_cmp(&top(b)));
    lines
}

/// Puts numbers that hang off their row onto it.
pub(super) fn lift(lines: &mut Vec<Line>, lifts: &[Lift]) {
    for lift in lifts {
        let Some(from) = lines.get_mut(lift.from) else { continue };
        let hangs = |word: &Word| !word.hidden && word.x0 >= lift.x0 - 0.01 && word.x1 <= lift.x1 + 0.01;
        let (hanging, stays): (Vec<Word>, Vec<Word>) = std::mem::take(&mut from.words).into_iter().partition(hangs);
        from.words = stays;
        if let Some(to) = lines.get_mut(lift.to) {
            to.words.extend(hanging);
            to.words.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        }
    }
    lines.retain(|line| !line.words.is_empty());
}

fn top(line: &Line) -> f64 {
    line.words.iter().map(|word| (word.y0 + word.y1) / 2.0).fold(f64::INFINITY, f64::min)
}

struct Row {
    middle: f64,
    height: f64,
    words: Vec<Word>,
}

fn rows(mut words: Vec<Word>) -> Vec<Line> {
    let middle = |word: &Word| (word.y0 + word.y1) / 2.0;
    words.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    let mut rows: Vec<Row> = Vec::new();
    for word in words {
        let (at, height) = (middle(&word), word.y1 - word.y0);
        if let Some(row) = rows.last_mut()
            && (at - row.middle).abs() <= TOLERANCE * height.min(row.height)
        {
            row.words.push(word);
            row.middle += (at - row.middle) / row.words.len() as f64;
            row.height = row.height.max(height);
        } else {
            rows.push(Row { middle: at, height, words: vec![word] });
        }
    }
    rows.into_iter()
        .map(|mut row| {
            row.words.sort_by(|a, b| a.x0.total_cmp(&b.x0));
            Line { words: row.words }
        })
        .collect()
}

/// Lines of text that runs up, down or upside down, words in reading order.
fn columns(mut words: Vec<Word>, turn: u8) -> Vec<Line> {
    let across = |word: &Word| if turn == 2 { (word.y0 + word.y1) / 2.0 } else { (word.x0 + word.x1) / 2.0 };
    let along = |word: &Word| match turn {
        1 => word.y0,
        2 => -word.x1,
        _ => -word.y1,
    };
    let thick = |word: &Word| if turn == 2 { word.y1 - word.y0 } else { word.x1 - word.x0 };
    words.sort_by(|a, b| across(a).total_cmp(&across(b)).then(along(a).total_cmp(&along(b))));
    let mut lines: Vec<Vec<Word>> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line)
                if line.last().is_some_and(|last| {
                    (across(last) - across(&word)).abs() <= TOLERANCE * thick(&word).min(thick(last))
                }) =>
            {
                line.push(word);
            }
            _ => lines.push(vec![word]),
        }
    }
    lines
        .into_iter()
        .map(|mut words| {
            words.sort_by(|a, b| along(a).total_cmp(&along(b)));
            Line { words }
        })
        .collect()
}
