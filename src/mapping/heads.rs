//! Column heads: where the words of `[table.columns]` stand on a page or in a table's cells.
//!
//! A head may be written over several lines, abbreviated a little, or stand beside others with one
//! space only. Exact words win over parts of a phrase, those over similar words (0.85 and more).

use std::ops::Range;

use super::rule::Column;
use super::view::{Row, View};
use super::words;
use crate::document::Cell;
use crate::document::place::Area;

/// Heads are written over at most so many lines.
pub const LINES_MAX: usize = 4;
const SIMILAR: f64 = 0.85;
const RUN_MAX: usize = 6;

/// One head that was found: which column rule, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Index into the wanted heads.
    pub wanted: usize,
    pub area: Area,
    pub score: u8,
}

/// A column that is wanted: columns that share their heads (with different `find`) are one.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub plain: Vec<String>,
    pub written: Vec<String>,
    /// Indices into the rule's columns.
    pub columns: Vec<usize>,
    pub required: bool,
}

/// The columns whose heads are looked for.
pub fn wanted(columns: &[Column]) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    for (index, column) in columns.iter().enumerate().filter(|(_, column)| !column.heads.is_empty()) {
        let plain: Vec<String> = column.heads.iter().map(|head| words::plain(head)).collect();
        let required = column.required != Some(false);
        match all.iter_mut().find(|wanted| wanted.plain == plain) {
            Some(wanted) => {
                wanted.columns.push(index);
                wanted.required |= required;
            }
            None => all.push(Wanted { plain, written: column.heads.clone(), columns: vec![index], required }),
        }
    }
    all
}

/// What was found in a window of rows.
#[derive(Clone, Debug)]
pub struct Window {
    pub rows: Range<usize>,
    pub heads: Vec<Head>,
}

impl Window {
    pub fn is_whole(&self, wanted: &[Wanted]) -> bool {
        !self.heads.is_empty() && self.missing(wanted).is_empty()
    }

    /// The required heads that are not there.
    pub fn missing<'w>(&self, wanted: &'w [Wanted]) -> Vec<&'w Wanted> {
        let has = |index: usize| self.heads.iter().any(|head| head.wanted == index);
        wanted
            .iter()
            .enumerate()
            .filter(|(index, wanted)| wanted.required && !has(*index))
            .map(|(_, wanted)| wanted)
            .collect()
    }
}

/// The first window of rows from `from` to `to` that holds every required head; or the best one.
pub fn find(view: &View<'_>, from: usize, to: usize, wanted: &[Wanted]) -> Option<Window> {
    let mut best: Option<Window> = None;
    for begin in from..to {
        let Some(first) = view.rows.get(begin).filter(|row| !row.is_blank()) else { continue };
        for lines in 1..=LINES_MAX {
            let end = begin + lines;
            let Some(rows) = view.rows.get(begin..end.min(to)) else { break };
            if rows.len() < lines || rows.last().is_some_and(|row| row.page != first.page) {
                break;
            }
            let heads = on_rows(rows, wanted);
            // A window is better when its first row adds something: else the next begin finds it smaller.
            let window = Window { rows: begin..end, heads };
            if window.is_whole(wanted) {
                return Some(grown(view, window, wanted, to));
            }
            if window.heads.len() > best.as_ref().map_or(0, |best| best.heads.len()) {
                best = Some(window);
            }
            if window_is_hopeless(rows, wanted) {
                break;
            }
        }
    }
    best
}

/// A first row without a single head will not become a head by further rows.
fn window_is_hopeless(rows: &[Row], wanted: &[Wanted]) -> bool {
    let Some(first) = rows.first() else { return true };
    !first.folded_words().iter().any(|word| {
        let plain = words::unpunctuated(word);
        let stem = plain.trim_end_matches('-');
        stem.chars().count() >= 2 && wanted.iter().flat_map(|wanted| &wanted.plain).any(|head| head.contains(stem))
            || wanted.iter().flat_map(|wanted| &wanted.plain).any(|head| *head == plain)
    })
}

/// Takes in the next rows when they make heads exact that were similar only.
fn grown(view: &View<'_>, window: Window, wanted: &[Wanted], to: usize) -> Window {
    let sum = |window: &Window| window.heads.iter().map(|head| u32::from(head.score)).sum::<u32>();
    let mut best = window;
    for end in best.rows.end + 1..=(best.rows.start + LINES_MAX).min(to) {
        let Some(rows) = view.rows.get(best.rows.start..end) else { break };
        if rows.last().map(|row| row.page) != rows.first().map(|row| row.page) {
            break;
        }
        let larger = Window { rows: best.rows.start..end, heads: on_rows(rows, wanted) };
        if larger.is_whole(wanted) && sum(&larger) > sum(&best) {
            best = larger;
        }
    }
    best
}

/// Heads in some rows: whole phrases and stacks of phrases first, runs of words then, similar ones last.
fn on_rows(rows: &[Row], wanted: &[Wanted]) -> Vec<Head> {
    let mut found: Vec<Head> = Vec::new();
    let mut add = |wanted: usize, area: Area, score: u8| found.push(Head { wanted, area, score });
    for (index, row) in rows.iter().enumerate() {
        for phrase in &row.phrases {
            let mut text = row.folded_phrase(phrase);
            let mut area = phrase.area;
            compare(&text, area, wanted, &mut add);
            for below in rows.get(index + 1..).unwrap_or_default() {
                let parts = below.phrases.iter().filter(|other| other.area.x0 < area.x1 && area.x0 < other.area.x1);
                let (mut more, mut grown) = (String::new(), area);
                for part in parts {
                    more.push_str(&below.folded_phrase(part));
                    grown = grown.union(part.area);
                }
                if more.is_empty() {
                    continue;
                }
                text.push_str(&more);
                area = grown;
                compare(&text, area, wanted, &mut add);
            }
        }
        for begin in 0..row.words.len() {
            let mut run = String::new();
            for (count, word) in row.folded_words().iter().skip(begin).take(RUN_MAX).enumerate() {
                run.push_str(word);
                let plain = words::unpunctuated(&run);
                for (index, _) in
                    wanted.iter().enumerate().filter(|(_, wanted)| wanted.plain.iter().any(|w| w == plain))
                {
                    let words = row.words.get(begin..=begin + count).unwrap_or_default();
                    if let Some(area) = Area::around(words.iter().map(|word| word.area)) {
                        add(index, area, 2);
                    }
                }
                // No head goes on like this: neither will it with one more word.
                if !wanted.iter().flat_map(|wanted| &wanted.plain).any(|head| head.starts_with(run.as_str())) {
                    break;
                }
            }
        }
    }
    best_of(found, wanted.len())
}

/// Compares folded words with every head.
fn compare(folded: &str, area: Area, wanted: &[Wanted], add: &mut impl FnMut(usize, Area, u8)) {
    let plain = words::unpunctuated(folded);
    let joined = plain.replace('-', "");
    let length = plain.chars().count();
    for (index, wanted) in wanted.iter().enumerate() {
        if let Some(score) =
            wanted.plain.iter().map(|head| score((plain, length), &joined, head)).max().filter(|score| *score > 0)
        {
            add(index, area, score);
        }
    }
}

/// `plain` comes with the count of its characters.
fn score((plain, length): (&str, usize), joined: &str, head: &str) -> u8 {
    let head_joined = || head.bytes().filter(|b| *b != b'-').eq(joined.bytes());
    if plain == head || head_joined() {
        return 4;
    }
    u8::from(is_similar((plain, length), head))
}

fn is_similar((plain, length): (&str, usize), head: &str) -> bool {
    let (shorter, longer) = {
        let other = head.chars().count();
        (length.min(other), length.max(other))
    };
    // Every character that one has more is a difference: most pairs are told apart by their lengths alone.
    let near = shorter >= 4 && (longer - shorter) as f64 <= (1.0 - SIMILAR) * longer as f64;
    // Similar words with other digits ("Preis 1", "Preis 2") are other columns.
    let digits = |text| str::bytes(text).filter(u8::is_ascii_digit);
    near && digits(plain).eq(digits(head)) && strsim::normalized_damerau_levenshtein(plain, head) >= SIMILAR
}

/// One head a column, the best first; no two columns at one place.
fn best_of(mut found: Vec<Head>, count: usize) -> Vec<Head> {
    found.sort_by(|a, b| {
        b.score.cmp(&a.score).then(a.area.y0.total_cmp(&b.area.y0)).then(a.area.x0.total_cmp(&b.area.x0))
    });
    let mut chosen: Vec<Head> = Vec::new();
    for head in found {
        let taken = chosen.iter().any(|other| other.wanted == head.wanted || overlaps(&other.area, &head.area));
        if !taken && chosen.len() < count {
            chosen.push(head);
        }
    }
    chosen
}

fn overlaps(a: &Area, b: &Area) -> bool {
    a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1
}

/// Heads among the cells of a table.
#[derive(Clone, Debug)]
pub struct CellHeads {
    pub rows: Range<usize>,
    /// Which wanted head stands in which column.
    pub columns: Vec<(usize, usize)>,
    /// Every required head is there.
    pub whole: bool,
}

/// The first rows of a table's cells that hold every required head; or the best ones.
pub fn in_cells(rows: &[Vec<Cell>], from: usize, wanted: &[Wanted]) -> Option<CellHeads> {
    let mut best: Option<CellHeads> = None;
    for begin in from..rows.len().min(from + 500) {
        for lines in 1..=LINES_MAX.min(rows.len() - begin) {
            let Some(window) = rows.get(begin..begin + lines) else { break };
            let width = window.iter().map(Vec::len).max().unwrap_or(0);
            let mut found: Vec<(u8, usize, usize)> = Vec::new();
            for column in 0..width {
                let texts: Vec<&str> =
                    window.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.as_str()).collect();
                let whole = words::plain(&texts.join(" "));
                let joined = whole.replace('-', "");
                let length = whole.chars().count();
                for (index, wanted) in wanted.iter().enumerate() {
                    if let Some(score) = wanted
                        .plain
                        .iter()
                        .map(|head| score((&whole, length), &joined, head))
                        .max()
                        .filter(|score| *score > 0)
                    {
                        found.push((score, index, column));
                    }
                }
            }
            found.sort_by(|a, b| b.0.cmp(&a.0).then(a.2.cmp(&b.2)));
            let mut chosen: Vec<(usize, usize)> = Vec::new();
            for (_, index, column) in found {
                if !chosen.iter().any(|other| other.0 == index || other.1 == column) {
                    chosen.push((index, column));
                }
            }
            let whole = !chosen.is_empty()
                && wanted
                    .iter()
                    .enumerate()
                    .all(|(index, wanted)| !wanted.required || chosen.iter().any(|c| c.0 == index));
            if whole {
                return Some(CellHeads { rows: begin..begin + lines, columns: chosen, whole });
            }
            if chosen.len() > best.as_ref().map_or(0, |best| best.columns.len()) {
                best = Some(CellHeads { rows: begin..begin + lines, columns: chosen, whole });
            }
        }
    }
    best
}
