//! Workbooks: XLSX, XLSB, XLS ([`biff`]) and ODS to sheets of shown values.
//!
//! Cells are read one by one where the format allows it, and never into a grid as large as a file
//! claims: 1.2 KB can claim 512 GiB.

use std::io::{Cursor, Read};

use calamine::{DataRef, ExcelDateTime, ExcelDateTimeType, Reader, Sheet, SheetType, SheetVisible, Xlsb, Xlsx};

use super::biff::{self, Book};
use super::{Kind, Limits, Part, archive, compound, grid};

/// Rows and columns beyond these are not looked at.
const ROWS_MAX: usize = 200_000;
const COLUMNS_MAX: usize = 2_000;
const SHEETS_MAX: usize = 100;

/// Reads a workbook like [`part`]; where the library that opens it gives up with a panic, that is a fault.
pub(super) fn guarded(name: &str, bytes: &[u8], limits: &Limits) -> Part {
    std::panic::catch_unwind(|| part(name, bytes, limits)).unwrap_or_else(|_| {
        Part::faulty(Kind::Xlsx, name, "BROKEN", "the workbook cannot be read: its parts contradict")
    })
}

/// Reads a workbook. Faults: `ENCRYPTED`, `TOO_LARGE`, `BROKEN`, `UNKNOWN_KIND`.
pub(super) fn part(name: &str, bytes: &[u8], limits: &Limits) -> Part {
    let mut part = Part::new(Kind::Xlsx, name);
    if let Err((code, message)) = archive::within(bytes, limits) {
        part.fault(code, message);
        return part;
    }
    if !archive::is_zip(bytes) {
        if let Err((code, message)) = xls(&mut part, bytes, limits) {
            part.kind = if code == "UNKNOWN_KIND" { Kind::Other } else { Kind::Xlsx };
            part.fault(code, message);
        }
        return part;
    }
    if let Some(content) = archive::entry(bytes, "content.xml", limits) {
        ods(&mut part, &content, limits);
        return part;
    }
    let opened = match archive::has(bytes, "xl/workbook.bin") {
        true => Xlsb::new(Cursor::new(bytes)).map(Opened::Xlsb).map_err(|error| error.to_string()),
        false => Xlsx::new(Cursor::new(bytes)).map(Opened::Xlsx).map_err(|error| error.to_string()),
    };
    match opened {
        Ok(book) => sheets(&mut part, book, limits),
        Err(message) => part.fault("BROKEN", format!("the workbook cannot be read: {message}")),
    }
    part
}

/// A workbook of one of the zipped formats.
enum Opened<'a> {
    Xlsx(Xlsx<Cursor<&'a [u8]>>),
    Xlsb(Xlsb<Cursor<&'a [u8]>>),
}

fn sheets(part: &mut Part, mut book: Opened<'_>, limits: &Limits) {
    let all = match &book {
        Opened::Xlsx(book) => book.sheets_metadata(),
        Opened::Xlsb(book) => book.sheets_metadata(),
    };
    let sheets: Vec<Sheet> = all.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).cloned().collect();
    too_many(part, sheets.len());
    let mut left = Left::of(limits);
    for sheet in sheets.iter().take(SHEETS_MAX) {
        let mut rows = Rows::new(left);
        if let Err(message) = cells(&mut book, &sheet.name, &mut rows) {
            part.fault("BROKEN", format!("sheet `{}` cannot be read: {message}", sheet.name));
        }
        left = rows.left;
        push(part, &sheet.name, rows, sheet.visible != SheetVisible::Visible, limits);
    }
}

fn too_many(part: &mut Part, sheets: usize) {
    if sheets > SHEETS_MAX {
        part.fault("TOO_LARGE", format!("{sheets} sheets; the first {SHEETS_MAX} were read"));
    }
}

/// A workbook of Excel 2003 and older, or what else is kept in compound files.
fn xls(part: &mut Part, bytes: &[u8], limits: &Limits) -> Result<(), (&'static str, String)> {
    let broken = |why: &str| ("BROKEN", format!("the workbook cannot be read: {why}"));
    if compound::runs_in_circles(bytes) {
        return Err(broken("its chains of sectors run in circles"));
    }
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|error| broken(&error.to_string()))?;
    if file.is_stream("/EncryptedPackage") {
        return Err(("ENCRYPTED", "the workbook is protected with a password".into()));
    }
    let Some(path) = ["/Workbook", "/Book"].into_iter().find(|path| file.is_stream(path)) else {
        return Err(("UNKNOWN_KIND", "it is a document of a program whose documents nobody here reads".into()));
    };
    let mut stream = Vec::new();
    let opened = file.open_stream(path).map_err(|error| broken(&error.to_string()))?;
    // What can be read is read: a file that was cut off has its first sheets.
    let cut = opened.take(limits.bytes_max as u64).read_to_end(&mut stream).is_err();
    let book = Book::open(&stream).map_err(|problem| match problem {
        biff::Problem::Encrypted => ("ENCRYPTED", "the workbook is protected with a password".into()),
        biff::Problem::Broken(why) => broken(why),
    })?;
    if cut {
        part.fault("BROKEN", "the workbook ends before its end");
    }
    too_many(part, book.sheets.len());
    let mut left = Left::of(limits);
    for sheet in book.sheets.iter().take(SHEETS_MAX) {
        let mut rows = Rows::new(left);
        let mut put =
            |cell: biff::Cell<'_>| rows.put(cell.place, shown(&value(&cell, book.from_1904), &cell.format.code));
        if let Err(biff::Problem::Broken(why)) = book.cells(sheet, &mut put) {
            part.fault("BROKEN", format!("sheet `{}` cannot be read: {why}", sheet.name));
        }
        left = rows.left;
        push(part, &sheet.name, rows, sheet.hidden, limits);
    }
    Ok(())
}

fn value<'a>(cell: &biff::Cell<'a>, from_1904: bool) -> DataRef<'a> {
    match (&cell.value, cell.format.shows) {
        (biff::Value::Text(text), _) => DataRef::SharedString(text),
        (biff::Value::Bool(value), _) => DataRef::Bool(*value),
        (biff::Value::Error(text), _) => DataRef::SharedString(text),
        (biff::Value::Number(value), biff::Shows::Number) => DataRef::Float(*value),
        (biff::Value::Number(value), biff::Shows::Moment) => {
            DataRef::DateTime(ExcelDateTime::new(*value, ExcelDateTimeType::DateTime, from_1904))
        }
        (biff::Value::Number(value), biff::Shows::Span) => {
            DataRef::DateTime(ExcelDateTime::new(*value, ExcelDateTimeType::TimeDelta, from_1904))
        }
    }
}

/// Adds a sheet; a hidden one keeps its words, as hidden.
fn push(part: &mut Part, name: &str, rows: Rows, hidden: bool, limits: &Limits) {
    if rows.cut {
        part.fault(
            "TOO_LARGE",
            format!(
                "sheet `{name}` has more than {} cells, long texts, or cells far out; not all were read",
                limits.cells_max
            ),
        );
    }
    part.pages.push(grid::sheet(name, rows.rows, hidden));
}

/// Feeds the cells of a sheet, one by one.
fn cells(book: &mut Opened<'_>, name: &str, rows: &mut Rows) -> Result<(), String> {
    match book {
        Opened::Xlsx(book) => {
            let mut reader = book.worksheet_cells_reader(name).map_err(|error| error.to_string())?;
            loop {
                let Some((cell, style)) = reader.next_cell_with_style_id().map_err(|error| error.to_string())? else {
                    return Ok(());
                };
                let format = reader
                    .styles()
                    .get(style)
                    .and_then(|style| style.number_format.as_ref())
                    .map_or("", |format| &format.format_code);
                let text = shown(cell.get_value(), format);
                if !rows.put(cell.get_position(), text) {
                    return Ok(());
                }
            }
        }
        Opened::Xlsb(book) => {
            let mut reader = book.worksheet_cells_reader(name).map_err(|error| error.to_string())?;
            while let Some(cell) = reader.next_cell().map_err(|error| error.to_string())? {
                if !rows.put(cell.get_position(), shown(cell.get_value(), "")) {
                    break;
                }
            }
            Ok(())
        }
    }
}

/// What may still be taken from a workbook.
#[derive(Clone, Copy)]
struct Left {
    cells: usize,
    /// Bytes of text: a thousand cells may show one text of a thousand characters.
    bytes: usize,
}

impl Left {
    fn of(limits: &Limits) -> Left {
        Left { cells: limits.cells_max, bytes: limits.bytes_max }
    }
}

/// Rows under construction, within limits.
struct Rows {
    rows: Vec<Vec<String>>,
    left: Left,
    cut: bool,
}

impl Rows {
    fn new(left: Left) -> Rows {
        Rows { rows: Vec::new(), left, cut: false }
    }

    /// Puts a value at a position; false when nothing more can be taken.
    fn put(&mut self, (row, column): (u32, u32), text: String) -> bool {
        let (row, column) = (row as usize, column as usize);
        if text.is_empty() {
            return true;
        }
        if row >= ROWS_MAX || column >= COLUMNS_MAX {
            self.cut = true;
            return true;
        }
        let have = self.rows.get(row).map_or(0, Vec::len);
        // A row far down costs the empty ones before it.
        let need = (column + 1).saturating_sub(have) + (row + 1).saturating_sub(self.rows.len());
        if need > self.left.cells || text.len() > self.left.bytes {
            self.cut = true;
            return false;
        }
        self.left.cells -= need;
        self.left.bytes -= text.len();
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        if let Some(cells) = self.rows.get_mut(row) {
            if cells.len() <= column {
                cells.resize_with(column + 1, String::new);
            }
            if let Some(cell) = cells.get_mut(column) {
                *cell = text;
            }
        }
        true
    }
}

// --- values ----------------------------------------------------------------------------------

/// A value as a reader sees it: dates as `2026-12-01`, numbers with a point and without noise, with
/// the leading zeros or the per cent sign that their format shows.
fn shown(value: &DataRef<'_>, format: &str) -> String {
    match value {
        DataRef::Int(value) => padded(value.to_string(), format),
        DataRef::Float(value) => number(*value, format),
        DataRef::String(text) => text.trim().to_owned(),
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Bool(value) => if *value { "TRUE" } else { "FALSE" }.into(),
        DataRef::DateTime(value) => date(value),
        DataRef::DateTimeIso(text) => text.trim_end_matches("T00:00:00").replace('T', " "),
        DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

fn number(value: f64, format: &str) -> String {
    if format.contains('%') {
        return format!("{}%", plain(value * 100.0));
    }
    padded(plain(value), format)
}

/// Fifteen digits are what a sheet keeps; the rest is noise of binary fractions.
fn plain(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let rounded = format!("{value:.14e}").parse().unwrap_or(value);
    // No minus before zero.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// Leading zeros as a format of zeros (`000000`) shows them.
fn padded(digits: String, format: &str) -> String {
    let zeros = format.len();
    if zeros > 1
        && zeros < 30
        && format.bytes().all(|byte| byte == b'0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return format!("{digits:0>zeros$}");
    }
    digits
}

fn date(value: &ExcelDateTime) -> String {
    if !value.is_datetime() {
        let seconds = (value.as_f64() * 86_400.0).round().clamp(0.0, 1e12) as u64;
        return format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match (value.as_f64() < 1.0, (hour, minute, second) == (0, 0, 0)) {
        (true, _) => time,
        (false, true) => date,
        (false, false) => format!("{date} {time}"),
    }
}

// --- OpenDocument ----------------------------------------------------------------------------

/// Reads the sheets of `content.xml`: the paragraphs of a cell are its value as it is shown.
fn ods(part: &mut Part, content: &[u8], limits: &Limits) {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_reader(content);
    let mut buffer = Vec::new();
    let mut left = Left::of(limits);
    let mut sheet: Option<(String, Rows)> = None;
    let (mut row, mut row_repeats, mut column, mut column_repeats) = (0u32, 1u32, 0u32, 1u32);
    let mut cell: Option<String> = None;
    let mut in_text = 0u32;
    let mut in_note = 0u32;
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => break,
            Err(error) => {
                part.fault("BROKEN", format!("the sheets cannot be read further: {error}"));
                break;
            }
            Ok(Event::Start(tag)) => match tag.local_name().as_ref() {
                "table" if part.pages.len() < SHEETS_MAX => {
                    sheet = Some((attribute(&tag, "name").unwrap_or_default(), Rows::new(left)));
                    row = 0;
                }
                "table-row" => {
                    row_repeats = repeats(&tag, "number-rows-repeated");
                    column = 0;
                }
                "table-cell" | "covered-table-cell" => {
                    column_repeats = repeats(&tag, "number-columns-repeated");
                    cell = Some(String::new());
                }
                "annotation" => in_note += 1,
                "p" => {
                    in_text += 1;
                    if let Some(cell) = cell.as_mut().filter(|cell| !cell.is_empty() && in_note == 0) {
                        cell.push('\n');
                    }
                }
                _ => {}
            },
            Ok(Event::Empty(tag)) => match tag.local_name().as_ref() {
                "table-row" => row = row.saturating_add(repeats(&tag, "number-rows-repeated")),
                "table-cell" | "covered-table-cell" => {
                    column = column.saturating_add(repeats(&tag, "number-columns-repeated"))
                }
                "s" | "tab" | "line-break" if in_text > 0 && in_note == 0 => {
                    cell.iter_mut().for_each(|cell| cell.push(' '))
                }
                _ => {}
            },
            Ok(Event::Text(text)) if in_text > 0 && in_note == 0 => {
                if let Some(cell) = cell.as_mut() {
                    cell.push_str(&text);
                }
            }
            Ok(Event::GeneralRef(reference)) if in_text > 0 && in_note == 0 => {
                if let Some(cell) = cell.as_mut() {
                    cell.push_str(&resolved(&reference));
                }
            }
            Ok(Event::End(tag)) => match tag.local_name().as_ref() {
                "p" => in_text = in_text.saturating_sub(1),
                "annotation" => in_note = in_note.saturating_sub(1),
                "table-cell" | "covered-table-cell" => {
                    let text = cell.take().unwrap_or_default().trim().to_owned();
                    if let Some((_, rows)) = sheet.as_mut().filter(|_| !text.is_empty()) {
                        // A value that repeats thousands of times is a bomb or a background.
                        for at in 0..column_repeats.min(64) {
                            for down in 0..row_repeats.min(64) {
                                rows.put((row.saturating_add(down), column.saturating_add(at)), text.clone());
                            }
                        }
                    }
                    column = column.saturating_add(column_repeats);
                }
                "table-row" => row = row.saturating_add(row_repeats),
                "table" => {
                    if let Some((name, rows)) = sheet.take() {
                        left = rows.left;
                        push(part, &name, rows, false, limits);
                    }
                }
                _ => {}
            },
            Ok(_) => {}
        }
    }
}

fn attribute(tag: &quick_xml::events::BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    Some(found.value.into_owned())
}

fn repeats(tag: &quick_xml::events::BytesStart<'_>, name: &str) -> u32 {
    attribute(tag, name).and_then(|value| value.parse().ok()).unwrap_or(1)
}

/// The five named characters and numbered ones; nothing else is known.
fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return c.to_string();
    }
    match &**reference {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.1 + 0.2 in a price column must read 0.3, and article 000815 must keep its zeros.
    #[test]
    fn values_are_shown_as_a_sheet_shows_them() {
        let cases = [
            (DataRef::Float(0.1 + 0.2), "", "0.3"),
            (DataRef::Float(1234.5), "#,##0.00", "1234.5"),
            (DataRef::Float(10.0), "", "10"),
            (DataRef::Float(-0.0), "", "0"),
            (DataRef::Float(815.0), "000000", "000815"),
            (DataRef::Float(0.19), "0%", "19%"),
            (DataRef::Float(1e21), "", "1000000000000000000000"),
            (DataRef::Bool(true), "", "TRUE"),
            (
                DataRef::DateTime(ExcelDateTime::new(46357.0, calamine::ExcelDateTimeType::DateTime, false)),
                "",
                "2026-12-01",
            ),
            (
                DataRef::DateTime(ExcelDateTime::new(46357.5, calamine::ExcelDateTimeType::DateTime, false)),
                "",
                "2026-12-01 12:00:00",
            ),
        ];
        for (value, format, wanted) in cases {
            assert_eq!(shown(&value, format), wanted);
        }
    }

    fn compound(path: &str, stream: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.create_new_stream(path).unwrap().write_all(stream).unwrap();
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    /// A partner's old program sends `.xls`; what is protected or of another program says so.
    #[test]
    fn old_workbooks_are_sheets() {
        let record = |id: u16, data: &[u8]| [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat();
        let globals = |begin: u32| {
            let sheet = [&begin.to_le_bytes()[..], &[0, 0, 5, 0], b"Lines"].concat();
            // The second style shows dates.
            let styles = [record(0xe0, &[0; 4]), record(0xe0, &[0, 0, 14, 0])].concat();
            [record(0x809, &[0, 6, 5, 0]), styles, record(0x85, &sheet), record(0x0a, &[])].concat()
        };
        let mut stream = globals(globals(0).len() as u32);
        stream.extend(record(0x809, &[0, 6, 16, 0]));
        stream.extend(record(0x204, b"\0\0\0\0\0\0\x03\0\0Pos"));
        stream.extend(record(0x203, &[&[0, 0, 1, 0, 1, 0][..], &46_357f64.to_le_bytes()].concat()));
        stream.extend(record(0x0a, &[]));
        let part = part("a.xls", &compound("/Workbook", &stream), &Limits::default());
        assert_eq!(part.faults, []);
        assert_eq!(part.pages[0].name, "Lines");
        let cells: Vec<&str> = part.pages[0].tables[0].rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(cells, ["Pos", "2026-12-01"]);
        for (path, code) in [("/EncryptedPackage", "ENCRYPTED"), ("/WordDocument", "UNKNOWN_KIND"), ("/Book", "BROKEN")]
        {
            let part = super::part("a.xls", &compound(path, b"nothing"), &Limits::default());
            assert_eq!(part.faults[0].code, code, "{path}");
        }
    }

    /// A cell far out must not make room for all the cells before it.
    #[test]
    fn far_cells_are_not_filled_up_to() {
        let mut rows = Rows::new(Left { cells: 1_000, bytes: 1_000 });
        assert!(rows.put((1_048_575, 16_383), "x".into()) && rows.cut && rows.rows.is_empty());
        assert!(rows.put((0, 900), "x".into()));
        assert!(!rows.put((200, 0), "x".into()));
        assert!(!rows.put((1, 900), "x".into()));
        assert!(!rows.put((0, 1), "x".repeat(1_000)));
    }
}
