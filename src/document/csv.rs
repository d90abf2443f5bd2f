//! Comma separated values with whatever delimiter, quoting and encoding the sender's program likes.

use super::{Kind, Limits, Part, grid};

/// Columns beyond this are a bomb, not a list of order lines.
const COLUMNS_MAX: usize = 1_000;
/// How many records decide what the delimiter is.
const SAMPLE: usize = 60;

/// Reads a decoded CSV text. Faults: `TOO_LARGE`, `BROKEN`.
pub(super) fn part(name: &str, text: &str, limits: &Limits) -> Part {
    let mut part = Part::new(Kind::Csv, name);
    let (delimiter, text) = match announced(text) {
        Some(found) => found,
        None => (sniffed(text).unwrap_or(b','), text),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut cells = 0;
    for record in reader(text, delimiter).into_records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                part.fault("BROKEN", format!("record {} cannot be read: {error}", rows.len() + 1));
                break;
            }
        };
        if record.len() > COLUMNS_MAX {
            part.fault(
                "TOO_LARGE",
                format!("record {} has {} columns; {COLUMNS_MAX} are read", rows.len() + 1, record.len()),
            );
        }
        let row: Vec<String> = record.iter().take(COLUMNS_MAX).map(|field| field.trim().to_owned()).collect();
        cells += row.len();
        if cells > limits.cells_max {
            part.fault("TOO_LARGE", format!("more than {} cells; the rest was not read", limits.cells_max));
            break;
        }
        rows.push(row);
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    part.pages.push(grid::sheet(stem, rows, false));
    part
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes())
}

/// The delimiter that a first line `sep=;` names (as Excel writes it), and the text behind that line.
fn announced(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let first = first.trim().to_ascii_lowercase();
    let sign = match first.strip_prefix("sep=")?.as_bytes() {
        [] => b'\t',
        [sign] => *sign,
        _ => return None,
    };
    Some((sign, rest))
}

/// The delimiter that parts the first records into the same number of fields, and the most.
pub(super) fn sniffed(text: &str) -> Option<u8> {
    let mut best: Option<(f64, u8)> = None;
    for delimiter in [b';', b'\t', b',', b'|'] {
        let counts: Vec<usize> = reader(text, delimiter)
            .into_records()
            .take(SAMPLE)
            .map_while(Result::ok)
            .map(|record| record.len())
            .collect();
        let usual = counts
            .iter()
            .copied()
            .max_by_key(|count| (counts.iter().filter(|other| *other == count).count(), *count))
            .unwrap_or(1);
        if usual < 2 {
            continue;
        }
        let agreeing = counts.iter().filter(|count| **count == usual).count();
        // Decimal commas part fields as regularly as anything; more agreement first, then more fields.
        let score = agreeing as f64 / counts.len() as f64 * 100.0 + (usual as f64).min(50.0);
        if best.is_none_or(|(other, _)| score > other) {
            best = Some((score, delimiter));
        }
    }
    best.map(|(_, delimiter)| delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        let part = part("lines.csv", text, &Limits::default());
        part.pages[0].tables[0].rows.iter().map(|row| row.iter().map(|cell| cell.text.clone()).collect()).collect()
    }

    /// A partner's export must come out as the cells that Excel shows, whatever program wrote it.
    #[test]
    fn any_delimiter_and_quoting() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("Pos;Preis\n10;1,50\n20;2,75\n", &[&["Pos", "Preis"], &["10", "1,50"], &["20", "2,75"]]),
            ("Pos,Price\n10,1.50\n", &[&["Pos", "Price"], &["10", "1.50"]]),
            ("Pos\tText\n10\ta;b;c\n", &[&["Pos", "Text"], &["10", "a;b;c"]]),
            ("sep=|\nPos|Text\n10|a,b\n", &[&["Pos", "Text"], &["10", "a,b"]]),
            ("a,b\n\"x, \"\"y\"\"\",\"two\nlines\"\n", &[&["a", "b"], &["x, \"y\"", "two\nlines"]]),
            ("one\ntwo\n", &[&["one"], &["two"]]),
        ];
        for (text, wanted) in cases {
            assert_eq!(rows(text), *wanted, "{text}");
        }
    }

    /// A complaint about a cell names it as Excel does.
    #[test]
    fn cells_have_addresses() {
        let part = part("lines.csv", "Pos;Preis\n10;1,50\n", &Limits::default());
        let cell = &part.pages[0].tables[0].rows[1][1];
        let place = part.place_of(0, cell);
        assert_eq!(place.spot, crate::model::Spot::Cell { sheet: "lines".into(), cell: "B2".into() });
    }

    /// A list with ten thousand columns must not eat the memory of the worker.
    #[test]
    fn wide_records_are_cut() {
        let part = part("wide.csv", &";".repeat(10_000), &Limits::default());
        assert_eq!(part.faults[0].code, "TOO_LARGE");
        assert_eq!(part.pages[0].tables[0].rows[0].len(), COLUMNS_MAX);
    }
}
