//! Where the order's products stand in a part: rows under heads, with the rows that continue them.

use super::super::bands;
use super::super::heads::{Head, LINES_MAX};
use super::super::value::Formats;
use super::super::view::{Row, View};
use super::super::words;
use super::case::{self, Case};
use super::formats::is_value;

/// A table as far as the order proves it.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    pub heads: Vec<String>,
    pub rows: Vec<GridRow>,
    /// What stands behind the last row, one a row.
    pub behind: Vec<String>,
}

/// One line of the table, with the rows that continue it.
#[derive(Clone, Debug, Default)]
pub struct GridRow {
    /// Index of the order's position.
    pub position: usize,
    /// Per head, the filled lines of its cell.
    pub cells: Vec<Vec<String>>,
    /// The row and those that continue it, as text.
    pub text: Vec<String>,
}

/// More rows than these never belong to one line.
const BLOCK_MAX: usize = 6;

/// The position whose product a text names, if any; positions without a product number by their name.
fn named(case: &Case<'_>, text: &str) -> Option<usize> {
    let written: Vec<String> = text.split_whitespace().map(words::plain).collect();
    let naked: Vec<String> = text.split_whitespace().map(case::bare).collect();
    let hit = |id: &str| {
        let plain: Vec<String> = id.split_whitespace().take(4).map(words::plain).collect();
        let bare: Vec<String> = id.split_whitespace().take(4).map(case::bare).collect();
        !plain.is_empty()
            && (written.windows(plain.len()).any(|window| window == plain)
                || naked.windows(bare.len()).any(|window| window == bare))
    };
    case.positions().iter().position(|position| {
        let ids = case::ids(position);
        ids.iter().any(|id| hit(id)) || ids.is_empty() && position.name.as_deref().is_some_and(hit)
    })
}

/// Grids of the tables whose cells name the order's products.
pub fn by_cells(case: &Case<'_>, view: &View<'_>, formats: &Formats) -> Vec<Grid> {
    let mut grids = Vec::new();
    for table in view.part.pages.iter().flat_map(|page| &page.tables) {
        let products: Vec<(usize, usize)> = table
            .rows
            .iter()
            .enumerate()
            .filter_map(|(index, row)| {
                let text: Vec<&str> = row.iter().map(|cell| cell.text.as_str()).collect();
                named(case, &text.join("  ")).map(|position| (index, position))
            })
            .collect();
        let begins = |index: usize, position: usize| {
            let number = case.positions().get(position).map(|position| position.position.to_string());
            let first = table
                .rows
                .get(index)
                .and_then(|row| row.iter().map(|cell| cell.text.trim()).find(|text| !text.is_empty()));
            first.map(|text| text.trim_end_matches(['.', ')', ':']).trim_start_matches('0').to_string()) == number
        };
        let mut hits: Vec<(usize, usize)> = products
            .iter()
            .filter_map(|(index, position)| {
                (index.saturating_sub(3)..=*index).rev().find(|row| begins(*row, *position)).map(|row| (row, *position))
            })
            .collect();
        if hits.len() * 5 < products.len() * 4 {
            hits = products;
        }
        // A layout table holds everything in one cell.
        hits.retain(|(index, _)| {
            table
                .rows
                .get(*index)
                .is_some_and(|row| row.iter().filter(|cell| !cell.text.trim().is_empty()).count() >= 2)
        });
        let Some((first, _)) = hits.first().copied() else { continue };
        let text = |index: usize| -> String {
            let row = table.rows.get(index).map_or(&[][..], Vec::as_slice);
            let filled =
                row.iter().filter(|cell| !cell.text.trim().is_empty()).map(|cell| cell.text.replace('\n', " "));
            filled.collect::<Vec<_>>().join("  ")
        };
        // The heads: the rows above the first line that hold no values.
        let is_head = |index: &usize| {
            let row = table.rows.get(*index).map_or(&[][..], Vec::as_slice);
            let filled: Vec<&str> = row.iter().map(|cell| cell.text.trim()).filter(|text| !text.is_empty()).collect();
            filled.len() >= 2 && !filled.iter().any(|text| is_value(formats, text))
        };
        let begin = (0..first).rev().take(LINES_MAX).take_while(is_head).last();
        let Some(begin) = begin else { continue };
        let width = table.rows.iter().map(Vec::len).max().unwrap_or(0);
        let heads = (0..width).map(|column| {
            let texts = table
                .rows
                .get(begin..first)
                .unwrap_or_default()
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.text.replace('\n', " "));
            texts.filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join(" ")
        });
        let mut grid = Grid { heads: heads.collect(), ..Grid::default() };
        for (at, (index, position)) in hits.iter().enumerate() {
            let next = hits.get(at + 1).map_or(table.rows.len(), |next| next.0);
            let end = (index + 1..next.min(index + BLOCK_MAX))
                .find(|row| words::is_stop(&text(*row)))
                .unwrap_or(next.min(index + BLOCK_MAX));
            let mut row = GridRow { position: *position, cells: vec![Vec::new(); width], text: Vec::new() };
            for index in *index..end {
                row.text.push(text(index));
                for (column, cell) in table.rows.get(index).into_iter().flatten().enumerate() {
                    if let Some(lines) = row.cells.get_mut(column) {
                        lines.extend(
                            cell.text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string),
                        );
                    }
                }
            }
            grid.rows.push(row);
        }
        if let Some((last, _)) = hits.last() {
            grid.behind = (last + 1..table.rows.len()).map(text).collect();
        }
        grids.push(grid);
    }
    grids
}

/// The grid of a page of words: with its heads on `lines` rows.
pub fn by_words(case: &Case<'_>, view: &View<'_>, formats: &Formats, lines: usize) -> Option<Grid> {
    let hits = anchors(case, view);
    let (first, _) = *hits.first()?;
    let page = view.rows.get(first)?.page;
    let last_head = head_above(view, first, page, formats)?;
    let begin = (last_head + 1).saturating_sub(lines);
    let head_rows = view.rows.get(begin..=last_head)?;
    if head_rows.iter().any(|row| row.page != page || row.is_blank() || holds_values(row, formats)) {
        return None;
    }
    // Stacks of phrases are heads.
    let mut heads: Vec<(Head, String)> = Vec::new();
    for row in head_rows {
        for phrase in &row.phrases {
            let text = row.phrase_text(phrase);
            match heads.iter_mut().find(|(head, _)| head.area.x0 < phrase.area.x1 && phrase.area.x0 < head.area.x1) {
                Some((head, words)) => {
                    head.area = head.area.union(phrase.area);
                    words.push(' ');
                    words.push_str(&text);
                }
                None => heads.push((Head { wanted: 0, area: phrase.area, score: 4 }, text)),
            }
        }
    }
    heads.sort_by(|a, b| a.0.area.x0.total_cmp(&b.0.area.x0));
    for (index, (head, _)) in heads.iter_mut().enumerate() {
        head.wanted = index;
    }
    let texts: Vec<String> = heads.iter().map(|head| head.1.clone()).collect();
    let heads: Vec<Head> = heads.into_iter().map(|head| head.0).collect();
    let page_end = (first..view.rows.len())
        .find(|row| view.rows.get(*row).is_some_and(|row| row.page != page))
        .unwrap_or(view.rows.len());
    let on_page: Vec<(usize, usize)> = hits.into_iter().filter(|hit| hit.0 < page_end).collect();
    let body: Vec<&Row> = on_page.iter().filter_map(|hit| view.rows.get(hit.0)).collect();
    let bands = bands::bands(&heads, head_rows, &body);
    let usual = on_page
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)?.0 - pair.first()?.0))
        .min()
        .unwrap_or(BLOCK_MAX)
        .min(BLOCK_MAX);
    let mut grid = Grid { heads: texts.clone(), ..Grid::default() };
    for (at, (index, position)) in on_page.iter().enumerate() {
        let next = on_page.get(at + 1).map_or((index + usual).min(page_end), |next| next.0.min(index + BLOCK_MAX));
        let end = (index + 1..next).find(|row| ends_block(view, *row)).unwrap_or(next);
        let mut row = GridRow { position: *position, cells: vec![Vec::new(); texts.len()], text: Vec::new() };
        for index in *index..end {
            let Some(words) = view.rows.get(index).filter(|row| !row.is_blank()) else { continue };
            row.text.push(view.row_text(index).to_string());
            let mut cells = vec![String::new(); texts.len()];
            for (band, range, _) in bands::assign(words, &bands) {
                let Some(cell) = bands.get(band).and_then(|band| band.wanted).and_then(|wanted| cells.get_mut(wanted))
                else {
                    continue;
                };
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&super::super::view::join(words.words.get(range).unwrap_or_default()));
            }
            for (lines, cell) in row.cells.iter_mut().zip(cells) {
                if !cell.is_empty() {
                    lines.push(cell);
                }
            }
        }
        grid.rows.push(row);
    }
    let end = on_page.last().map_or(first, |hit| hit.0) + 1;
    grid.behind = (end..page_end).map(|row| view.row_text(row).to_string()).collect();
    Some(grid)
}

/// The rows that begin the order's lines: those that begin with the position's number, where products
/// stand in or below them; else those that name the product.
pub fn anchors(case: &Case<'_>, view: &View<'_>) -> Vec<(usize, usize)> {
    let products: Vec<(usize, usize)> = (0..view.rows.len())
        .filter_map(|index| named(case, view.row_text(index)).map(|position| (index, position)))
        .collect();
    let numbered: Vec<(usize, usize)> = products
        .iter()
        .filter_map(|(index, position)| {
            let number = case.positions().get(*position)?.position.to_string();
            let is_number = |word: &str| word.trim_end_matches(['.', ')', ':']).trim_start_matches('0') == number;
            // `10`, or `Pos. 10`.
            let begins = |row: &usize| {
                let mut words = view.rows.get(*row).into_iter().flat_map(|row| &row.words).map(|word| word.text);
                words.next().is_some_and(|first| {
                    let is_word = first.chars().count() <= 12 && first.chars().all(|c| c.is_alphabetic() || c == '.');
                    is_number(first) || is_word && words.next().is_some_and(is_number)
                })
            };
            (index.saturating_sub(3)..=*index).rev().find(begins).map(|row| (row, *position))
        })
        .collect();
    if numbered.len() * 5 >= products.len() * 4 && !numbered.is_empty() { numbered } else { products }
}

fn holds_values(row: &Row, formats: &Formats) -> bool {
    row.phrases.iter().any(|phrase| is_value(formats, &row.phrase_text(phrase)))
}

/// The last row of the heads above a line.
fn head_above(view: &View<'_>, first: usize, page: usize, formats: &Formats) -> Option<usize> {
    (0..first).rev().take(8).take_while(|row| view.rows.get(*row).is_some_and(|row| row.page == page)).find(|index| {
        view.rows.get(*index).is_some_and(|row| {
            row.phrases.len() >= 2
                && !holds_values(row, formats)
                && row.words.iter().any(|word| word.text.chars().any(char::is_alphabetic))
        })
    })
}

/// Blank rows, drawn lines and sums end a block.
fn ends_block(view: &View<'_>, index: usize) -> bool {
    let Some(row) = view.rows.get(index) else { return true };
    row.is_blank()
        || words::is_stop(view.row_text(index))
        || row.words.iter().all(|word| word.text.chars().all(|c| !c.is_alphanumeric()))
}
