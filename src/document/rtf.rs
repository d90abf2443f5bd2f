//! Rich text: the HTML or text that Outlook wrapped into it, or its own text.
//!
//! [MS-OXRTFCP] for the compression, [MS-OXRTFEX] for HTML within, RTF 1.9.1 for the rest.

use encoding_rs::Encoding;

/// Groups nested deeper are skipped.
const DEPTH_MAX: usize = 200;
/// What a compressed body may become.
const SIZE_MAX: usize = 32 << 20;

/// What rich text holds.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Html(String),
    Text(String),
}

/// Undoes the compression of a mail's body; none when it is neither compressed nor stored.
pub(super) fn decompressed(bytes: &[u8]) -> Option<Vec<u8>> {
    /// The dictionary begins with this text ([MS-OXRTFCP] 2.1.2.1).
    const BEGIN: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
    let (header, body) = bytes.split_at_checked(16)?;
    match header.get(8..12)? {
        b"MELA" => return Some(body.to_vec()),
        b"LZFu" => {}
        _ => return None,
    }
    fn put(byte: u8, dictionary: &mut [u8], write: &mut usize, out: &mut Vec<u8>) {
        out.push(byte);
        if let Some(slot) = dictionary.get_mut(*write) {
            *slot = byte;
        }
        *write = (*write + 1) % dictionary.len();
    }
    let mut dictionary = vec![b' '; 4096];
    dictionary.get_mut(..BEGIN.len())?.copy_from_slice(BEGIN);
    let mut write = BEGIN.len();
    let mut out = Vec::new();
    let mut rest = body.iter().copied();
    while let Some(control) = rest.next() {
        for bit in 0..8 {
            let Some(first) = rest.next() else { return Some(out) };
            if control >> bit & 1 == 0 {
                put(first, &mut dictionary, &mut write, &mut out);
                continue;
            }
            let Some(second) = rest.next() else { return Some(out) };
            let pair = usize::from(first) << 8 | usize::from(second);
            let (offset, length) = (pair >> 4, (pair & 15) + 2);
            if offset == write {
                return Some(out);
            }
            for step in 0..length {
                let byte = dictionary.get((offset + step) % 4096).copied().unwrap_or(b' ');
                put(byte, &mut dictionary, &mut write, &mut out);
            }
            if out.len() > SIZE_MAX {
                return Some(out);
            }
        }
    }
    Some(out)
}

/// The label of a Windows code page.
pub(super) fn label(code_page: u32) -> String {
    match code_page {
        65001 => "utf-8".into(),
        20127 => "us-ascii".into(),
        932 => "shift_jis".into(),
        936 => "gbk".into(),
        949 => "euc-kr".into(),
        950 => "big5".into(),
        10000 => "macintosh".into(),
        28591..=28606 => format!("iso-8859-{}", code_page - 28590),
        page => format!("windows-{page}"),
    }
}

/// What a group hands down to the groups in it.
#[derive(Clone, Copy)]
struct State {
    /// Nothing in here is text for readers.
    skip: bool,
    /// In `\*\htmltag`: HTML as it was.
    tag: bool,
    /// Between `\htmlrtf` and `\htmlrtf0`: text that stands in for the HTML.
    stand_in: bool,
    /// How many characters stand behind `\u` for readers that know none.
    fallback: usize,
    hidden: bool,
}

struct Reader {
    out: String,
    bytes: Vec<u8>,
    encoding: &'static Encoding,
    html: bool,
    /// Characters that only repeat the last `\u`.
    to_skip: usize,
    /// Cells of the row being written.
    in_row: bool,
}

/// Reads rich text; never fails: what is no rich text is text.
pub(super) fn read(source: &[u8]) -> Content {
    let head = source.get(..source.len().min(2_000)).unwrap_or_default();
    let html = head.windows(9).any(|window| window == b"\\fromhtml");
    let mut reader = Reader {
        out: String::new(),
        bytes: Vec::new(),
        encoding: encoding_rs::WINDOWS_1252,
        html,
        to_skip: 0,
        in_row: false,
    };
    let mut state = State { skip: false, tag: false, stand_in: false, fallback: 1, hidden: false };
    let mut stack: Vec<State> = Vec::new();
    let mut at = 0;
    // The first control word of a group may make it one to skip.
    let mut starred = false;
    while let Some(byte) = source.get(at).copied() {
        at += 1;
        match byte {
            b'{' => {
                stack.push(state);
                if stack.len() > DEPTH_MAX {
                    state.skip = true;
                }
                starred = false;
            }
            b'}' => {
                reader.flush();
                match stack.pop() {
                    Some(outer) => state = outer,
                    None => break,
                }
            }
            b'\r' | b'\n' => {}
            b'\\' => {
                let (word, number, end) = control(source, at);
                match word {
                    b"'" => {
                        let digits = source.get(at + 1..at + 3).unwrap_or_default();
                        let digits = std::str::from_utf8(digits).unwrap_or_default();
                        if let Ok(byte) = u8::from_str_radix(digits, 16) {
                            reader.byte(byte, &state);
                        }
                        at += 3;
                        continue;
                    }
                    b"*" => starred = true,
                    b"bin" => {
                        at = end.saturating_add(number.unwrap_or(0).max(0) as usize);
                        continue;
                    }
                    word => {
                        reader.word(word, number, &mut state, starred);
                        starred = false;
                    }
                }
                at = end;
            }
            byte => reader.byte(byte, &state),
        }
    }
    reader.flush();
    if reader.html { Content::Html(reader.out) } else { Content::Text(reader.out) }
}

/// A control word or sign behind a backslash: its name, its number, and where it ends.
fn control(source: &[u8], at: usize) -> (&[u8], Option<i64>, usize) {
    let letters =
        source.get(at..).unwrap_or_default().iter().take(32).take_while(|byte| byte.is_ascii_alphabetic()).count();
    if letters == 0 {
        return (source.get(at..at + 1).unwrap_or_default(), None, at + 1);
    }
    let word = source.get(at..at + letters).unwrap_or_default();
    let mut end = at + letters;
    let sign = usize::from(source.get(end) == Some(&b'-'));
    let digits =
        source.get(end + sign..).unwrap_or_default().iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let mut number = None;
    if digits > 0 {
        let text = source.get(end..end + sign + digits).unwrap_or_default();
        number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        end += sign + digits;
    }
    end += usize::from(source.get(end) == Some(&b' '));
    (word, number, end)
}

impl Reader {
    fn shows(&self, state: &State) -> bool {
        let stands_in = self.html && state.stand_in && !state.tag;
        !state.skip && !state.hidden && !stands_in
    }

    fn byte(&mut self, byte: u8, state: &State) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if self.shows(state) && self.out.len() < SIZE_MAX {
            self.bytes.push(byte);
        }
    }

    /// Decodes the bytes that wait: double-byte characters must be together.
    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            let text = self.encoding.decode_without_bom_handling(&self.bytes).0.into_owned();
            self.out.push_str(&text);
            self.bytes.clear();
        }
    }

    fn put(&mut self, text: &str, state: &State) {
        self.flush();
        if self.shows(state) {
            self.out.push_str(text);
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i64>, state: &mut State, starred: bool) {
        match word {
            b"htmltag" | b"mhtmltag" => {
                self.flush();
                state.tag = word == b"htmltag";
                state.skip |= word == b"mhtmltag";
            }
            b"htmlrtf" => {
                self.flush();
                state.stand_in = number != Some(0);
            }
            b"fonttbl" | b"colortbl" | b"stylesheet" | b"info" | b"pict" | b"object" | b"header" | b"footer"
            | b"headerl" | b"headerr" | b"footerl" | b"footerr" | b"xmlnstbl" | b"listtable" | b"listoverridetable"
            | b"themedata" | b"fldinst" | b"bkmkstart" | b"nonshppict" | b"datastore" => state.skip = true,
            b"ansicpg" => {
                let found = number.and_then(|page| Encoding::for_label(label(page.max(0) as u32).as_bytes()));
                self.encoding = found.unwrap_or(self.encoding);
            }
            b"uc" => state.fallback = number.unwrap_or(1).clamp(0, 16) as usize,
            b"u" => {
                let code = number.unwrap_or(0);
                let code = if code < 0 { code + 0x1_0000 } else { code };
                self.unicode(code as u32, state);
                self.to_skip = state.fallback;
            }
            b"v" => state.hidden = number != Some(0),
            b"par" | b"line" | b"sect" | b"page" => self.put(if self.html { "\r\n" } else { "\n" }, state),
            b"row" => {
                self.in_row = false;
                self.put("|\n", state);
            }
            b"cell" => self.put(" | ", state),
            b"trowd" if !self.html && !self.in_row => {
                self.in_row = true;
                self.put("| ", state);
            }
            b"tab" => self.put("\t", state),
            b"~" => self.put(if self.html { "&nbsp;" } else { "\u{a0}" }, state),
            b"_" => self.put("-", state),
            b"\\" | b"{" | b"}" => {
                let sign = word.first().copied().unwrap_or(b' ');
                self.byte(sign, state);
            }
            b"lquote" => self.put("\u{2018}", state),
            b"rquote" => self.put("\u{2019}", state),
            b"ldblquote" => self.put("\u{201c}", state),
            b"rdblquote" => self.put("\u{201d}", state),
            b"bullet" => self.put("\u{2022}", state),
            b"endash" => self.put("\u{2013}", state),
            b"emdash" => self.put("\u{2014}", state),
            // An unknown word behind `\*` makes its group one to skip.
            _ if starred => state.skip = true,
            _ => {}
        }
    }

    /// Characters beyond the first plane come as two halves.
    fn unicode(&mut self, code: u32, state: &State) {
        self.flush();
        if !self.shows(state) {
            return;
        }
        match char::from_u32(code) {
            Some(c) => self.out.push(c),
            None => {
                // A high half waits as a private mark; the low half completes it.
                const MARK: u32 = 0x10_0000;
                if (0xd800..0xdc00).contains(&code) {
                    self.out.extend(char::from_u32(MARK + code - 0xd800));
                } else if let Some(last) = self.out.chars().next_back()
                    && (MARK..MARK + 0x400).contains(&u32::from(last))
                {
                    self.out.pop();
                    let whole = 0x1_0000 + ((u32::from(last) - MARK) << 10) + code.wrapping_sub(0xdc00) % 0x400;
                    self.out.extend(char::from_u32(whole));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order table of a mail that Outlook sent as rich text must come out as its HTML.
    #[test]
    fn html_comes_out_of_its_wrapping() {
        let source = br"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 Arial;}}
{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Best\'e4tigung \u8364?{\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 4711\htmlrtf }\htmlrtf0 {\*\htmltag92 </b>}{\*\htmltag72 </p>}\htmlrtf\par}\htmlrtf0}";
        assert_eq!(read(source), Content::Html("<p>Bestätigung €<b>4711</b></p>".into()));
    }

    /// A letter written in a word processor is text, its rows parted by bars.
    #[test]
    fn plain_rich_text_is_text() {
        let source = br"{\rtf1\ansi{\*\generator X;}{\info{\title no}}\pard Pos\tab Menge\par \trowd 10\cell 5\cell\row{\v secret}\u-10179?\u-8704? end\par}";
        assert_eq!(read(source), Content::Text("Pos\tMenge\n| 10 | 5 | |\n\u{1f600} end\n".into()));
    }

    /// Bodies come compressed; the example of the standard must come out.
    #[test]
    fn decompresses_the_example_of_the_standard() {
        let compressed = [
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0, 0x0a, 0, 0x72, 0x63,
            0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0, 0x20, 0x62, 0x77,
            0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let source = decompressed(&compressed).unwrap();
        assert_eq!(source, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(read(&source), Content::Text("hello world".into()));
        for end in 0..compressed.len() {
            let _ = decompressed(&compressed[..end]);
        }
    }
}
