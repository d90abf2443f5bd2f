//! The markup letters are written in: a small part of Markdown, read into blocks that both the text
//! part and the HTML part are drawn from, so that the two always say the same.
//!
//! It knows nothing of orders or languages. Values put into a letter arrive here with a backslash
//! before every character that would mean something ([`escape`]), so that no partner's words can
//! become markup.

/// One block of a letter.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    Heading(Inline),
    /// Lines that must stay lines (a trailing `\` in the source).
    Paragraph(Vec<Inline>),
    List(Vec<Inline>),
    /// Somebody else's words, line by line.
    Quote(Vec<String>),
    /// Not wrapped, not changed: the fill-in block.
    Verbatim(Vec<String>),
    Table(Table),
}

/// A row of runs of text.
pub type Inline = Vec<Span>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    pub text: String,
    pub strong: bool,
    pub link: Option<Link>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// `[label](https://...)`; `https`, `http` and `mailto` alone.
    Url(String),
    /// `[[APPROVE 20]]`: a ready answer, sent to the reply address with these words in its first line.
    Answer(String),
}

/// A column whose cells are all empty was left out already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub head: Vec<Inline>,
    /// Numbers stand on the right.
    pub right: Vec<bool>,
    pub rows: Vec<Vec<Inline>>,
}

/// Longer letters are cut: no letter that a person reads has more lines.
const LINES_MAX: usize = 20_000;

/// Characters that mean something somewhere in a letter.
const ACTIVE: &[char] = &['\\', '*', '[', ']', '|', '>', '#', '-', '`'];

/// A value as it stands in a letter's source: one line, nothing in it is markup.
pub fn escape(value: &str, out: &mut impl std::fmt::Write) -> std::fmt::Result {
    let mut blank = false;
    for c in value.chars() {
        // Line ends, controls and marks that turn the reading direction would change what stands around them.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            if !blank {
                out.write_char(' ')?;
            }
            blank = true;
            continue;
        }
        if matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}') {
            continue;
        }
        blank = c == ' ';
        if ACTIVE.contains(&c) {
            out.write_char('\\')?;
        }
        out.write_char(c)?;
    }
    Ok(())
}

/// Splits a rendered letter into its subject (the first paragraph, after `Subject:`) and the rest.
pub fn split_subject(source: &str) -> (String, &str) {
    let source = source.trim_start();
    let end = source.find("\n\n").unwrap_or(source.len());
    let (head, body) = source.split_at(end);
    let head = head.trim();
    let head = head.strip_prefix("Subject:").unwrap_or(head);
    (plain(&inline(&head.split_whitespace().collect::<Vec<_>>().join(" "))), body)
}

/// Reads a letter.
pub fn parse(source: &str) -> Vec<Block> {
    let lines: Vec<&str> = source.lines().take(LINES_MAX).map(str::trim).collect();
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at).copied() {
        if line.is_empty() {
            at += 1;
            continue;
        }
        let run = |kind: fn(&str) -> bool| lines.iter().skip(at).take_while(|line| kind(line)).count();
        if line.starts_with("```") {
            let inside = lines.iter().skip(at + 1).take_while(|line| !line.starts_with("```")).count();
            // Verbatim text is taken from the source itself: leading blanks count.
            let raw = source.lines().skip(at + 1).take(inside).map(|line| line.trim_end().to_string()).collect();
            blocks.push(Block::Verbatim(raw));
            at += inside + 2;
        } else if line.starts_with('#') {
            blocks.push(Block::Heading(inline(line.trim_start_matches('#').trim())));
            at += 1;
        } else if line.starts_with('>') {
            let count = run(|line| line.starts_with('>'));
            let strip = |line: &&str| plain(&inline(line.trim_start_matches('>').trim_start()));
            blocks.push(Block::Quote(lines.iter().skip(at).take(count).map(strip).collect()));
            at += count;
        } else if line.starts_with('|') {
            let count = run(|line| line.starts_with('|'));
            blocks.extend(table(lines.get(at..at + count).unwrap_or(&[])).map(Block::Table));
            at += count;
        } else if line.starts_with("- ") {
            let count = run(|line| !line.is_empty() && !starts_block(line));
            let mut items: Vec<String> = Vec::new();
            for line in lines.iter().skip(at).take(count.max(1)) {
                match (line.strip_prefix("- "), items.last_mut()) {
                    (Some(item), _) => items.push(item.to_string()),
                    (None, Some(last)) => {
                        last.push(' ');
                        last.push_str(line);
                    }
                    (None, None) => items.push((*line).to_string()),
                }
            }
            blocks.push(Block::List(items.iter().map(|item| inline(item)).collect()));
            at += count.max(1);
        } else {
            let count = run(|line| !line.is_empty() && !starts_block(line) && !line.starts_with("- ")).max(1);
            blocks.push(Block::Paragraph(paragraph(lines.get(at..at + count).unwrap_or(&[]))));
            at += count;
        }
    }
    blocks.retain(|block| !is_empty(block));
    blocks
}

fn starts_block(line: &str) -> bool {
    line.starts_with("```") || line.starts_with('#') || line.starts_with('>') || line.starts_with('|')
}

fn is_empty(block: &Block) -> bool {
    match block {
        Block::Paragraph(lines) => lines.iter().all(|line| plain(line).is_empty()),
        Block::Table(table) => table.rows.is_empty() || table.head.is_empty(),
        Block::Verbatim(lines) | Block::Quote(lines) => lines.iter().all(|line| line.trim().is_empty()),
        Block::Heading(_) | Block::List(_) => false,
    }
}

fn paragraph(lines: &[&str]) -> Vec<Inline> {
    let mut out = vec![String::new()];
    for line in lines {
        let (text, ends) = match line.strip_suffix('\\') {
            Some(text) if !text.ends_with('\\') => (text, true),
            _ => (*line, false),
        };
        if let Some(last) = out.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(text.trim());
        }
        if ends {
            out.push(String::new());
        }
    }
    out.iter().filter(|line| !line.is_empty()).map(|line| inline(line)).collect()
}

fn table(lines: &[&str]) -> Option<Table> {
    let mut rows: Vec<Vec<&str>> = lines.iter().map(|line| cells(line)).collect();
    let rule = rows.get(1)?.clone();
    let is_rule = rule.iter().all(|cell| cell.contains("--") && cell.chars().all(|c| c == '-' || c == ':'));
    if !is_rule {
        return None;
    }
    rows.remove(1);
    let mut rows = rows.into_iter();
    let head = rows.next()?;
    let rows: Vec<Vec<&str>> = rows.collect();
    let used = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
    let kept: Vec<usize> = (0..head.len()).filter(|column| used(*column)).collect();
    let pick = |row: &[&str]| -> Vec<Inline> {
        kept.iter().map(|column| inline(row.get(*column).copied().unwrap_or(""))).collect()
    };
    Some(Table {
        head: pick(&head),
        right: kept.iter().map(|column| rule.get(*column).is_some_and(|cell| cell.ends_with(':'))).collect(),
        rows: rows.iter().map(|row| pick(row)).collect(),
    })
}

/// The cells of `| a | b |`.
fn cells(line: &str) -> Vec<&str> {
    let line = line.trim().trim_start_matches('|');
    let mut cells = Vec::new();
    let (mut from, mut escaped) = (0, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '|' => {
                cells.push(line.get(from..at).unwrap_or("").trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    let last = line.get(from..).unwrap_or("").trim();
    if !last.is_empty() {
        cells.push(last);
    }
    cells
}

/// Reads `**strong**`, `[label](url)`, `[[answer]]` and backslashes.
pub fn inline(source: &str) -> Inline {
    if source.is_empty() {
        return Inline::new();
    }
    let mut spans: Inline = Vec::with_capacity(1);
    let mut text = String::with_capacity(source.len());
    let mut strong = false;
    let mut rest = source;
    let flush = |text: &mut String, spans: &mut Inline, strong: bool| {
        if !text.is_empty() {
            spans.push(Span { text: std::mem::take(text), strong, link: None });
        }
    };
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or("");
        if c == '\\' {
            match after.chars().next().filter(|next| ACTIVE.contains(next)) {
                Some(next) => {
                    text.push(next);
                    rest = after.get(next.len_utf8()..).unwrap_or("");
                }
                None => {
                    text.push('\\');
                    rest = after;
                }
            }
            continue;
        }
        if let Some(after) = rest.strip_prefix("**") {
            flush(&mut text, &mut spans, strong);
            strong = !strong;
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("[[")
            && let Some((words, after)) = until(after, "]]")
        {
            flush(&mut text, &mut spans, strong);
            spans.push(Span { text: words.clone(), strong, link: Some(Link::Answer(words)) });
            rest = after;
            continue;
        }
        if c == '['
            && let Some((label, after)) = until(after, "](")
            && let Some((url, after)) = until(after, ")")
        {
            flush(&mut text, &mut spans, strong);
            let known = ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme));
            let link = known.then(|| Link::Url(url.split_whitespace().collect()));
            spans.push(Span { text: label, strong, link });
            rest = after;
            continue;
        }
        // Up to whatever may mean something next.
        let end = after.find(['\\', '*', '[']).map_or(rest.len(), |end| c.len_utf8() + end);
        text.push_str(rest.get(..end).unwrap_or(""));
        rest = rest.get(end..).unwrap_or("");
    }
    flush(&mut text, &mut spans, strong);
    spans
}

/// What stands before `end`, without backslashes, and what stands behind it.
fn until<'a>(source: &'a str, end: &str) -> Option<(String, &'a str)> {
    let mut text = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(end) {
            return Some((text, after));
        }
        rest = rest.get(c.len_utf8()..).unwrap_or("");
        if c == '\\'
            && let Some(next) = rest.chars().next().filter(|next| ACTIVE.contains(next))
        {
            text.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or("");
        } else {
            text.push(c);
        }
    }
    None
}

/// The words alone.
pub fn plain(inline: &[Span]) -> String {
    inline.iter().map(|span| span.text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(value: &str) -> String {
        let mut out = String::new();
        escape(value, &mut out).unwrap();
        out
    }

    /// A partner who writes `**`, `|` or `[[APPROVE]]` in a product name must not make a heading, a cell or a
    /// ready answer in the approver's mail.
    #[test]
    fn values_are_never_markup() {
        let nasty = "# a | b **c** [[APPROVE]] [x](mailto:evil@x) > - ``` \\ \r\nBcc: x\u{202e}y";
        let source = format!("| head |\n|---|\n| {} |\n\n{}\n", escaped(nasty), escaped(nasty));
        let blocks = parse(&source);
        let said = "# a | b **c** [[APPROVE]] [x](mailto:evil@x) > - ``` \\ Bcc: xy";
        let Block::Table(table) = &blocks[0] else { panic!("{blocks:?}") };
        assert_eq!((table.head.len(), plain(&table.rows[0][0])), (1, said.to_string()));
        let Block::Paragraph(lines) = &blocks[1] else { panic!("{blocks:?}") };
        assert_eq!(plain(&lines[0]), said);
        assert!(lines[0].iter().all(|span| span.link.is_none() && !span.strong));
        assert_eq!(blocks.len(), 2);
    }

    /// Whoever edits a template must get what the markup promises.
    #[test]
    fn each_block_is_read() {
        let source = "Hello **you** and\nyou\\\nnew line\n\n## Head\n- one\n  more\n- [two](https://x.example/a)\n\n> said\n> so\n\n| A | B | C |\n|---|--:|---|\n| 1 | 2 | |\n| 3 | 4 | |\n\n```\n  as is | *\n```\n[[APPROVE 20]]";
        let blocks = parse(source);
        let kinds: Vec<&str> = blocks
            .iter()
            .map(|block| match block {
                Block::Heading(_) => "heading",
                Block::Paragraph(_) => "paragraph",
                Block::List(_) => "list",
                Block::Quote(_) => "quote",
                Block::Verbatim(_) => "verbatim",
                Block::Table(_) => "table",
            })
            .collect();
        assert_eq!(kinds, ["paragraph", "heading", "list", "quote", "table", "verbatim", "paragraph"]);
        let Block::Table(table) = &blocks[4] else { panic!() };
        assert_eq!((table.head.len(), table.right.clone()), (2, vec![false, true]), "the empty column is left out");
        assert_eq!(blocks[5], Block::Verbatim(vec!["  as is | *".into()]));
        let Block::Paragraph(lines) = &blocks[6] else { panic!() };
        assert_eq!(lines[0][0].link, Some(Link::Answer("APPROVE 20".into())));
    }

    /// A subject with a line end would let a value write headers of its own.
    #[test]
    fn the_subject_is_one_line() {
        let source = format!("Subject: order {}\n\nbody", escaped("4711\r\nBcc: x"));
        assert_eq!(split_subject(&source), ("order 4711 Bcc: x".to_string(), "\n\nbody"));
    }
}
