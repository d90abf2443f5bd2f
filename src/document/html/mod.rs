//! HTML as a reader sees it: lines on a character grid, layout tables side by side, data tables as cells.
//!
//! Knows style sheets as far as they hide, place or colour words. Scripts, pictures and links are never
//! followed.

mod flow;
mod layout;
mod style;

use scraper::Html;

use super::{Kind, Limits, Part, grid, table};

/// Deeper nesting than this is laid out on a stack of its own.
const DEEP: usize = 64;
/// The size of that stack.
const STACK: usize = 64 << 20;
/// Elements may nest this much deeper than parts and XML: mails that were answered often do.
const DEPTH_FACTOR: usize = 3;

/// Reads HTML that is already decoded. Faults: `TOO_DEEP`, `TOO_LARGE`, `BROKEN`.
pub fn part(name: &str, html: &str, limits: &Limits) -> Part {
    let mut part = Part::new(Kind::Html, name);
    if html.len() > limits.bytes_max {
        part.fault("TOO_LARGE", format!("{} bytes of HTML; at most {} are read", html.len(), limits.bytes_max));
        return part;
    }
    let depth_max = limits.depth_max * DEPTH_FACTOR;
    let depth = depth(html, depth_max);
    // The parser needs time that grows with the square of the depth, so ask first.
    if depth > depth_max {
        part.fault("TOO_DEEP", format!("elements nest more than {depth_max} deep"));
        return part;
    }
    if depth > DEEP {
        let laid = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("html".into()).stack_size(STACK);
            thread.spawn_scoped(scope, || lay(html, limits)).ok().and_then(|thread| thread.join().ok())
        });
        match laid {
            Some(laid) => finish(&mut part, laid, limits),
            None => part.fault("BROKEN", "the page could not be laid out"),
        }
    } else {
        let laid = lay(html, limits);
        finish(&mut part, laid, limits);
    }
    part.source = Some(html.to_owned());
    part
}

fn lay(html: &str, limits: &Limits) -> layout::Laid {
    let document = Html::parse_document(html);
    let sheet = style::Sheet::of(&document);
    layout::page(&document, &sheet, limits)
}

fn finish(part: &mut Part, laid: layout::Laid, limits: &Limits) {
    if laid.cut {
        part.fault(
            "TOO_LARGE",
            format!("more than {} words or {} cells; the rest was not read", limits.words_max, limits.cells_max),
        );
    }
    let mut page = grid::page(laid.lines);
    page.tables = laid.tables;
    if page.tables.is_empty() {
        // Some draw their tables with bars, here as in text.
        page.tables = table::text::with_bars(&page.lines);
    }
    part.pages.push(page);
}

/// How deep elements nest, roughly as the parser would nest them; stops counting beyond `most`.
///
/// A scan of the tags alone: elements without content do not nest, and those that end by themselves
/// (`<p>`, `<li>`, `<td>` ...) replace one of their kind.
fn depth(html: &str, most: usize) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut deepest = 0;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| comment.get(end + 3..).unwrap_or_default());
            continue;
        }
        let (closes, tag) = rest.strip_prefix('/').map_or((false, rest), |tag| (true, tag));
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let name = tag.get(..end).unwrap_or_default();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        if closes {
            // A stray end tag closes nothing; look back a little only, to stay linear.
            if let Some(back) = open.iter().rev().take(most.min(64)).position(|other| other.eq_ignore_ascii_case(name))
            {
                open.truncate(open.len() - back - 1);
            }
        } else if !is_void(name) {
            if ends_itself(name) && open.last().is_some_and(|other| other.eq_ignore_ascii_case(name)) {
                continue;
            }
            open.push(name);
            deepest = deepest.max(open.len());
            if deepest > most {
                break;
            }
        }
    }
    deepest
}

fn is_void(name: &str) -> bool {
    const VOID: [&str; 17] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
        "frame", "keygen", "bgsound",
    ];
    VOID.iter().any(|void| void.eq_ignore_ascii_case(name))
}

fn ends_itself(name: &str) -> bool {
    const ENDS: [&str; 10] = ["p", "li", "td", "th", "tr", "dt", "dd", "option", "tbody", "thead"];
    ENDS.iter().any(|ends| ends.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> Part {
        part("html", html, &Limits::default())
    }

    fn shown(html: &str) -> String {
        read(html).text()
    }

    fn cells(html: &str) -> Vec<Vec<Vec<String>>> {
        let tables = read(html).pages.into_iter().flat_map(|page| page.tables);
        tables
            .map(|table| table.rows.into_iter().map(|row| row.into_iter().map(|cell| cell.text).collect()).collect())
            .collect()
    }

    /// Rules that look for "Bestellung: 4711" must find it as a person reads it.
    #[test]
    fn lines_are_those_that_a_reader_sees() {
        let cases = [
            ("<p>Ihre  <b>Best</b>ellung:\n4711</p><p>Danke", "Ihre Bestellung: 4711\n\nDanke\n"),
            ("a<br>b<br></div><div>c</div>", "a\nb\nc\n"),
            ("<div>a<div>b</div>c</div>", "a\nb\nc\n"),
            ("1&nbsp;234,50&#8364; &amp; x", "1 234,50€ & x\n"),
            ("<pre>Pos  Menge\n 10      5\n</pre>", "Pos  Menge\n 10      5\n"),
            ("<ol><li>Tom</li><li>Ute</li></ol>", "1. Tom\n2. Ute\n"),
            ("<ul><li>Tom<li>Ute</ul>", "• Tom\n• Ute\n"),
            ("<p style='margin:0cm'>a</p><p style='margin:0cm'>b</p>", "a\nb\n"),
            ("<div style='float:left'>Menge</div><div style='float:left'>5</div><p>x</p>", "Menge  5\n\nx\n"),
            ("<div style='display:flex'><div>A<br>B</div><div>C</div></div>D", "A  C\nB\nD\n"),
            ("<!--[if mso]>Outlook<![endif]-->x<![if !mso]>y<![endif]>", "xy\n"),
            ("<script>alert(1)</script><style>p{}</style><title>t</title>z", "z\n"),
            ("Nr. <span style='display:inline-block'>47</span>11", "Nr. 4711\n"),
            ("<input type=text value=7> <select><option>a<option selected>b</select>", "7 b\n"),
        ];
        for (html, text) in cases {
            assert_eq!(shown(html), text, "{html}");
        }
    }

    /// Text that a person cannot see could order an automatic reader about.
    #[test]
    fn hidden_words_are_flagged() {
        let hidden = [
            "<div style='display:none'>x</div>",
            "<div style='display:none !important; display:block'>x</div>",
            "<span style='font-size:0'>x</span>",
            "<span style='font-size:1px;line-height:1px'>x</span>",
            "<span style='visibility:hidden'>x</span>",
            "<span style='color:#FFFFFF'>x</span>",
            "<font color=white>x</font>",
            "<table><tr><td bgcolor='#00f'><font color=blue>x</font></td></tr></table>",
            "<div style='max-height:0;overflow:hidden'>x</div>",
            "<div style='opacity:0'>x</div>",
            "<div style='mso-hide:all'>x</div>",
            "<div style='position:absolute;left:-9999px'>x</div>",
            "<div hidden>x</div>",
            "<style>.pre, td .b {display:none}</style><p class='pre'>x</p>",
            "<style>@media all { #k {visibility:hidden} }</style><p id='k'>x</p>",
            "<table><tr style='display:none'><td>x</td></tr></table>",
        ];
        for html in hidden {
            let part = read(&format!("seen {html} too"));
            let words: Vec<_> =
                part.pages[0].lines.iter().flat_map(|line| &line.words).map(|w| (w.text.as_str(), w.hidden)).collect();
            assert!(
                words.contains(&("x", true)) && words.contains(&("seen", false)) && words.contains(&("too", false)),
                "{html}: {words:?}"
            );
            assert!(!part.text().contains('x'), "{html}");
        }
        let seen = [
            "<span style='font-size:0'><b style='font-size:12px'>x</b></span>",
            "<span style='visibility:hidden'><b style='visibility:visible'>x</b></span>",
            "<table><tr><td bgcolor=blue><font color=white>x</font></table>",
            "<div style='background:#0070ba'><a style='color:#fff;mso-hide:all'>x</a></div>",
            "<div style='background-image:url(a.png)'><b style='color:white'>x</b></div>",
            "<style>@media (max-width:600px) { .m {display:none} }</style><p class='m'>x</p>",
        ];
        for html in seen {
            assert!(shown(html).contains('x'), "{html}");
        }
        assert_eq!(shown("12<i style='display:none'>9</i>34"), "1234\n");
    }

    /// The lines of an order stand in a table; each cell must stand in its row and column.
    #[test]
    fn data_tables_become_cells() {
        let html = "<table><tr><th>Pos<th>Artikel<th colspan=2>Menge</tr>\
                    <tr><td rowspan=2>10<td>Schraube<br>M8<td>5<td>Stk</tr><tr><td>Mutter<td>7<td>Stk</tr></table>";
        assert_eq!(
            cells(html),
            [[
                vec!["Pos", "Artikel", "Menge", ""],
                vec!["10", "Schraube\nM8", "5", "Stk"],
                vec!["", "Mutter", "7", "Stk"],
            ]]
        );
        assert_eq!(shown(html), "Pos  Artikel   Menge\n10   Schraube  5  Stk\n     M8\n     Mutter    7  Stk\n");
    }

    /// Shop mails nest layout tables; the one with the order lines must come out of them.
    #[test]
    fn layout_tables_only_lay_out() {
        let html = "<table width=100%><tr><td><table><tr><td>Logo</td></tr></table></td><td>Nr. 7</td></tr><tr><td colspan=2>\
                    <table><tr><td>SKU</td><td>&nbsp;</td><td>Qty</td></tr><tr><td>A1</td><td></td><td>5</td></tr></table></td></tr></table>";
        assert_eq!(cells(html), [[vec!["SKU", "Qty"], vec!["A1", "5"]]]);
        assert_eq!(shown(html), "Logo  Nr. 7\nSKU  Qty\nA1   5\n");
    }

    /// Builders of newsletters make each row a table of its own.
    #[test]
    fn row_tables_are_joined() {
        let row = |a: &str, b: &str| format!("<table><tr><td width=50%>{a}</td><td>{b}</td></tr></table>");
        let html = format!("<div>{}{}{}</div>", row("SKU", "Qty"), row("A1", "5"), row("B2", "7"));
        assert_eq!(cells(&html), [[vec!["SKU", "Qty"], vec!["A1", "5"], vec!["B2", "7"]]]);
    }

    /// 50,000 open elements must not keep a worker busy.
    #[test]
    fn deep_nesting_is_refused_and_moderate_nesting_read() {
        let begin = std::time::Instant::now();
        for tag in ["div", "b", "table><tr><td", "span"] {
            let part = read(&format!("<{tag}>").repeat(50_000));
            assert_eq!(part.faults[0].code, "TOO_DEEP", "{tag}");
        }
        assert!(begin.elapsed().as_secs() < 5);
        assert!(shown(&format!("{}x", "<div>".repeat(300))).contains('x'));
        assert!(shown(&format!("{}x", "<table><tr><td>".repeat(80))).contains('x'));
        assert!(shown(&format!("{}x", "<p>".repeat(20_000))).contains('x'));
    }
}
