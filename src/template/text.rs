//! Blocks to plain text, aligned for a person: lines of at most 78 columns where the words allow it.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

use super::markup::{Block, Inline, Link, Table};

/// RFC 5322 section 2.1.1: lines of at most 78 characters.
const WIDTH: usize = 78;

pub fn render(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        match block {
            Block::Heading(inline) => {
                let text = words(inline);
                push(&mut out, &text);
                push(&mut out, &"-".repeat(text.width().min(WIDTH)));
            }
            Block::Paragraph(lines) => {
                for line in lines {
                    wrap(&words(line), WIDTH).iter().for_each(|line| push(&mut out, line));
                }
            }
            Block::List(items) => {
                for item in items {
                    for (index, line) in wrap(&words(item), WIDTH - 2).iter().enumerate() {
                        push(&mut out, &format!("{}{line}", if index == 0 { "- " } else { "  " }));
                    }
                }
            }
            Block::Quote(lines) => {
                for line in lines {
                    wrap(line, WIDTH - 2).iter().for_each(|line| push(&mut out, &format!("> {line}")));
                }
            }
            Block::Verbatim(lines) => lines.iter().for_each(|line| push(&mut out, line)),
            Block::Table(table) => out.push_str(&draw(table)),
        }
    }
    out
}

/// No-break spaces have done their work by now; a reader who copies a line gets plain ones.
fn push(out: &mut String, line: &str) {
    out.push_str(&loosen(line.trim_end()));
    out.push('\n');
}

fn loosen(text: &str) -> Cow<'_, str> {
    // Most lines have none.
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.replace(['\u{a0}', '\u{202f}'], " ")) }
}

/// The words of a run; a web address follows its label, a ready answer is its words.
fn words(inline: &Inline) -> String {
    let mut out = String::new();
    for span in inline {
        out.push_str(&span.text);
        if let Some(Link::Url(url)) = &span.link
            && !url.starts_with("mailto:")
            && *url != span.text
        {
            out.push_str(&format!(" <{url}>"));
        }
    }
    out
}

/// Breaks at blanks (not at no-break spaces); a word longer than the width stands alone. Never empty.
fn wrap(text: &str, width: usize) -> Vec<String> {
    // Most cells fit as they are; a byte is at most a column.
    if text.is_ascii() && text.len() <= width && !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ")
    {
        return vec![text.to_string()];
    }
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = word.width();
        if used > 0 && used + 1 + wide > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += wide;
        }
    }
    lines
}

/// Columns where they fit (cells may wrap; amounts and dates only if nothing else helps), else one
/// record a row.
fn draw(table: &Table) -> String {
    let head: Vec<String> = table.head.iter().map(words).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(words).collect()).collect();
    let drawn = |rows: &[Vec<String>], gap: usize| {
        let widths = widths(&head, rows, gap)?;
        Some(columns(&head, rows, &widths, &table.right, &" ".repeat(gap)))
    };
    let loosened = || -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| loosen(cell).into_owned()).collect()).collect()
    };
    let columns = drawn(&rows, 2).or_else(|| drawn(&rows, 1)).or_else(|| drawn(&loosened(), 2));
    columns.unwrap_or_else(|| records(&head, &rows))
}

/// The width of each column: natural where all fit, else the widest give way down to their longest word.
fn widths(head: &[String], rows: &[Vec<String>], gap: usize) -> Option<Vec<usize>> {
    let measure = |of: fn(&str) -> usize| -> Vec<usize> {
        let column = |index: usize| {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| of(cell));
            cells.chain(head.get(index).map(|cell| of(cell))).max().unwrap_or(0)
        };
        (0..head.len()).map(column).collect()
    };
    let mut widths = measure(|cell| cell.width());
    let least = measure(|cell| cell.split(' ').map(UnicodeWidthStr::width).max().unwrap_or(0));
    let room = WIDTH.checked_sub(gap * head.len().saturating_sub(1))?;
    if least.iter().sum::<usize>() > room {
        return None;
    }
    while widths.iter().sum::<usize>() > room {
        let widest = widths.iter().zip(&least).enumerate().filter(|(_, (wide, least))| wide > least);
        let (index, _) = widest.max_by_key(|(_, (wide, _))| **wide)?;
        *widths.get_mut(index)? -= 1;
    }
    Some(widths)
}

fn columns(head: &[String], rows: &[Vec<String>], widths: &[usize], right: &[bool], gap: &str) -> String {
    let line = |row: &[String]| -> Vec<String> {
        let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, wide)| wrap(cell, *wide)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(1);
        (0..height)
            .map(|at| {
                let parts = cells.iter().zip(widths).zip(right).map(|((cell, wide), right)| {
                    let text = cell.get(at).map_or("", String::as_str);
                    let blank = " ".repeat(wide.saturating_sub(text.width()));
                    if *right { format!("{blank}{text}") } else { format!("{text}{blank}") }
                });
                parts.collect::<Vec<_>>().join(gap)
            })
            .collect()
    };
    let drawn: Vec<Vec<String>> = rows.iter().map(|row| line(row)).collect();
    let airy = drawn.iter().any(|lines| lines.len() > 1);
    let mut out = String::new();
    line(head).iter().for_each(|line| push(&mut out, line));
    push(&mut out, &widths.iter().map(|wide| "-".repeat(*wide)).collect::<Vec<_>>().join(gap));
    for (index, lines) in drawn.iter().enumerate() {
        if airy && index > 0 {
            out.push('\n');
        }
        lines.iter().for_each(|line| push(&mut out, line));
    }
    out
}

fn records(head: &[String], rows: &[Vec<String>]) -> String {
    let label = head.iter().map(|cell| cell.width()).max().unwrap_or(0) + 2;
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (name, cell) in head.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            for (at, line) in wrap(cell, WIDTH.saturating_sub(label).max(20)).iter().enumerate() {
                let name = if at == 0 { format!("{name}:") } else { String::new() };
                let blank = " ".repeat(label.saturating_sub(name.width()));
                push(&mut out, &format!("{name}{blank}{line}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::markup::parse;

    /// A table that runs over the edge of a text-only mail reader cannot be compared line by line.
    #[test]
    fn tables_stand_in_columns_and_fit() {
        let source = "| Line | What | Price |\n|---|---|--:|\n| 20 | short | 176.80 EUR |\n| 30 | a very long cell that must wrap because it would run over the edge of the page | 1.00 EUR |\n";
        let text = render(&parse(source));
        let expected = "\
Line  What                                                         Price
----  ------------------------------------------------------  ----------
20    short                                                   176.80 EUR

30    a very long cell that must wrap because it would run      1.00 EUR
      over the edge of the page
";
        assert!(text.lines().all(|line| line.width() <= 78), "{text}");
        assert_eq!(text.lines().count(), expected.lines().count(), "{text}");
        assert!(text.contains("176.80 EUR\n") && text.contains("  1.00 EUR\n"), "{text}");
    }

    /// Where columns cannot fit, every value must still be there with its label.
    #[test]
    fn a_table_too_wide_becomes_records() {
        let long = "x".repeat(40);
        let text = render(&parse(&format!("| A | Bee |\n|---|---|\n| {long} | {long} |\n| 1 | 2 |\n")));
        assert_eq!(text, format!("A:   {long}\nBee: {long}\n\nA:   1\nBee: 2\n"));
    }
}
