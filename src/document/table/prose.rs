//! Columns of running text beside a table: they share its lines, but are none of its cells.

use crate::document::{Line, Word, place::Area};

/// Runs of words on one line stand further apart than so many heights.
const APART: f64 = 1.5;
/// Words of a run of running text at least.
const WORDS_MIN: usize = 5;
/// Lines of a column of running text at least.
const LINES_MIN: usize = 6;
/// Lines of one column are no further apart than this, in heights.
const GAP_MAX: f64 = 2.5;

/// A run of words at the left or right end of a line.
#[derive(Clone, Copy)]
struct Run {
    area: Area,
    begins_small: bool,
}

/// The columns of running text at the left or right side of a page that stand beside something else.
pub(super) fn beside(lines: &[Line]) -> Vec<Area> {
    let mut found: Vec<Area> = Vec::new();
    for side in [Side::Left, Side::Right] {
        let mut column: Vec<Run> = Vec::new();
        for line in lines {
            let Some(run) = outer(line, side) else { continue };
            if column.last().is_some_and(|last| !goes_on(last, &run)) {
                found.extend(settled(&std::mem::take(&mut column), lines));
            }
            column.push(run);
        }
        found.extend(settled(&column, lines));
    }
    found
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

/// The outermost run of a line, when it is running text and something else stands on the line or
/// could stand there.
fn outer(line: &Line, side: Side) -> Option<Run> {
    let mut words: Vec<&Word> = line.visible().collect();
    if side == Side::Right {
        words.reverse();
    }
    let first = *words.first()?;
    let mut area = Area::from(first);
    let mut run = vec![first];
    for word in words.iter().skip(1) {
        let gap = (word.x0 - area.x1).max(area.x0 - word.x1);
        if gap > APART * (word.y1 - word.y0).min(area.y1 - area.y0) {
            break;
        }
        area = area.union(Area::from(*word));
        run.push(word);
    }
    let characters = || run.iter().flat_map(|word| word.text.chars());
    let (letters, all) = (characters().filter(|c| c.is_alphabetic()).count(), characters().count());
    let leftmost = if side == Side::Left { run.first() } else { run.last() };
    let begins_small = leftmost.is_some_and(|word| word.text.starts_with(char::is_lowercase));
    (run.len() >= WORDS_MIN && letters * 10 >= all * 6).then_some(Run { area, begins_small })
}

fn goes_on(last: &Run, run: &Run) -> bool {
    let shared = last.area.x1.min(run.area.x1) - last.area.x0.max(run.area.x0);
    let narrow = (last.area.x1 - last.area.x0).min(run.area.x1 - run.area.x0);
    run.area.y0 - last.area.y1 <= GAP_MAX * (run.area.y1 - run.area.y0) && shared >= 0.6 * narrow
}

/// The area of a column, when its lines run on from each other and are out of step with what stands beside.
fn settled(column: &[Run], lines: &[Line]) -> Option<Area> {
    let small = column.iter().filter(|run| run.begins_small).count();
    if column.len() < LINES_MIN || small * 10 < column.len() * 3 {
        return None;
    }
    let area = Area::around(column.iter().map(|run| run.area))?;
    let (mut together, mut alone) = (0, 0);
    for line in lines {
        let Some(place) = line.area() else { continue };
        let middle = (place.y0 + place.y1) / 2.0;
        if middle < area.y0 || area.y1 < middle {
            continue;
        }
        let inside = line.visible().filter(|word| word.x0 < area.x1 && area.x0 < word.x1);
        let beside = line.visible().any(|word| word.x1 <= area.x0 || area.x1 <= word.x0);
        let mut within = false;
        for word in inside {
            // A line that runs across is of another layout.
            if word.x0 < area.x0 - 1.0 || area.x1 + 1.0 < word.x1 {
                return None;
            }
            within = true;
        }
        together += usize::from(within && beside);
        alone += usize::from(beside && !within);
    }
    (together >= 2 && alone >= 2).then_some(area)
}
