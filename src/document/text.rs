//! Plain text: one line a line, tabs expanded, columns parted by tabs, fixed columns and drawn grids found as tables.
//!
//! The text is already decoded and unfolded (`format=flowed` is joined where mails are read).

use std::borrow::Cow;

use super::{Kind, Limits, Line, Part, grid, table};

/// Longer lines are cut there, with a fault: nobody reads them, and rules over them are slow.
const LINE_MAX: usize = 20_000;

/// Reads a text that is already decoded, within the usual limits.
pub fn part(name: &str, text: &str) -> Part {
    part_within(name, text, &Limits::default())
}

/// Reads a text that is already decoded. Faults: `TOO_LARGE`.
pub fn part_within(name: &str, text: &str, limits: &Limits) -> Part {
    let mut part = Part::new(Kind::Text, name);
    let mut lines: Vec<Line> = Vec::new();
    let mut words = 0;
    let raws: Vec<&str> = split(text).take(limits.words_max.saturating_add(1)).collect();
    for raw in tabulated(&raws) {
        let kept = match raw.char_indices().nth(LINE_MAX) {
            Some((end, _)) => {
                part.fault(
                    "TOO_LARGE",
                    format!(
                        "line {} is longer than {LINE_MAX} characters; the rest of it was not read",
                        lines.len() + 1
                    ),
                );
                raw.get(..end).unwrap_or_default()
            }
            None => &raw,
        };
        let line = grid::line(kept, lines.len());
        words += line.words.len();
        if words > limits.words_max || lines.len() >= limits.words_max {
            part.fault("TOO_LARGE", format!("more than {} words; the rest was not read", limits.words_max));
            break;
        }
        lines.push(line);
    }
    while lines.last().is_some_and(|line| line.words.is_empty()) {
        lines.pop();
    }
    let mut page = grid::page(lines);
    if limits.cells_of_text {
        page.tables = table::text::tables(&page.lines);
    }
    part.pages.push(page);
    part
}

/// Lines of as many tabs each, two at least, are rows of a sheet that somebody pasted: their columns begin at
/// one place, however wide their entries are.
fn tabulated<'a>(lines: &[&'a str]) -> Vec<Cow<'a, str>> {
    const TABS_MIN: usize = 2;
    let tabs =
        |line: &str| Some(line.matches('\t').count()).filter(|count| *count >= TABS_MIN && line.len() <= LINE_MAX);
    let mut out: Vec<Cow<'a, str>> = Vec::with_capacity(lines.len());
    let mut rest = lines;
    while let Some((first, more)) = rest.split_first() {
        let count = tabs(first);
        let block = 1 + more.iter().take_while(|line| count.is_some() && tabs(line) == count).count();
        let (rows, after) = rest.split_at(block);
        rest = after;
        if block < 2 {
            out.extend(rows.iter().map(|row| Cow::Borrowed(*row)));
            continue;
        }
        let mut widths: Vec<usize> = Vec::new();
        for row in rows {
            for (column, entry) in row.split('\t').enumerate() {
                let width = entry.trim().chars().count();
                match widths.get_mut(column) {
                    Some(widest) => *widest = width.max(*widest),
                    None => widths.push(width),
                }
            }
        }
        // Not where one wide entry would fill all rows with spaces.
        let whole: usize = widths.iter().map(|width| width + 2).sum();
        let written: usize = rows.iter().map(|row| row.len()).sum();
        if rows.len().saturating_mul(whole) > written.saturating_mul(8).saturating_add(64 << 10) {
            out.extend(rows.iter().map(|row| Cow::Borrowed(*row)));
            continue;
        }
        for row in rows {
            let mut line = String::new();
            let mut end = 0;
            for (entry, width) in row.split('\t').zip(&widths) {
                let gap = end - line.chars().count().min(end);
                line.extend(std::iter::repeat_n(' ', gap));
                line.push_str(entry.trim());
                end += width + 2;
            }
            out.push(Cow::Owned(line));
        }
    }
    out
}

/// Lines at any line end there is (CR LF, LF, CR, NEL, LS, PS, form feed, vertical tab).
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        match whole.find(['\n', '\r', '\u{c}', '\u{b}', '\u{85}', '\u{2028}', '\u{2029}']) {
            Some(at) => {
                let (line, tail) = whole.split_at(at);
                let ends = if tail.starts_with("\r\n") { 2 } else { tail.chars().next().map_or(1, char::len_utf8) };
                rest = tail.get(ends..);
                Some(line)
            }
            None => {
                rest = None;
                Some(whole)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(part: &Part) -> Vec<Vec<Vec<String>>> {
        let tables = part.pages.iter().flat_map(|page| &page.tables);
        tables
            .map(|table| table.rows.iter().map(|row| row.iter().map(|cell| cell.text.clone()).collect()).collect())
            .collect()
    }

    /// Rules and complaints name lines and columns; they must be those of the text.
    #[test]
    fn words_know_their_line_and_columns() {
        let part = part("text", "Hallo,\r\n\r\nPos\tMenge\u{200b}\n");
        let lines = &part.pages[0].lines;
        assert_eq!(lines.len(), 3);
        let menge = &lines[2].words[1];
        assert_eq!((menge.text.as_str(), menge.x0, menge.x1, menge.y0), ("Menge", 8.0, 13.0, 2.0));
    }

    /// A partner's ERP prints fixed columns; a mapping by column heads needs them as cells.
    #[test]
    fn fixed_columns_are_a_table() {
        let part = part(
            "text",
            "Sehr geehrte Damen und Herren,\n\nwir bestätigen:\n\n\
             Pos  Artikel     Bezeichnung              Menge   Termin\n\
             ---  ----------  ---------------------  -------   ----------\n\
             10   4711-A      Sechskantschraube           10   01.12.2026\n\
             \x20                M8 verzinkt\n\
             20   4712        Mutter                   1.000   02.12.2026\n\n\
             Mit freundlichen Grüßen\n",
        );
        assert_eq!(
            rows(&part),
            [[
                vec!["Pos", "Artikel", "Bezeichnung", "Menge", "Termin"],
                vec!["10", "4711-A", "Sechskantschraube\nM8 verzinkt", "10", "01.12.2026"],
                vec!["20", "4712", "Mutter", "1.000", "02.12.2026"],
            ]]
        );
    }

    /// Ticket systems and scripts draw tables with bars; their cells must not carry the bars.
    #[test]
    fn drawn_grids_are_tables() {
        for text in [
            "| Pos | SKU | Qty |\n|-----|:---:|----:|\n| 10 | A\\|1 | 5 |\n| 20 | B2 | |\n",
            "+-----+-----+-----+\n| Pos | SKU | Qty |\n+-----+-----+-----+\n| 10  | A|1 | 5   |\n+-----+-----+-----+\n| 20  | B2  |     |\n+-----+-----+-----+\n"
                .replace("A|1", "A\\|1")
                .as_str(),
            "┌─────┬─────┬─────┐\n│ Pos │ SKU │ Qty │\n├─────┼─────┼─────┤\n│ 10  │ A|1 │ 5   │\n│ 20  │ B2  │     │\n└─────┴─────┴─────┘\n",
        ] {
            let part = part("text", text);
            assert_eq!(rows(&part), [[vec!["Pos", "SKU", "Qty"], vec!["10", "A|1", "5"], vec!["20", "B2", ""]]], "{text}");
        }
    }

    /// Rows pasted from a sheet are parted by tabs; a long name must not push its row into other columns.
    #[test]
    fn tabs_part_columns() {
        let part = part(
            "text",
            "Order:\t4711\n\nPos\tName\tQuantity\tPrice\n10\tA very long name of a screw\t5\t2.50\n20\tNut\t\t1.00\n",
        );
        assert_eq!(
            rows(&part),
            [[
                vec!["Pos", "Name", "Quantity", "Price"],
                vec!["10", "A very long name of a screw", "5", "2.50"],
                vec!["20", "Nut", "", "1.00"],
            ]]
        );
        let word = &part.pages[0].lines[0].words[1];
        assert_eq!((word.text.as_str(), word.x0), ("4711", 8.0));
    }

    /// A letter is not a table, however its author likes two spaces after a full stop.
    #[test]
    fn prose_is_no_table() {
        let part =
            part("text", "Thank you.  We will ship it.\nBest regards,  John\n\nSome more text here.  And there.\n");
        assert_eq!(rows(&part), Vec::<Vec<Vec<String>>>::new());
    }

    /// A line of a million characters must not slow every rule of a mapping.
    #[test]
    fn long_lines_are_cut_with_a_fault() {
        let part = part("text", &"ab ".repeat(100_000));
        assert_eq!(part.faults[0].code, "TOO_LARGE");
        assert!(part.pages[0].width <= LINE_MAX as f64);
    }
}
