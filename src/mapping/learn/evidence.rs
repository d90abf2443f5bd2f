//! Which column, line or label holds which field: counted over all rows of all samples, with the order
//! as the answer key.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::value::Formats;
use super::super::words;
use super::case::{Case, says};
use super::grid::{Grid, GridRow};
use super::vocabulary::{self, speaks_of};
use crate::model::{Field, LineStatus, Position};

/// A place in a row that a value can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// The head of its column, the line of the cell (from 1), and which word of it.
    Cell(String, usize, Word),
    /// Behind these words, anywhere in the row.
    Label(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    All,
    First,
    Last,
}

/// A field and where it stands.
#[derive(Clone, Debug)]
pub struct Placed {
    pub field: Field,
    pub spot: Spot,
}

/// What the rows prove.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    pub placed: Vec<Placed>,
    /// Prices are for so many units: the head of the column that says it, or one number.
    pub price_column: Option<String>,
    pub price_number: Option<Decimal>,
    /// Partner's state words with what they mean; `None`: could not be proved.
    pub states: Vec<(String, Option<LineStatus>)>,
    /// What the samples say of states, whole, with what it means.
    pub said: Vec<(String, LineStatus)>,
    /// State words that stand where no rule reads them: the column's head (or the row), and the word.
    pub unread: Vec<(String, String)>,
    /// Partner's unit -> the order's.
    pub units: BTreeMap<String, String>,
    pub backorder: Option<&'static str>,
    pub rows: usize,
}

/// A row with the order's position and the grid it is of.
struct Known<'g> {
    grid: &'g Grid,
    row: &'g GridRow,
    position: &'g Position,
}

const LABEL_WORDS_MAX: usize = 4;
const CELL_LINES_MAX: usize = 4;
/// In so many rows at least a word that nobody knows stands beside the ordered quantity, to mean accepted.
const ACCEPTED_ROWS: usize = 3;

pub fn prove(formats: &Formats, grids: &[(&Case<'_>, Vec<Grid>)]) -> Proof {
    let mut known: Vec<Known<'_>> = Vec::new();
    for (case, grids) in grids {
        for grid in grids {
            let of = |row| Some(Known { grid, row, position: case.positions().get(row_position(row))? });
            known.extend(grid.rows.iter().filter_map(of));
        }
    }
    let mut proof = Proof { rows: known.len(), ..Proof::default() };
    if known.is_empty() {
        return proof;
    }
    let mut used: Vec<Spot> = Vec::new();
    let products = [Field::Position, Field::SupplierSku, Field::Gtin, Field::ShopSku, Field::ProductId];
    for field in products {
        let least = if field == Field::Position { known.len() * 4 } else { known.len() * 3 };
        if let Some((spot, _)) =
            best(&counts(formats, field, &known, Decimal::ONE), &used).filter(|(_, agreed)| agreed * 5 >= least)
        {
            used.push(spot.clone());
            proof.placed.push(Placed { field, spot });
        }
    }
    price(formats, &known, &mut used, &mut proof);
    quantities(formats, &known, &mut used, &mut proof);
    dates(formats, &known, &mut used, &mut proof);
    for field in [Field::LineTotal, Field::Name] {
        if let Some((spot, _)) =
            best(&counts(formats, field, &known, Decimal::ONE), &used).filter(|(_, agreed)| agreed * 2 >= known.len())
        {
            used.push(spot.clone());
            proof.placed.push(Placed { field, spot });
        }
    }
    units(formats, &known, &mut used, &mut proof);
    states(formats, &known, &mut used, &mut proof);
    proof
}

fn row_position(row: &GridRow) -> usize {
    row.position
}

/// The best spot that is not taken: most agreement, then whole cells, then the earlier line.
fn best(counts: &BTreeMap<Spot, usize>, used: &[Spot]) -> Option<(Spot, usize)> {
    let free = counts.iter().filter(|(spot, _)| !used.contains(spot));
    free.max_by_key(|(spot, count)| (**count, rank(spot))).map(|(spot, count)| (spot.clone(), *count))
}

fn rank(spot: &Spot) -> (usize, usize, usize) {
    match spot {
        Spot::Cell(_, 1, Word::All) => (4, 0, 0),
        Spot::Cell(_, line, Word::All) => (2, CELL_LINES_MAX - (*line).min(CELL_LINES_MAX), 0),
        Spot::Cell(_, line, _) => (1, CELL_LINES_MAX - (*line).min(CELL_LINES_MAX), 0),
        // The shortest label that holds as often.
        Spot::Label(label) => (3, 0, 1_000 - label.split_whitespace().count().min(999)),
    }
}

/// In how many rows each spot says what the order says.
fn counts(formats: &Formats, field: Field, known: &[Known<'_>], basis: Decimal) -> BTreeMap<Spot, usize> {
    let mut counts = BTreeMap::new();
    for row in known {
        let mut spots = Vec::new();
        let right = |text: &str| says(formats, field, text, row.position, basis) == Some(true);
        for (head, lines) in row.grid.heads.iter().zip(&row.row.cells).filter(|(head, _)| !head.is_empty()) {
            for (index, line) in lines.iter().enumerate().take(CELL_LINES_MAX) {
                let mut add = |word| spots.push(Spot::Cell(head.clone(), index + 1, word));
                if right(line) {
                    add(Word::All);
                } else if field != Field::Name {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    if words.first().is_some_and(|word| right(word)) {
                        add(Word::First);
                    }
                    if words.len() > 1 && words.last().is_some_and(|word| right(word)) {
                        add(Word::Last);
                    }
                }
            }
        }
        if field != Field::Position && field != Field::Name {
            spots.extend(labels(&row.row.text, right).into_iter().map(Spot::Label));
        }
        spots.sort();
        spots.dedup();
        for spot in spots {
            *counts.entry(spot).or_insert(0) += 1;
        }
    }
    counts
}

/// The words before a value in the same phrase: every run of them that could be its label.
pub fn labels(rows: &[String], right: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for phrase in rows.iter().flat_map(|row| row.split("  ")).map(str::trim).filter(|phrase| !phrase.is_empty()) {
        let words: Vec<&str> = phrase.split_whitespace().collect();
        for begin in 1..words.len() {
            let hit = (begin + 1..=words.len().min(begin + 4)).any(|end| {
                let text = words.get(begin..end).unwrap_or_default().join(" ");
                right(text.trim_end_matches([',', ';', ')', '.']))
            });
            if !hit {
                continue;
            }
            for first in begin.saturating_sub(LABEL_WORDS_MAX)..begin {
                let label = words.get(first..begin).unwrap_or_default().join(" ");
                let label = label.trim_end_matches([':', '=']).trim_start_matches(['(', '-', '·', '|']).trim();
                let wordy = label.chars().filter(|c| c.is_alphabetic()).count() >= 2;
                if wordy && !label.chars().any(|c| c.is_ascii_digit()) {
                    found.push(label.to_string());
                }
            }
        }
    }
    found
}

/// How prices could be written: agreement, preference, spot, and the basis' column or number.
type PriceOption = (usize, u8, Spot, Option<String>, Option<Decimal>);

fn price(formats: &Formats, known: &[Known<'_>], used: &mut Vec<Spot>, proof: &mut Proof) {
    let mut options: Vec<PriceOption> = Vec::new();
    for basis in [1, 10, 100, 1_000].map(Decimal::from) {
        if let Some((spot, agreed)) = best(&counts(formats, Field::PriceNet, known, basis), used) {
            options.push((
                agreed,
                u8::from(basis == Decimal::ONE) * 2,
                spot,
                None,
                (basis != Decimal::ONE).then_some(basis),
            ));
        }
    }
    // A column of 1, 10, 100, 1000 by which the prices are right, row by row.
    let mut heads: Vec<&String> =
        known.iter().flat_map(|row| &row.grid.heads).filter(|head| !head.is_empty()).collect();
    heads.sort();
    heads.dedup();
    for head in heads {
        let basis_of = |row: &Known<'_>| -> Option<Decimal> {
            let column = row.grid.heads.iter().position(|other| other == head)?;
            let number = formats.number(row.row.cells.get(column)?.first()?).ok()?.value;
            [1, 10, 100, 1_000].map(Decimal::from).contains(&number).then_some(number)
        };
        let bases: Vec<Option<Decimal>> = known.iter().map(basis_of).collect();
        if bases.iter().flatten().count() * 5 < known.len() * 4
            || bases.iter().flatten().all(|basis| *basis == Decimal::ONE)
        {
            continue;
        }
        let mut sum: BTreeMap<Spot, usize> = BTreeMap::new();
        for (row, basis) in known.iter().zip(&bases) {
            let Some(basis) = basis else { continue };
            let one = Known { grid: row.grid, row: row.row, position: row.position };
            for (spot, count) in counts(formats, Field::PriceNet, &[one], *basis) {
                *sum.entry(spot).or_insert(0) += count;
            }
        }
        let taken = Spot::Cell(head.clone(), 1, Word::All);
        if let Some((spot, agreed)) = best(&sum, used).filter(|(spot, _)| *spot != taken && !used.contains(&taken)) {
            options.push((agreed, 1, spot, Some(head.clone()), None));
        }
    }
    let Some((agreed, _, spot, column, number)) = options.into_iter().max_by_key(|option| (option.0, option.1)) else {
        return;
    };
    if agreed * 3 < known.len() {
        return;
    }
    used.push(spot.clone());
    used.extend(column.iter().map(|head| Spot::Cell(head.clone(), 1, Word::All)));
    proof.placed.push(Placed { field: Field::PriceNet, spot });
    (proof.price_column, proof.price_number) = (column, number);
}

fn quantities(formats: &Formats, known: &[Known<'_>], used: &mut Vec<Spot>, proof: &mut Proof) {
    let counts = counts(formats, Field::Quantity, known, Decimal::ONE);
    let head = |spot: &Spot| match spot {
        Spot::Cell(head, ..) => head.clone(),
        Spot::Label(label) => label.clone(),
    };
    let mut candidates: Vec<(usize, Spot)> = counts
        .iter()
        .filter(|(spot, count)| **count * 2 >= known.len() && !used.contains(spot))
        .map(|(spot, count)| (*count, spot.clone()))
        .collect();
    candidates.sort_by_key(|(count, spot)| std::cmp::Reverse((*count, rank(spot))));
    let Some((first_count, first)) = candidates.first().cloned() else { return };
    // A second column that holds the quantity: one restates the order, the other confirms.
    let other = candidates
        .iter()
        .skip(1)
        .find(|(_, spot)| matches!(spot, Spot::Cell(..)) && head(spot) != head(&first))
        .cloned();
    let ordered =
        |spot: &Spot| speaks_of(Field::Quantity, &head(spot)) && !speaks_of(Field::QuantityConfirmed, &head(spot));
    let (confirmed, restated) = match other {
        Some(other)
            if ordered(&first)
                || speaks_of(Field::QuantityConfirmed, &head(&other.1))
                    && !speaks_of(Field::QuantityConfirmed, &head(&first)) =>
        {
            (other, Some((first_count, first)))
        }
        // Without words for it: what differs from the order more often is the answer.
        Some(other) if ordered(&other.1) || other.0 == first_count => ((first_count, first), Some(other)),
        Some(other) if other.0 < first_count && !speaks_of(Field::QuantityConfirmed, &head(&first)) => {
            (other, Some((first_count, first)))
        }
        Some(other) => ((first_count, first), Some(other)),
        None => ((first_count, first), None),
    };
    for (field, found) in [(Field::QuantityConfirmed, Some(confirmed)), (Field::Quantity, restated)] {
        let Some((_, spot)) = found else { continue };
        used.push(spot.clone());
        proof.placed.push(Placed { field, spot });
    }
}

fn dates(formats: &Formats, known: &[Known<'_>], used: &mut Vec<Spot>, proof: &mut Proof) {
    if formats.dates.is_empty() {
        return;
    }
    let mut counts = counts(formats, Field::ConfirmedDate, known, Decimal::ONE);
    // Dates are what partners change most: columns and labels of dates count, too, though less.
    let mut plausible: BTreeMap<Spot, usize> = BTreeMap::new();
    for row in known {
        let mut spots = Vec::new();
        for (head, lines) in row.grid.heads.iter().zip(&row.row.cells).filter(|(head, _)| !head.is_empty()) {
            for (index, line) in lines.iter().enumerate().take(CELL_LINES_MAX) {
                if formats.date(line).is_ok() {
                    spots.push(Spot::Cell(head.clone(), index + 1, Word::All));
                }
            }
        }
        spots.extend(labels(&row.row.text, |text| formats.date(text).is_ok()).into_iter().map(Spot::Label));
        spots.sort();
        spots.dedup();
        for spot in spots {
            *plausible.entry(spot).or_insert(0) += 1;
        }
    }
    counts.retain(|spot, count| plausible.get(spot).is_some_and(|all| *count * 5 >= *all));
    let name = |spot: &Spot| match spot {
        Spot::Cell(head, ..) => head.clone(),
        Spot::Label(label) => label.clone(),
    };
    let wished = |spot: &Spot| speaks_of(Field::RequestedDate, &name(spot));
    let mut all: Vec<(usize, usize, Spot)> = plausible
        .iter()
        .filter(|(spot, _)| !used.contains(spot))
        .map(|(spot, count)| (*count, counts.get(spot).copied().unwrap_or(0), spot.clone()))
        .collect();
    all.sort_by_key(|(count, equal, spot)| std::cmp::Reverse((*count + *equal, rank(spot))));
    let enough = |count: usize| count * 2 >= known.len() || count >= 2 && count * 3 >= known.len();
    let cell = |spot: &Spot| matches!(spot, Spot::Cell(..));
    let confirmed = all.iter().find(|(count, _, spot)| enough(*count) && !wished(spot));
    if let Some((_, _, spot)) = confirmed {
        used.push(spot.clone());
        proof.placed.push(Placed { field: Field::ConfirmedDate, spot: spot.clone() });
    }
    if let Some((_, _, spot)) = all.iter().find(|(count, _, spot)| enough(*count) && wished(spot) && cell(spot)) {
        used.push(spot.clone());
        proof.placed.push(Placed { field: Field::RequestedDate, spot: spot.clone() });
    }
}

fn units(formats: &Formats, known: &[Known<'_>], used: &mut Vec<Spot>, proof: &mut Proof) {
    let quantity =
        proof.placed.iter().find(|placed| placed.field == Field::QuantityConfirmed).map(|placed| placed.spot.clone());
    let mut heads: Vec<&String> =
        known.iter().flat_map(|row| &row.grid.heads).filter(|head| speaks_of(Field::Unit, head)).collect();
    heads.sort();
    heads.dedup();
    let mut words: Vec<(String, Option<&String>)> = Vec::new();
    for head in heads {
        let spot = Spot::Cell(head.clone(), 1, Word::All);
        let cells: Vec<(&str, &Known<'_>)> = known.iter().filter_map(|row| Some((cell_of(row, &spot)?, row))).collect();
        let alphabetical = |text: &str| {
            text.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | ' ')) && text.chars().count() <= 10
        };
        if !used.contains(&spot)
            && cells.len() * 5 >= known.len() * 4
            && cells.iter().all(|(text, _)| alphabetical(text))
        {
            words = cells.iter().map(|(text, row)| ((*text).to_string(), row.position.unit.as_ref())).collect();
            used.push(spot.clone());
            proof.placed.push(Placed { field: Field::Unit, spot });
            break;
        }
    }
    if words.is_empty()
        && let Some(spot) = quantity
    {
        for row in known {
            if let Some(unit) =
                cell_of(row, &spot).and_then(|text| formats.number(text).ok()).and_then(|number| number.unit)
            {
                words.push((unit, row.position.unit.as_ref()));
            }
        }
    }
    for (word, unit) in words {
        if let Some(unit) = unit.filter(|unit| words::plain(unit) != words::plain(&word)) {
            proof.units.entry(word).or_insert_with(|| unit.clone());
        }
    }
}

/// What stands at a spot of a row.
fn cell_of<'r>(row: &'r Known<'_>, spot: &Spot) -> Option<&'r str> {
    let Spot::Cell(head, line, _) = spot else { return None };
    let column = row.grid.heads.iter().position(|other| other == head)?;
    row.row.cells.get(column)?.get(line - 1).map(String::as_str)
}

fn states(formats: &Formats, known: &[Known<'_>], used: &mut Vec<Spot>, proof: &mut Proof) {
    let mut counts: BTreeMap<Spot, usize> = BTreeMap::new();
    for row in known {
        for (head, lines) in row.grid.heads.iter().zip(&row.row.cells).filter(|(head, _)| !head.is_empty()) {
            let spot = Spot::Cell(head.clone(), 1, Word::All);
            if !used.contains(&spot) && vocabulary::state(&lines.join(" ")).is_some() {
                *counts.entry(spot).or_insert(0) += 2;
            } else if !used.contains(&spot) && !lines.is_empty() && speaks_of(Field::Status, head) {
                *counts.entry(spot).or_insert(0) += 1;
            }
        }
        let mut labelled = labels(&row.row.text, |text| vocabulary::state(text).is_some());
        labelled.sort();
        labelled.dedup();
        for label in labelled.into_iter().filter(|label| speaks_of(Field::Status, label)) {
            *counts.entry(Spot::Label(label)).or_insert(0) += 2;
        }
    }
    // Words for most rows; or few, and none that is no state word: what such a column says is about that line.
    let few = |spot: &Spot| {
        let mut said = known.iter().filter_map(|row| state_words(row, spot)).peekable();
        said.peek().is_some() && said.all(|text| vocabulary::state(&text).is_some())
    };
    let enough = |spot: &Spot, count: usize| count >= known.len() || few(spot);
    let learned: BTreeMap<Spot, usize> = counts
        .iter()
        .filter(|(spot, count)| enough(spot, **count))
        .map(|(spot, count)| (spot.clone(), *count))
        .collect();
    let Some((spot, _)) = best(&learned, used) else {
        for spot in counts.keys() {
            let (Spot::Cell(place, ..) | Spot::Label(place)) = spot;
            let words = known.iter().filter_map(|row| state_words(row, spot));
            let word = words.filter_map(|text| Some(vocabulary::state(&text)?.1)).next();
            proof.unread.extend(word.map(|word| (place.clone(), word.to_string())));
        }
        return;
    };
    let said: Vec<(String, &Known<'_>)> =
        known.iter().filter_map(|row| Some((state_words(row, &spot)?, row))).collect();
    let quantity =
        proof.placed.iter().find(|placed| placed.field == Field::QuantityConfirmed).map(|placed| placed.spot.clone());
    let confirmed = |row: &Known<'_>| -> Option<Decimal> {
        let text = match quantity.as_ref()? {
            spot @ Spot::Cell(..) => cell_of(row, spot)?.to_string(),
            Spot::Label(_) => return None,
        };
        formats.number(&text).ok().map(|number| number.value)
    };
    let meant = said.iter().filter_map(|(text, _)| Some((text.to_lowercase(), vocabulary::state(text)?.0)));
    proof.said = meant.collect();
    // What each word's rows show of quantities.
    let mut words: BTreeMap<String, (String, Vec<Said>)> = BTreeMap::new();
    for (text, row) in &said {
        let word =
            vocabulary::state(text).and_then(|(_, word)| find_as_written(text, word)).unwrap_or_else(|| text.clone());
        words
            .entry(words::plain(&word))
            .or_insert_with(|| (word, Vec::new()))
            .1
            .push((confirmed(row), row.position.quantity));
    }
    let accepted = words
        .values()
        .any(|(word, _)| vocabulary::state(word).is_some_and(|(status, _)| status == LineStatus::Accepted));
    let counts: Vec<usize> = words.values().map(|(_, rows)| rows.len()).collect();
    for (word, rows) in words.into_values() {
        // The quantity that stands beside a word may be the one it takes back: only what partners say of most
        // lines, and have no other word for, means accepted.
        let usual = rows.len() >= ACCEPTED_ROWS
            && !accepted
            && counts.iter().filter(|count| **count >= rows.len()).count() == 1;
        let all = |test: &dyn Fn(Decimal, Decimal) -> bool| {
            rows.iter().all(|(said, ordered)| said.is_some_and(|said| test(said, *ordered)))
        };
        let proved = if all(&|said, ordered| said == ordered) {
            usual.then_some(LineStatus::Accepted)
        } else if all(&|said, _| said.is_zero()) {
            Some(LineStatus::Canceled)
        } else if all(&|said, ordered| said > Decimal::ZERO && said < ordered) {
            Some(LineStatus::Backordered)
        } else {
            None
        };
        let by_words = vocabulary::state(&word).map(|(status, _)| status);
        proof.states.push((word, by_words.or(proved)));
    }
    // How a partial backorder is said.
    let twice = known.iter().any(|row| {
        known
            .iter()
            .filter(|other| std::ptr::eq(other.grid, row.grid) && other.row.position == row.row.position)
            .count()
            > 1
    });
    let partial = said.iter().any(|(text, row)| {
        vocabulary::state(text).is_some_and(|(status, _)| status == LineStatus::Backordered)
            && confirmed(row).is_some_and(|said| said < row.position.quantity)
    });
    proof.backorder = if twice { Some("two-lines") } else { partial.then_some("rest") };
    used.push(spot.clone());
    proof.placed.push(Placed { field: Field::Status, spot });
}

/// What a row says of the quantity, and what was ordered.
type Said = (Option<Decimal>, Decimal);

fn state_words(row: &Known<'_>, spot: &Spot) -> Option<String> {
    match spot {
        Spot::Cell(head, ..) => {
            let column = row.grid.heads.iter().position(|other| other == head)?;
            let text = row.row.cells.get(column)?.join(" ");
            (!text.trim().is_empty()).then_some(text)
        }
        Spot::Label(label) => row.row.text.iter().find_map(|line| {
            let at = line.find(label.as_str())? + label.len();
            let rest = line.get(at..)?.trim_start_matches([':', ' ', '=']);
            let text = rest.split("  ").next().unwrap_or_default().trim();
            (!text.is_empty()).then(|| text.to_string())
        }),
    }
}

/// A word as it is written in a text, whatever its case.
fn find_as_written(text: &str, word: &str) -> Option<String> {
    let count = word.chars().count();
    let chars: Vec<char> = text.chars().collect();
    chars.windows(count).map(|window| window.iter().collect::<String>()).find(|window| window.to_lowercase() == word)
}
