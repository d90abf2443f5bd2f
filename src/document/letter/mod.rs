//! Documents of word processors (DOCX) as HTML: paragraphs and their numbers, tables, what is hidden; pictures
//! are left out.
//!
//! Everything else (lines, cells, places, selectors) is then as with any HTML. Text that was deleted
//! while changes were tracked, and the programs behind fields, are nothing that a reader sees.
//! Source: ECMA-376 (Office Open XML), Part 1, WordprocessingML.

use std::collections::HashMap;

use roxmltree::{Document, Node, ParsingOptions};

mod numbering;
mod styles;

use super::{Kind, Limits, Part, archive, html, xml};
use numbering::Numbering;
use styles::Styles;

/// Nodes of XML for one word, about.
const NODES_A_WORD: usize = 4;
/// A cell spans no more than this.
const SPAN_MAX: usize = 100;
/// What stands for a tab stop.
const TAB: &str = "&nbsp;&nbsp;&nbsp;&nbsp;";
/// Rows of one table that merged cells are followed through.
const ROWS_MAX: usize = 20_000;

/// Reads a document. Faults: `TOO_LARGE`, `TOO_DEEP`, `BROKEN`.
pub(super) fn part(name: &str, bytes: &[u8], limits: &Limits) -> Part {
    match source(bytes, limits) {
        Ok(source) => html::part(name, &source, limits),
        Err((code, message)) => Part::faulty(Kind::Other, name, code, message),
    }
}

/// The document as HTML: heads of its pages first, feet last.
fn source(bytes: &[u8], limits: &Limits) -> Result<String, (&'static str, String)> {
    archive::within(bytes, limits)?;
    let names = archive::names(bytes);
    let named = |begin: &str| -> Vec<&String> {
        names.iter().filter(|name| name.starts_with(begin) && name.ends_with(".xml")).take(20).collect()
    };
    let body = named("word/document");
    if body.is_empty() {
        return Err(("BROKEN", "it has no document inside".into()));
    }
    let (mut styles, mut lists) = (Styles::default(), Numbering::default());
    // Without its styles or lists a document is read all the same.
    if let Some(text) = content(bytes, "word/styles.xml", limits) {
        styles = parsed(&text, limits).map(|document| Styles::of(&document)).unwrap_or_default();
    }
    if let Some(text) = content(bytes, "word/numbering.xml", limits) {
        lists = parsed(&text, limits).map(|document| Numbering::of(&document, &styles)).unwrap_or_default();
    }
    let html = "<!DOCTYPE html><html><body>\n".to_owned();
    let mut out = Writer { html, most: limits.bytes_max, styles, lists };
    for file in named("word/header").into_iter().chain(body).chain(named("word/footer")) {
        let text = content(bytes, file, limits).unwrap_or_default();
        out.blocks(parsed(&text, limits)?.root_element());
    }
    if out.html.len() > limits.bytes_max {
        return Err(("TOO_LARGE", format!("more than {} bytes of text", limits.bytes_max)));
    }
    out.html.push_str("</body></html>\n");
    Ok(out.html)
}

fn content(bytes: &[u8], file: &str, limits: &Limits) -> Option<String> {
    Some(String::from_utf8_lossy(&archive::entry(bytes, file, limits)?).into_owned())
}

fn parsed<'a>(text: &'a str, limits: &Limits) -> Result<Document<'a>, (&'static str, String)> {
    if xml::depth(text, limits.depth_max) > limits.depth_max {
        return Err(("TOO_DEEP", format!("elements nest more than {} deep", limits.depth_max)));
    }
    let nodes = limits.words_max.saturating_mul(NODES_A_WORD).min(u32::MAX as usize) as u32;
    let options = ParsingOptions { nodes_limit: nodes, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => ("TOO_LARGE", format!("more than {nodes} elements")),
        error => ("BROKEN", format!("the document cannot be read: {error}")),
    })
}

struct Writer {
    html: String,
    most: usize,
    styles: Styles,
    lists: Numbering,
}

/// A cell of a row: its first column, how many columns it spans, and whether it goes on with the one above.
struct Field<'a, 'input> {
    node: Node<'a, 'input>,
    column: usize,
    span: usize,
    goes_on: bool,
}

impl Writer {
    fn push(&mut self, text: &str) {
        // One step beyond the limit tells that it was passed.
        if self.html.len() <= self.most {
            self.html.push_str(text);
        }
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.push("&lt;"),
                '>' => self.push("&gt;"),
                '&' => self.push("&amp;"),
                c => self.push(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// Paragraphs and tables, and whatever only wraps them.
    fn blocks(&mut self, node: Node<'_, '_>) {
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "p" => self.paragraph(child),
                "tbl" => self.table(child),
                name if is_unseen(name) => {}
                _ => self.blocks(child),
            }
        }
    }

    fn paragraph(&mut self, node: Node<'_, '_>) {
        let properties = element(node, "pPr");
        let named = properties.and_then(|properties| element(properties, "pStyle")).and_then(value);
        let look = self.styles.paragraph(named);
        self.open("p", &look);
        if let Some(number) = self.number(properties, named) {
            self.text(number.trim_end_matches('\t'));
            if number.ends_with('\t') {
                self.push(TAB);
            }
        }
        let mut frames = Vec::new();
        self.runs(node, &mut frames);
        self.push("</p>\n");
        for frame in frames {
            self.blocks(frame);
        }
    }

    fn open(&mut self, tag: &str, look: &str) {
        let look = if look.is_empty() { String::new() } else { format!(" style=\"{look}\"") };
        self.push(&format!("<{tag}{look}>"));
    }

    /// The number before a paragraph: by its own word, else by its style's. One that was deleted has none.
    fn number(&mut self, properties: Option<Node<'_, '_>>, style: Option<&str>) -> Option<String> {
        let mark = properties.and_then(|properties| element(properties, "rPr"));
        if mark.is_some_and(|mark| element(mark, "del").is_some() || self::style(mark).contains("display:none")) {
            return None;
        }
        let own = properties.and_then(|properties| element(properties, "numPr"));
        let said = |name: &str| own.and_then(|own| value(element(own, name)?)?.parse::<u32>().ok());
        let (id, level, by) = match said("numId") {
            Some(id) => (id, said("ilvl").map(|level| level as usize), None),
            None => {
                let (id, level, by) = self.styles.list(style)?;
                (id, said("ilvl").map(|level| level as usize).or(level), Some(by))
            }
        };
        self.lists.next(id, level, by)
    }

    /// Runs of text; frames of text that hang on them are put by.
    fn runs<'a, 'input>(&mut self, node: Node<'a, 'input>, frames: &mut Vec<Node<'a, 'input>>) {
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "r" => self.run(child, frames),
                name if is_unseen(name) => {}
                _ => self.runs(child, frames),
            }
        }
    }

    fn run<'a, 'input>(&mut self, node: Node<'a, 'input>, frames: &mut Vec<Node<'a, 'input>>) {
        let properties = element(node, "rPr");
        let named = properties.and_then(|properties| element(properties, "rStyle")).and_then(value);
        let style = self.styles.look(named) + &properties.map(style).unwrap_or_default();
        if !style.is_empty() {
            self.open("span", &style);
        }
        for child in node.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "t" => self.text(child.text().unwrap_or_default()),
                // What a tab stop parts stands apart.
                "tab" | "ptab" => self.push(TAB),
                "br" | "cr" => self.push("<br>"),
                "noBreakHyphen" => self.push("-"),
                "AlternateContent" | "drawing" | "pict" | "object" => {
                    frames.extend(child.descendants().filter(|node| node.tag_name().name() == "txbxContent").take(1))
                }
                _ => {}
            }
        }
        if !style.is_empty() {
            self.push("</span>");
        }
    }

    fn table(&mut self, node: Node<'_, '_>) {
        let rows: Vec<Vec<Field<'_, '_>>> = within(node, "tr").into_iter().take(ROWS_MAX).map(fields).collect();
        // How many rows each cell that begins a merged one reaches down, from below: by first column.
        let mut reach: Vec<Vec<usize>> = Vec::with_capacity(rows.len());
        let mut below: HashMap<usize, usize> = HashMap::new();
        for row in rows.iter().rev() {
            let mut open = HashMap::new();
            let mut reaches = Vec::with_capacity(row.len());
            for field in row {
                let more = below.get(&field.column).copied().unwrap_or(0);
                if field.goes_on {
                    open.insert(field.column, more + 1);
                }
                reaches.push(more + 1);
            }
            below = open;
            reach.push(reaches);
        }
        reach.reverse();
        self.push("<table border=\"1\">\n");
        for (row, reaches) in rows.iter().zip(&reach) {
            self.push("<tr>");
            for (field, rows) in row.iter().zip(reaches) {
                if field.goes_on {
                    continue;
                }
                let style = element(field.node, "tcPr").map(shade).unwrap_or_default();
                self.push(&format!("<td colspan=\"{}\" rowspan=\"{rows}\"{style}>", field.span));
                self.blocks(field.node);
                self.push("</td>");
            }
            self.push("</tr>\n");
        }
        self.push("</table>\n");
    }
}

/// What a reader does not see: properties, deleted text, the second of two ways to say a thing.
fn is_unseen(name: &str) -> bool {
    matches!(name, "del" | "moveFrom" | "Fallback" | "instrText" | "delText") || name.ends_with("Pr")
}

fn element<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.tag_name().name() == name)
}

/// Elements of a name within wrappers, but not within their like or in inner tables.
fn within<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Vec<Node<'a, 'input>> {
    let mut found = Vec::new();
    for child in node.children().filter(Node::is_element) {
        match child.tag_name().name() {
            own if own == name => found.push(child),
            "sdt" | "sdtContent" | "ins" | "moveTo" | "customXml" | "smartTag" => found.extend(within(child, name)),
            _ => {}
        }
    }
    found
}

fn value<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == "val").map(|attribute| attribute.value())
}

fn number(node: Node<'_, '_>, property: &str) -> Option<usize> {
    value(element(node, property)?)?.parse::<usize>().ok().map(|number| number.min(SPAN_MAX))
}

/// The cells of a row with the columns they stand in.
fn fields<'a, 'input>(row: Node<'a, 'input>) -> Vec<Field<'a, 'input>> {
    let mut column = element(row, "trPr").and_then(|properties| number(properties, "gridBefore")).unwrap_or(0);
    let mut fields = Vec::new();
    for node in within(row, "tc") {
        let properties = element(node, "tcPr");
        let span = properties.and_then(|properties| number(properties, "gridSpan")).unwrap_or(1).max(1);
        let merged = properties.and_then(|properties| element(properties, "vMerge"));
        let goes_on = merged.is_some_and(|merged| value(merged) != Some("restart"));
        fields.push(Field { node, column, span, goes_on });
        column += span;
    }
    fields
}

/// What hides or colours a run.
fn style(properties: Node<'_, '_>) -> String {
    let mut style = String::new();
    for property in properties.children().filter(Node::is_element) {
        let off = matches!(value(property), Some("0" | "false" | "off"));
        match property.tag_name().name() {
            "vanish" => style.push_str(if off { "display:inline;" } else { "display:none;" }),
            "color" => style.extend(colour(value(property)).map(|colour| format!("color:#{colour};"))),
            "shd" => style.extend(fill(property).map(|colour| format!("background-color:#{colour};"))),
            "sz" => {
                // Half points.
                let size = value(property).and_then(|size| size.parse::<u16>().ok());
                style.extend(
                    size.filter(|size| *size < 8).map(|size| format!("font-size:{}pt;", f32::from(size) / 2.0)),
                );
            }
            _ => {}
        }
    }
    style
}

fn shade(properties: Node<'_, '_>) -> String {
    let colour = element(properties, "shd").and_then(fill);
    colour.map(|colour| format!(" style=\"background-color:#{colour}\"")).unwrap_or_default()
}

fn fill<'a>(shading: Node<'a, '_>) -> Option<&'a str> {
    colour(shading.attributes().find(|attribute| attribute.name() == "fill").map(|attribute| attribute.value()))
}

/// Six digits; `auto` is none.
fn colour(value: Option<&str>) -> Option<&str> {
    value.filter(|colour| colour.len() == 6 && colour.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    fn docx(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let all = [("[Content_Types].xml", "<Types/>")];
        for (name, text) in all.iter().chain(files) {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn document(body: &str) -> String {
        let main = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
        format!("<w:document xmlns:w=\"{main}\"><w:body>{body}</w:body></w:document>")
    }

    fn paragraph(text: &str) -> String {
        format!("<w:p><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
    }

    fn cell(properties: &str, text: &str) -> String {
        format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", paragraph(text))
    }

    /// A confirmation written with a word processor is read like one written as a mail.
    #[test]
    fn paragraphs_and_tables_are_read() {
        let head = format!("<w:tr>{}{}{}</w:tr>", cell("", "Pos"), cell("", "Article"), cell("", "Quantity"));
        let first = cell("<w:vMerge w:val=\"restart\"/>", "10");
        let row = format!("<w:tr>{first}{}{}</w:tr>", cell("", "Nails &amp; bolts"), cell("", "5"));
        let more =
            format!("<w:tr>{}{}</w:tr>", cell("<w:vMerge/>", ""), cell("<w:gridSpan w:val=\"2\"/>", "on Friday"));
        let body = format!(
            "{}<w:tbl>{head}{row}{more}</w:tbl><w:p><w:r><w:t>Total</w:t><w:tab/><w:t>12.50</w:t></w:r></w:p>",
            paragraph("Your order 4711")
        );
        let header = document(&paragraph("Northwind Ltd."));
        let bytes = docx(&[("word/document.xml", &document(&body)), ("word/header1.xml", &header)]);
        let parts = super::super::read(
            &super::super::Input { name: "a.docx", media_type: "", bytes: &bytes },
            &Limits::default(),
        );
        let part = &parts[0];
        assert_eq!((part.kind, part.faults.len()), (Kind::Html, 0));
        let text = part.text();
        for said in ["Northwind Ltd.", "Your order 4711", "Total  ", "12.50"] {
            assert!(text.contains(said), "{text}");
        }
        let rows: Vec<Vec<&str>> = part.pages[0].tables[0]
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.text.as_str()).collect())
            .collect();
        assert_eq!(rows, [["Pos", "Article", "Quantity"], ["10", "Nails & bolts", "5"], ["", "on Friday", ""]]);
    }

    /// Positions that the word processor counts are there, and text that a style hides is not.
    #[test]
    fn styles_and_lists_are_followed() {
        let namespace = "xmlns:w=\"w\"";
        let styles = format!(
            "<w:styles {namespace}><w:style w:type=\"paragraph\" w:styleId=\"Position\"><w:pPr><w:numPr><w:numId w:val=\"1\"/></w:numPr></w:pPr></w:style>\
             <w:style w:type=\"character\" w:styleId=\"Trick\"><w:rPr><w:vanish/></w:rPr></w:style>\
             <w:style w:type=\"character\" w:styleId=\"Deeper\"><w:basedOn w:val=\"Trick\"/></w:style></w:styles>"
        );
        let numbering = format!(
            "<w:numbering {namespace}><w:abstractNum w:abstractNumId=\"0\"><w:lvl w:ilvl=\"0\"><w:start w:val=\"10\"/><w:lvlText w:val=\"%1\"/></w:lvl></w:abstractNum>\
             <w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/></w:num></w:numbering>"
        );
        let counted = "<w:tc><w:p><w:pPr><w:pStyle w:val=\"Position\"/></w:pPr></w:p></w:tc>";
        let row = |article: &str| format!("<w:tr>{counted}{}</w:tr>", cell("", article));
        let hidden = "<w:p><w:r><w:rPr><w:rStyle w:val=\"Deeper\"/></w:rPr><w:t>unseen</w:t></w:r>\
             <w:r><w:rPr><w:rStyle w:val=\"Deeper\"/><w:vanish w:val=\"0\"/></w:rPr><w:t>seen</w:t></w:r></w:p>";
        let head = format!("<w:tr>{}{}</w:tr>", cell("", "Pos"), cell("", "Article"));
        let body = document(&format!("<w:tbl>{head}{}{}</w:tbl>{hidden}", row("A-1"), row("B-2")));
        let files = [("word/document.xml", &*body), ("word/styles.xml", &*styles), ("word/numbering.xml", &*numbering)];
        let part = part("a.docx", &docx(&files), &Limits::default());
        let rows: Vec<Vec<&str>> =
            part.pages[0].tables[0].rows.iter().map(|row| row.iter().map(|cell| cell.text.trim()).collect()).collect();
        assert_eq!(rows, [["Pos", "Article"], ["10", "A-1"], ["11", "B-2"]]);
        assert!(part.text().contains("seen") && !part.text().contains("unseen"), "{}", part.text());
    }

    /// Hidden and deleted words must not reach a rule.
    #[test]
    fn what_nobody_sees_says_nothing() {
        let run = |properties: &str, text: &str| {
            format!("<w:r><w:rPr>{properties}</w:rPr><w:t xml:space=\"preserve\"> {text} </w:t></w:r>")
        };
        let body = format!(
            "<w:p>{}{}{}<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>",
            run("", "seen"),
            run("<w:vanish/>", "vanished"),
            run("<w:color w:val=\"FFFFFF\"/>", "white")
        );
        let part = part("a.docx", &docx(&[("word/document.xml", &document(&body))]), &Limits::default());
        assert_eq!(part.text().trim(), "seen");
    }

    /// Deep or broken documents are faults with a reason, not crashes.
    #[test]
    fn what_cannot_be_read_is_a_fault() {
        let deep = format!("{}{}", "<w:sdt>".repeat(300), "</w:sdt>".repeat(300));
        for (text, code) in [(document(&deep), "TOO_DEEP"), ("<w:document".into(), "BROKEN")] {
            let part = part("a.docx", &docx(&[("word/document.xml", &text)]), &Limits::default());
            assert_eq!(part.faults[0].code, code);
        }
    }
}
