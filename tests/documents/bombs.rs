//! Files made to hurt a reader.

use std::io::{Cursor, Write};

use lopdf::{Object, Stream, dictionary};

use crate::pdf::Maker;

fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn pdf(content: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut maker = Maker::default();
    maker.page(content);
    maker.finish(dictionary! {})
}

fn workbook(sheet: String) -> Vec<u8> {
    let workbook = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#;
    let relations = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    zip(&[
        ("xl/workbook.xml", workbook.into()),
        ("xl/_rels/workbook.xml.rels", relations.into()),
        ("xl/worksheets/sheet1.xml", sheet.into_bytes()),
    ])
}

fn sheet(rows: &str) -> String {
    format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData></worksheet>"#
    )
}

fn opendocument(table: &str) -> Vec<u8> {
    let content = format!(
        r#"<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet><table:table table:name="S">{table}</table:table></office:spreadsheet></office:body></office:document-content>"#
    );
    zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet".to_vec()),
        ("content.xml", content.into_bytes()),
    ])
}

/// Forms that draw each other, `width` times on each of `depth` levels.
fn nested_forms(depth: usize, width: usize, own_end: bool) -> Vec<u8> {
    let mut maker = Maker::default();
    let first = maker.document.new_object_id();
    let mut inner = first;
    let form = |inner, content: String| {
        Stream::new(
            dictionary! {
                "Type" => "XObject", "Subtype" => "Form", "BBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
                "Resources" => dictionary! { "XObject" => dictionary! { "X" => Object::Reference(inner) } },
            },
            content.into_bytes(),
        )
    };
    for _ in 0..depth {
        inner = maker.document.add_object(form(inner, "/X Do ".repeat(width)));
    }
    // The innermost one draws the outermost again, or nothing.
    let end = if own_end { String::new() } else { "/X Do".into() };
    maker.document.objects.insert(first, form(inner, end).into());
    maker.page_with("/X Do", dictionary! { "Resources" => dictionary! { "XObject" => dictionary! { "X" => inner } } });
    maker.finish(dictionary! {})
}

/// Names and bytes.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = |megabytes: usize| vec![b'0'; megabytes << 20];
    let mut bombs: Vec<(&'static str, Vec<u8>)> = vec![
        // Archives.
        ("ratio.zip", zip(&[("zeros.txt", zeros(300))])),
        ("many.zip", zip(&(0..3_000).map(|_| ("x", Vec::new())).enumerate().map(|(i, (_, b))| (&*Box::leak(format!("f{i}").into_boxed_str()), b)).collect::<Vec<_>>())),
        ("deep.zip", (0..40).fold(b"end".to_vec(), |inner, _| zip(&[("in.zip", inner)]))),
        ("cut.zip", zip(&[("a.txt", zeros(1))])[..500].to_vec()),
        ("only-end.zip", b"PK\x05\x06".iter().copied().chain([0xff; 18]).collect()),
        // Workbooks.
        ("far.xlsx", workbook(sheet(r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>"#))),
        ("wide.xlsx", workbook(sheet(&format!("<row r=\"1\">{}</row>", "<c><v>1</v></c>".repeat(300_000))))),
        ("tall.xlsx", workbook(sheet(&(1..200_000).map(|row| format!("<row r=\"{row}\"><c r=\"AZ{row}\"><v>1</v></c></row>")).collect::<String>()))),
        ("huge-part.xlsx", workbook(format!("{}{}", sheet(""), " ".repeat(400 << 20)))),
        ("open.xlsx", workbook("<worksheet><sheetData><row><c><v>".into())),
        ("repeats.ods", opendocument(r#"<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" office:value-type="string"><text:p>x</text:p></table:table-cell></table:table-row>"#)),
        ("nested.ods", opendocument(&"<table:table-row>".repeat(200_000))),
        ("broken.xls", [&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1][..], &[0xff; 4096]].concat()),
        // Markup.
        ("deep.html", "<div>".repeat(200_000).into_bytes()),
        ("deep-tables.html", format!("<html>{}", "<table><tr><td>".repeat(600)).into_bytes()),
        ("wide.html", format!("<html><table><tr>{}", "<td colspan=1000 rowspan=65534>x".repeat(20_000)).into_bytes()),
        ("formats.html", format!("<html>{}", "<b><i><a href=x><font>".repeat(3_000)).into_bytes()),
        ("styles.html", format!("<html><style>{}</style>{}", (0..3_000).map(|i| format!(".c{i} div p {{color:red}}")).collect::<String>(), "<p class='c1 c2 c3'>x".repeat(20_000)).into_bytes()),
        ("attributes.html", format!("<html><p {}>x", (0..100_000).map(|i| format!("a{i}=1 ")).collect::<String>()).into_bytes()),
        ("breaks.html", format!("<html>{}x", "<br>".repeat(2_000_000)).into_bytes()),
        ("words.html", format!("<html>{}", "a ".repeat(8_000_000)).into_bytes()),
        ("laughs.xml", b"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'haha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]><l>&c;&c;&c;</l>".to_vec()),
        ("outside.xml", b"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>".to_vec()),
        ("deep.xml", format!("<?xml version='1.0'?>{}", "<a>".repeat(300_000)).into_bytes()),
        ("broad.xml", format!("<?xml version='1.0'?><l>{}</l>", "<a>1</a>".repeat(500_000)).into_bytes()),
        // Text.
        ("columns.csv", format!("{}\n", "a;".repeat(2_000_000)).repeat(3).into_bytes()),
        ("quote.csv", format!("a;b\n\"{}", "x\n".repeat(3_000_000)).into_bytes()),
        ("line.txt", vec![b'a'; 20 << 20]),
        ("lines.txt", b"\n".repeat(10 << 20)),
        ("bars.txt", b"| a | b |\n".repeat(300_000)),
        ("fixed.txt", b"10   4711   Screw   5\n".repeat(200_000)),
        ("segments.edi", b"UNB+UNOC:3'".iter().copied().chain(b"LIN+1'".repeat(1_000_000)).collect()),
        // Wrappers.
        ("winmail.dat", [0x78, 0x9f, 0x3e, 0x22, 1, 0].into_iter().chain([2, 2, 0x90, 6, 0, 0, 0, 0, 0, 0, 0].repeat(100_000)).collect()),
        ("nested.p7m", [0x30, 0x80].repeat(500_000)),
        ("groups.rtf", format!("{{\\rtf1 {}", "{".repeat(2_000_000)).into_bytes()),
        ("bin.rtf", b"{\\rtf1 \\bin4294967295 x".to_vec()),
        // PDF.
        ("loop.pdf", nested_forms(1, 1, false)),
        ("laughs.pdf", nested_forms(12, 12, true)),
        ("text.pdf", pdf("BT /F 9 Tf (xxxxxxxxxxxxxxxxxxxxxxxxxxxx) Tj ET\n".repeat(100_000))),
        ("boxes.pdf", pdf("10 10 20 20 re S 10 10 20 20 re f\n".repeat(300_000))),
        ("grid.pdf", pdf((0..3_000).map(|i| format!("{} 0 m {} 842 l S 0 {} m 595 {} l S\n", i % 595, i % 595, i % 842, i % 842)).collect::<String>())),
        ("states.pdf", pdf("q ".repeat(1_000_000))),
        ("clips.pdf", pdf("0 0 500 500 re W n ".repeat(200_000))),
        ("arrays.pdf", pdf("[".repeat(500_000))),
        ("giant.pdf", {
            let mut maker = Maker::default();
            maker.page_with("BT /F 9 Tf (x) Tj ET", dictionary! { "MediaBox" => vec![0.into(), 0.into(), 1_000_000_000.into(), 1_000_000_000.into()] });
            maker.finish(dictionary! {})
        }),
        ("pages.pdf", {
            let mut maker = Maker::default();
            for _ in 0..2_000 {
                maker.page("BT /F 9 Tf (x) Tj ET");
            }
            maker.finish(dictionary! {})
        }),
    ];
    let good = crate::pdf::confirmation(10);
    bombs.push(("cut.pdf", good[..good.len() / 2].to_vec()));
    bombs.push(("no-table.pdf", String::from_utf8_lossy(&good).replace("xref", "xxxx").into_bytes()));
    bombs
}
