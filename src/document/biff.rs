//! Workbooks of Excel 5 to 2003: the stream `Workbook` (or `Book`) of an XLS file, record by record.
//!
//! Only what a sheet shows is read: names, cells, the values that formulas came to, and number formats. Every
//! length is checked against what is there, so that no file can ask for more memory than it has bytes.
//! Source: [MS-XLS].

use std::collections::BTreeMap;

use super::charset;

/// A workbook; `globals` of a stream.
pub(super) struct Book<'a> {
    stream: &'a [u8],
    pub sheets: Vec<Sheet>,
    strings: Vec<String>,
    /// By the number that cells call them: the code of their format, and whether it shows a point in time.
    formats: Vec<Format>,
    /// Days are counted from 1904 instead of 1900.
    pub from_1904: bool,
    characters: Characters,
}

/// A sheet of cells.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub name: String,
    pub hidden: bool,
    begin: usize,
}

/// How a cell shows its number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Format {
    pub code: String,
    pub shows: Shows,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Shows {
    #[default]
    Number,
    /// A date, a time of day, or both.
    Moment,
    /// Hours that count beyond a day.
    Span,
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Bool(bool),
    Error(&'static str),
}

/// A cell: its row and column, its value, its format.
pub(super) struct Cell<'a> {
    pub place: (u32, u32),
    pub value: Value<'a>,
    pub format: &'a Format,
}

#[derive(Debug, PartialEq)]
pub(super) enum Problem {
    Encrypted,
    /// Something is not where it should be.
    Broken(&'static str),
}

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Characters {
    /// Counted characters, one or two bytes each (Excel 97 and later).
    Unicode,
    /// Counted bytes of a code page.
    Bytes(u16),
}

const BOF: u16 = 0x0809;
const EOF: u16 = 0x000a;
const CONTINUE: u16 = 0x003c;
const STRING: u16 = 0x0207;

impl<'a> Book<'a> {
    /// Reads what holds for all sheets.
    pub(super) fn open(stream: &'a [u8]) -> Result<Book<'a>, Problem> {
        let mut records = Records { stream, at: 0 };
        let begin = records.next().filter(|record| record.id == BOF).ok_or(Problem::Broken("it does not begin"))?;
        let characters =
            if u16_at(begin.data, 0) == Some(0x0600) { Characters::Unicode } else { Characters::Bytes(1252) };
        let (sheets, strings, formats) = (Vec::new(), Vec::new(), Vec::new());
        let mut book = Book { stream, sheets, strings, formats, from_1904: false, characters };
        let mut codes: BTreeMap<u16, String> = BTreeMap::new();
        let mut heads = Vec::new();
        let mut styles = Vec::new();
        while let Some(record) = records.next() {
            let data = record.data;
            match record.id {
                EOF => break,
                0x002f => return Err(Problem::Encrypted),
                0x0022 => book.from_1904 = u16_at(data, 0) == Some(1),
                0x0042 => {
                    if let (Characters::Bytes(_), Some(page)) = (book.characters, u16_at(data, 0)) {
                        book.characters = Characters::Bytes(page);
                    }
                }
                0x0085 => heads.push(data),
                0x00e0 => styles.push(u16_at(data, 2).unwrap_or(0)),
                0x041e => {
                    if let Some(number) = u16_at(data, 0) {
                        let text = match book.characters {
                            Characters::Unicode => book.text(data, 2),
                            Characters::Bytes(_) => book.short_text(data, 2),
                        };
                        codes.insert(number, text);
                    }
                }
                0x00fc => book.strings = shared_strings(&mut Pieces::of(record, &mut records)),
                _ => {}
            }
        }
        book.sheets = heads.into_iter().filter_map(|data| book.sheet(data)).collect();
        book.formats = styles.into_iter().map(|number| format(number, codes.get(&number))).collect();
        Ok(book)
    }

    /// A sheet of cells; charts and macros are none.
    fn sheet(&self, data: &[u8]) -> Option<Sheet> {
        let begin = u32_at(data, 0)? as usize;
        let (hidden, is_cells) = (data.get(4)? & 3 != 0, *data.get(5)? == 0);
        is_cells.then(|| Sheet { name: self.short_text(data, 6), hidden, begin })
    }

    /// Gives the cells of a sheet in the order of the file until `take` wants no more.
    pub(super) fn cells(&self, sheet: &Sheet, take: &mut dyn FnMut(Cell<'_>) -> bool) -> Result<(), Problem> {
        let mut records = Records { stream: self.stream, at: sheet.begin };
        if records.next().is_none_or(|record| record.id != BOF) {
            return Err(Problem::Broken("it does not begin where it should"));
        }
        // Charts within a sheet are sheets within it.
        let mut depth = 1u32;
        let mut formula: Option<((u32, u32), &Format)> = None;
        for record in records {
            match record.id {
                BOF => depth += 1,
                EOF if depth == 1 => return Ok(()),
                EOF => depth -= 1,
                STRING if depth == 1 => {
                    if let Some((place, format)) = formula.take() {
                        let text = self.text(record.data, 0);
                        if !take(Cell { place, value: Value::Text(&text), format }) {
                            return Ok(());
                        }
                    }
                }
                _ if depth == 1 => match self.record(&record, take) {
                    Some(Taken::More) => {}
                    Some(Taken::Text(place, format)) => formula = Some((place, format)),
                    Some(Taken::Enough) => return Ok(()),
                    None => return Err(Problem::Broken("a cell is cut off")),
                },
                _ => {}
            }
        }
        Err(Problem::Broken("it ends before its end"))
    }

    /// The cells of one record; none when it is cut off.
    fn record<'b>(&'b self, record: &Record<'_>, take: &mut dyn FnMut(Cell<'_>) -> bool) -> Option<Taken<'b>> {
        let data = record.data;
        let mut one = |value: Value<'_>| {
            let place = (u32::from(u16_at(data, 0)?), u32::from(u16_at(data, 2)?));
            let enough = !take(Cell { place, value, format: self.format(u16_at(data, 4)?) });
            Some(if enough { Taken::Enough } else { Taken::More })
        };
        match record.id {
            0x0203 => one(Value::Number(f64_at(data, 6)?)),
            0x027e => one(Value::Number(packed(u32_at(data, 6)?))),
            0x00fd => one(Value::Text(self.strings.get(u32_at(data, 6)? as usize)?)),
            0x0204 | 0x00d6 => one(Value::Text(&self.text(data, 6))),
            0x0205 => one(bool_or_error(*data.get(6)?, *data.get(7)? != 0)),
            // Formulas: what they came to.
            0x0006 | 0x0206 | 0x0406 => match (data.get(12..14)?, *data.get(6)?) {
                ([0xff, 0xff], 0) => {
                    let place = (u32::from(u16_at(data, 0)?), u32::from(u16_at(data, 2)?));
                    Some(Taken::Text(place, self.format(u16_at(data, 4)?)))
                }
                ([0xff, 0xff], kind @ (1 | 2)) => one(bool_or_error(*data.get(8)?, kind == 2)),
                ([0xff, 0xff], _) => Some(Taken::More),
                _ => one(Value::Number(f64_at(data, 6)?)),
            },
            0x00bd => {
                let (row, first) = (u32::from(u16_at(data, 0)?), u32::from(u16_at(data, 2)?));
                let fields = data.get(4..data.len().checked_sub(2)?)?.chunks_exact(6);
                for (column, field) in (first..).zip(fields) {
                    let value = Value::Number(packed(u32_at(field, 2)?));
                    if !take(Cell { place: (row, column), value, format: self.format(u16_at(field, 0)?) }) {
                        return Some(Taken::Enough);
                    }
                }
                Some(Taken::More)
            }
            _ => Some(Taken::More),
        }
    }

    fn format(&self, style: u16) -> &Format {
        const GENERAL: &Format = &Format { code: String::new(), shows: Shows::Number };
        self.formats.get(usize::from(style)).unwrap_or(GENERAL)
    }

    /// A text with a count of two bytes.
    fn text(&self, data: &[u8], at: usize) -> String {
        let count = usize::from(u16_at(data, at).unwrap_or(0));
        self.counted(data, at + 2, count)
    }

    /// A text with a count of one byte.
    fn short_text(&self, data: &[u8], at: usize) -> String {
        self.counted(data, at + 1, usize::from(data.get(at).copied().unwrap_or(0)))
    }

    fn counted(&self, data: &[u8], at: usize, count: usize) -> String {
        let rest = data.get(at..).unwrap_or_default();
        match self.characters {
            Characters::Bytes(page) => {
                let label = match page {
                    10_000 | 32_768 => "macintosh".to_owned(),
                    32_769 => "windows-1252".to_owned(),
                    page => super::rtf::label(u32::from(page)),
                };
                charset::decode_bytes(rest.get(..count.min(rest.len())).unwrap_or_default(), Some(&label))
            }
            Characters::Unicode => {
                let mut text = String::new();
                if let Some((flags, rest)) = rest.split_first() {
                    characters(rest, flags & 1 != 0, count, &mut text);
                }
                text
            }
        }
    }
}

/// What a record gave.
enum Taken<'b> {
    More,
    Enough,
    /// A formula that came to a text, which follows.
    Text((u32, u32), &'b Format),
}

// --- records ---------------------------------------------------------------------------------

#[derive(Clone, Copy)]
struct Record<'a> {
    id: u16,
    data: &'a [u8],
}

/// The records from a place on.
struct Records<'a> {
    stream: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let head = self.stream.get(self.at..)?;
        let (id, length) = (u16_at(head, 0)?, usize::from(u16_at(head, 2)?));
        let data = head.get(4..4 + length)?;
        self.at += 4 + length;
        Some(Record { id, data })
    }
}

/// A record and those that continue it.
struct Pieces<'a> {
    pieces: Vec<&'a [u8]>,
    piece: usize,
    at: usize,
}

impl<'a> Pieces<'a> {
    fn of(first: Record<'a>, records: &mut Records<'a>) -> Pieces<'a> {
        let mut pieces = vec![first.data];
        loop {
            let before = records.at;
            match records.next() {
                Some(record) if record.id == CONTINUE => pieces.push(record.data),
                _ => {
                    records.at = before;
                    return Pieces { pieces, piece: 0, at: 0 };
                }
            }
        }
    }

    /// What is left of the piece that reading stands in.
    fn rest(&self) -> &'a [u8] {
        self.pieces.get(self.piece).and_then(|piece| piece.get(self.at..)).unwrap_or_default()
    }

    /// Goes on with the next piece when this one is used up; false at the end.
    fn settle(&mut self) -> bool {
        while self.rest().is_empty() {
            if self.piece + 1 >= self.pieces.len() {
                return false;
            }
            (self.piece, self.at) = (self.piece + 1, 0);
        }
        true
    }

    fn byte(&mut self) -> Option<u8> {
        self.settle();
        let byte = *self.rest().first()?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self, bytes: u32) -> Option<u32> {
        (0..bytes).try_fold(0u32, |number, byte| Some(number | u32::from(self.byte()?) << (8 * byte)))
    }

    fn skip(&mut self, mut bytes: usize) {
        while bytes > 0 && self.settle() {
            let step = bytes.min(self.rest().len());
            self.at += step;
            bytes -= step;
        }
    }

    /// A text with its marks (where it changes its look, how it is pronounced) passed over.
    fn text(&mut self) -> Option<String> {
        let mut left = self.number(2)? as usize;
        let flags = self.byte()?;
        let runs = if flags & 8 != 0 { self.number(2)? as usize } else { 0 };
        let more = if flags & 4 != 0 { self.number(4)? as usize } else { 0 };
        let mut wide = flags & 1 != 0;
        let mut text = String::new();
        while left > 0 {
            if self.rest().is_empty() {
                // A continued text says anew how its characters are written.
                if !self.settle() {
                    return None;
                }
                wide = self.byte()? & 1 != 0;
            }
            let taken = characters(self.rest(), wide, left, &mut text);
            if taken == 0 {
                return None;
            }
            self.at += if wide { 2 * taken } else { taken };
            left -= taken;
        }
        self.skip(runs * 4 + more);
        Some(text)
    }
}

fn shared_strings(pieces: &mut Pieces<'_>) -> Vec<String> {
    pieces.skip(4);
    let count = pieces.number(4).unwrap_or(0);
    (0..count).map_while(|_| pieces.text()).collect()
}

/// Adds up to `count` characters that stand at the begin of bytes; how many there were.
fn characters(bytes: &[u8], wide: bool, count: usize, text: &mut String) -> usize {
    if wide {
        let pairs = bytes.chunks_exact(2).take(count).filter_map(|pair| Some(u16::from_le_bytes(*pair.first_chunk()?)));
        let units: Vec<u16> = pairs.collect();
        text.extend(char::decode_utf16(units.iter().copied()).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        units.len()
    } else {
        let count = count.min(bytes.len());
        text.extend(bytes.iter().take(count).map(|byte| char::from(*byte)));
        count
    }
}

// --- values ----------------------------------------------------------------------------------

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn f64_at(bytes: &[u8], at: usize) -> Option<f64> {
    Some(f64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number in four bytes: the upper half of one in eight, or a whole one; perhaps a hundred times too large.
fn packed(bits: u32) -> f64 {
    let value =
        if bits & 2 != 0 { f64::from(bits.cast_signed() >> 2) } else { f64::from_bits(u64::from(bits & !3) << 32) };
    if bits & 1 != 0 { value / 100.0 } else { value }
}

fn bool_or_error(code: u8, is_error: bool) -> Value<'static> {
    if !is_error {
        return Value::Bool(code != 0);
    }
    Value::Error(match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0f => "#VALUE!",
        0x17 => "#REF!",
        0x1d => "#NAME?",
        0x24 => "#NUM!",
        _ => "#N/A",
    })
}

/// A format by its number: its own code, else what the number means in every workbook.
fn format(number: u16, code: Option<&String>) -> Format {
    match (code, number) {
        (Some(code), _) => Format { code: code.clone(), shows: shows(code) },
        (None, 9 | 10) => Format { code: "0%".into(), shows: Shows::Number },
        (None, 46) => Format { code: String::new(), shows: Shows::Span },
        (None, 14..=22 | 27..=36 | 45..=47 | 50..=58) => Format { code: String::new(), shows: Shows::Moment },
        _ => Format::default(),
    }
}

/// What a format's code shows: its first section, without texts, colours and escaped characters.
fn shows(code: &str) -> Shows {
    let mut characters = code.chars();
    while let Some(c) = characters.next() {
        match c.to_ascii_lowercase() {
            ';' => break,
            '"' => while characters.next().is_some_and(|c| c != '"') {},
            '\\' | '_' | '*' => {
                characters.next();
            }
            '[' => {
                let inner: String = characters.by_ref().take_while(|c| *c != ']').collect();
                let unit = inner.to_ascii_lowercase();
                if !unit.is_empty() && ["h", "m", "s"].iter().any(|c| unit.trim_matches(|x| c.contains(x)).is_empty()) {
                    return Shows::Span;
                }
            }
            'd' | 'm' | 'y' | 'h' | 's' => return Shows::Moment,
            _ => {}
        }
    }
    Shows::Number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u16, data: &[u8]) -> Vec<u8> {
        [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }

    fn cell(id: u16, row: u16, column: u16, style: u16, rest: &[u8]) -> Vec<u8> {
        record(id, &[&row.to_le_bytes()[..], &column.to_le_bytes(), &style.to_le_bytes(), rest].concat())
    }

    /// A workbook of one sheet and the texts `Pos` and `Gr\u{f6}\u{df}e \u{20ac}`, the second in two pieces.
    fn workbook(cells: &[Vec<u8>], more: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = record(BOF, &[0, 6, 5, 0]);
        stream.extend(more.concat());
        for format in [0u16, 14, 164, 165, 10] {
            stream.extend(record(0xe0, &[&[0, 0], &format.to_le_bytes()[..]].concat()));
        }
        stream.extend(record(0x41e, &[&164u16.to_le_bytes()[..], &[6, 0, 0], b"000000"].concat()));
        stream.extend(record(0x41e, &[&165u16.to_le_bytes()[..], &[12, 0, 0], b"[$-407]dd/mm"].concat()));
        let strings = [&[2, 0, 0, 0, 2, 0, 0, 0][..], &[3, 0, 0], b"Pos", &[7, 0, 8, 1, 0], b"Gr\xf6"].concat();
        stream.extend(record(0xfc, &strings));
        stream.extend(record(CONTINUE, b"\x01\xdf\0e\0 \0\xac\x20\0\0\0\0"));
        let at = stream.len() + 4 + 8 + 5 + 4;
        let name = [&(at as u32).to_le_bytes()[..], &[0, 0, 5, 0], b"Lines"].concat();
        stream.extend(record(0x85, &name));
        stream.extend(record(EOF, &[]));
        assert_eq!(stream.len(), at);
        stream.extend(record(BOF, &[0, 6, 16, 0]));
        stream.extend(cells.concat());
        stream.extend(record(EOF, &[]));
        stream
    }

    fn shown(stream: &[u8]) -> Vec<String> {
        let book = Book::open(stream).unwrap();
        let mut out = Vec::new();
        book.cells(&book.sheets[0], &mut |cell| {
            let (row, column) = cell.place;
            out.push(format!("{row},{column} {:?} {}{:?}", cell.value, cell.format.code, cell.format.shows));
            true
        })
        .unwrap();
        out
    }

    /// A partner's old program sends XLS: every way to write a cell must show what its sheet shows.
    #[test]
    fn cells_of_every_kind_are_read() {
        let text = [&[0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &[0; 8]].concat();
        let stream = workbook(
            &[
                cell(0xfd, 0, 0, 0, &0u32.to_le_bytes()),
                cell(0xfd, 0, 1, 0, &1u32.to_le_bytes()),
                cell(0x203, 1, 0, 2, &815f64.to_le_bytes()),
                cell(0x27e, 1, 1, 0, &((1250 << 2 | 3) as u32).to_le_bytes()),
                record(0xbd, &[2, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1, 0, 46, 0, 0, 0, 1, 0]),
                cell(6, 3, 0, 3, &46_357f64.to_le_bytes()),
                cell(6, 3, 1, 0, &text),
                record(STRING, &[2, 0, 0, b'o', b'k']),
                cell(0x205, 4, 0, 0, &[0x2a, 1]),
                cell(0x204, 4, 1, 4, &[1, 0, 0, b'x']),
            ],
            &[],
        );
        let wanted = [
            "0,0 Text(\"Pos\") Number",
            "0,1 Text(\"Gr\u{f6}\u{df}e \u{20ac}\") Number",
            "1,0 Number(815.0) 000000Number",
            "1,1 Number(12.5) Number",
            "2,0 Number(10.0) Number",
            "2,1 Number(11.0) Moment",
            "3,0 Number(46357.0) [$-407]dd/mmMoment",
            "3,1 Text(\"ok\") Number",
            "4,0 Error(\"#N/A\") Number",
            "4,1 Text(\"x\") 0%Number",
        ];
        assert_eq!(shown(&stream), wanted);
    }

    /// A truncated or protected workbook is a fault, not a crash.
    #[test]
    fn what_is_cut_off_does_no_harm() {
        let stream = workbook(&[cell(0xfd, 0, 0, 0, &9u32.to_le_bytes())], &[]);
        let book = Book::open(&stream).unwrap();
        assert_eq!(book.cells(&book.sheets[0], &mut |_| true), Err(Problem::Broken("a cell is cut off")));
        for end in 0..stream.len() {
            if let Ok(book) = Book::open(&stream[..end]) {
                for sheet in &book.sheets {
                    assert!(book.cells(sheet, &mut |_| true).is_err());
                }
            }
        }
        assert_eq!(Book::open(&workbook(&[], &[record(0x2f, &[0; 6])])).err(), Some(Problem::Encrypted));
        assert_eq!(Book::open(b"").err(), Some(Problem::Broken("it does not begin")));
    }

    /// A delivery date must not read 46357, nor a quantity become a date.
    #[test]
    fn formats_say_what_they_show() {
        for (code, wanted) in [
            ("General", Shows::Number),
            ("#,##0.00 \"days\"", Shows::Number),
            ("0.00;[Red]-0.00", Shows::Number),
            ("_-* #,##0.00\\ \"\u{20ac}\"_-", Shows::Number),
            ("[$-407]d. mmmm yyyy", Shows::Moment),
            ("hh:mm", Shows::Moment),
            ("[hh]:mm", Shows::Span),
            ("\\dyy", Shows::Moment),
        ] {
            assert_eq!(shows(code), wanted, "{code}");
        }
    }
}
