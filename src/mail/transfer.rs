//! Bytes to text: transfer encodings, charsets, flowed text.
//!
//! Every function is total and linear: broken input gives what can be read, and the flag that
//! something was broken. It must never know which header or part the bytes came from.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// A content transfer encoding (RFC 2045 section 6, and the uuencode of old).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    Plain,
    Base64,
    QuotedPrintable,
    Uuencode,
}

impl Transfer {
    /// Reads the value of `Content-Transfer-Encoding`; what is unknown is taken as plain.
    pub fn named(value: &str) -> Transfer {
        let word = value.split([';', '(', ' ', '\t']).find(|word| !word.is_empty()).unwrap_or("");
        match word.trim_matches(['"', '\'', '.']).to_ascii_lowercase().as_str() {
            "base64" | "b" => Transfer::Base64,
            "quoted-printable" | "q" => Transfer::QuotedPrintable,
            "x-uuencode" | "x-uue" | "uuencode" | "uue" => Transfer::Uuencode,
            _ => Transfer::Plain,
        }
    }

    /// The bytes that were meant. Broken stretches are skipped (base64) or kept (quoted-printable).
    pub fn decode<'a>(self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        match self {
            Transfer::Plain => Cow::Borrowed(raw),
            Transfer::Base64 => Cow::Owned(base64(raw)),
            Transfer::QuotedPrintable => Cow::Owned(quoted_printable(raw)),
            Transfer::Uuencode => Cow::Owned(uuencode(raw)),
        }
    }
}

/// Lenient base64: foreign characters are skipped, padding in the middle starts a new run.
pub fn base64(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u8);
    for &byte in raw {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                flush(&mut out, &mut bits, &mut count);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        count += 1;
        if count == 4 {
            let [_, a, b, c] = bits.to_be_bytes();
            out.extend_from_slice(&[a, b, c]);
            (bits, count) = (0, 0);
        }
    }
    flush(&mut out, &mut bits, &mut count);
    out
}

fn flush(out: &mut Vec<u8>, bits: &mut u32, count: &mut u8) {
    match *count {
        2 => out.push((*bits >> 4) as u8),
        3 => out.extend_from_slice(&[(*bits >> 10) as u8, (*bits >> 2) as u8]),
        _ => {}
    }
    (*bits, *count) = (0, 0);
}

/// Lenient quoted-printable (RFC 2045 section 6.7): what is no escape stays as it is.
pub fn quoted_printable(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        let (body, ending) = split_ending(line);
        let body = trim_end(body);
        let mut rest = body;
        let mut soft = false;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            if byte != b'=' {
                out.push(byte);
                continue;
            }
            match tail {
                [] => soft = true,
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    out.push(hex_value(*high) * 16 + hex_value(*low));
                    rest = after;
                }
                _ => out.push(b'='),
            }
        }
        if !soft {
            out.extend_from_slice(ending);
        }
    }
    out
}

/// The Q encoding of header words (RFC 2047 section 4.2).
pub fn q_word(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'_', _) => out.push(b' '),
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_value(*high) * 16 + hex_value(*low));
                rest = after;
            }
            _ => out.push(byte),
        }
    }
    out
}

/// The bytes of a text in a charset, for raw characters within encoded words; UTF-8 when it cannot hold them.
pub fn encode<'a>(text: &'a str, charset: &str) -> Cow<'a, [u8]> {
    match Encoding::for_label(alias(charset).as_bytes()) {
        Some(encoding) if !text.is_ascii() => encoding.encode(text).0,
        _ => Cow::Borrowed(text.as_bytes()),
    }
}

/// Percent-encoded bytes (RFC 2231, RFC 3986).
pub fn percent(raw: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex_value(*high) * 16 + hex_value(*low));
                rest = after;
            }
            _ => out.push(byte),
        }
    }
    out
}

fn uuencode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3);
    let mut inside = false;
    for line in raw.split(|&byte| byte == b'\n') {
        let line = trim_end(line);
        if !inside {
            inside = line.starts_with(b"begin ");
            continue;
        }
        let Some((&first, data)) = line.split_first() else { continue };
        if line == b"end" {
            break;
        }
        let length = usize::from(first.wrapping_sub(b' ') & 63);
        let mut bytes = Vec::with_capacity(length + 3);
        for group in data.chunks(4) {
            let mut bits = 0u32;
            for at in 0..4 {
                let value = group.get(at).map_or(0, |byte| byte.wrapping_sub(b' ') & 63);
                bits = (bits << 6) | u32::from(value);
            }
            let [_, a, b, c] = bits.to_be_bytes();
            bytes.extend_from_slice(&[a, b, c]);
        }
        bytes.truncate(length);
        out.extend_from_slice(&bytes);
    }
    out
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

fn split_ending(line: &[u8]) -> (&[u8], &[u8]) {
    let body = line.strip_suffix(b"\n").map(|body| body.strip_suffix(b"\r").unwrap_or(body));
    let length = body.map_or(line.len(), <[u8]>::len);
    line.split_at(length)
}

fn trim_end(line: &[u8]) -> &[u8] {
    let blank = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    line.split_at(line.len() - blank).0
}

/// Bytes in a declared charset as text. `false` when the charset is unknown or the bytes do not fit it
/// and another reading was taken: valid UTF-8 first, then the likeliest legacy charset.
pub fn decode(bytes: &[u8], charset: Option<&str>) -> (String, bool) {
    let label = charset.map(|label| label.trim().trim_matches(['"', '\'']).to_ascii_lowercase()).unwrap_or_default();
    let label = label.split('*').next().unwrap_or_default();
    if bytes.is_ascii() && !is_shifting(label, bytes) {
        return (String::from_utf8_lossy(bytes).into_owned(), true);
    }
    if matches!(
        label,
        "" | "us-ascii" | "ascii" | "unknown-8bit" | "x-unknown" | "unknown" | "default" | "8bit" | "_charset_"
    ) {
        return (guess(bytes), false);
    }
    if Encoding::for_label(alias(label).as_bytes()).is_none_or(|known| known == encoding_rs::REPLACEMENT)
        && let Some(decoder) = legacy(label)
    {
        return (decoder(bytes), true);
    }
    let Some(encoding) = Encoding::for_label(alias(label).as_bytes()) else { return (guess(bytes), false) };
    let (text, broken) = encoding.decode_without_bom_handling(strip_bom(bytes, encoding));
    if broken && encoding == UTF_8 {
        return (repair(bytes), false);
    }
    if broken && let Ok(text) = std::str::from_utf8(bytes) {
        return (text.to_string(), false);
    }
    (text.into_owned(), !broken)
}

fn strip_bom<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> &'a [u8] {
    match Encoding::for_bom(bytes) {
        Some((found, length)) if found == encoding => bytes.get(length..).unwrap_or(bytes),
        _ => bytes,
    }
}

/// Charsets that encoding_rs leaves out since the web has none of them; mail still does.
fn legacy(label: &str) -> Option<fn(&[u8]) -> String> {
    mail_parser::decoders::charsets::map::charset_decoder(label.as_bytes())
}

fn is_shifting(label: &str, bytes: &[u8]) -> bool {
    label.starts_with("iso-2022")
        || label.contains("utf-7")
        || label == "hz-gb-2312"
        || label.starts_with("utf-16")
        || bytes.contains(&0x1b)
}

fn alias(label: &str) -> &str {
    match label {
        "utf" | "utf8mb4" | "utf_8" | "x-utf-8" => "utf-8",
        "cp932" | "x-sjis-jp" | "sjis-win" | "ms932" => "shift_jis",
        "cp936" | "x-gb2312" => "gbk",
        "cp949" | "ks_c_5601" | "ks_c_5601-1989" | "x-euc-kr" => "euc-kr",
        "cp950" => "big5",
        "iso-8859-8-e" => "iso-8859-8",
        "latin-1" | "iso8859_1" | "iso-latin-1" | "iso-8859-1-windows-3.1-latin-1" | "8859-1" => "windows-1252",
        "ansi" | "cp-1252" | "win-1252" | "windows1252" => "windows-1252",
        "cp-1251" | "win-1251" | "windows1251" => "windows-1251",
        "cp-1250" | "win-1250" | "windows1250" => "windows-1250",
        "iso-2022-jp-ms" | "cp50220" | "cp50221" | "iso-2022-jp-2" | "iso-2022-jp-1" => "iso-2022-jp",
        "utf-16" => "utf-16le",
        other => other,
    }
}

/// Text of bytes whose charset nobody named: valid UTF-8, else the likeliest legacy charset.
pub fn guess(bytes: &[u8]) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(bytes.get(length..).unwrap_or(bytes)).0.into_owned();
    }
    if !bytes.contains(&0x1b)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_string();
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    let encoding = detector.guess(None, chardetng::Utf8Detection::Allow);
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    match broken && encoding != WINDOWS_1252 {
        true => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
        false => text.into_owned(),
    }
}

/// Text that calls itself UTF-8 and is not: a cut-off character is dropped; text with many foreign bytes
/// and no UTF-8 sequence at all is in another charset.
fn repair(bytes: &[u8]) -> String {
    let lossy = String::from_utf8_lossy(bytes);
    let good = lossy.chars().filter(|c| !c.is_ascii() && *c != '\u{fffd}').count();
    if good > 0 { lossy.into_owned() } else { guess(bytes) }
}

/// `format=flowed` (RFC 3676): soft line breaks joined, stuffing removed. Quoted lines stay as they came.
pub fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open = false;
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let quoted = line.starts_with('>');
        let line = if quoted { line } else { line.strip_prefix(' ').unwrap_or(line) };
        if open && (quoted || line == "-- ") {
            out.push('\n');
        }
        open = !quoted && line.ends_with(' ') && line != "-- ";
        match open && delete_space {
            true => out.push_str(line.strip_suffix(' ').unwrap_or(line)),
            false => out.push_str(line),
        }
        if !open {
            out.push('\n');
        }
    }
    if !open {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value in a mail with sloppy encoding would be lost, or read as another.
    #[test]
    fn broken_encodings_give_what_was_meant() {
        assert_eq!(base64(b"SGVs\r\nbG8="), b"Hello");
        assert_eq!(base64(b"SGVsbG8sIHdvcmxk*IQ=="), b"Hello, world!");
        assert_eq!(base64(b"SGk=SGk="), b"HiHi");
        assert_eq!(quoted_printable(b"a=3D=\r\nb=E4 \r\nc=ZZ=\n"), b"a=b\xe4\r\nc=ZZ");
        assert_eq!(q_word(b"a_b=20c=4"), b"a b c=4");
        assert_eq!(uuencode(b"begin 644 x\n#0V%T\n`\nend\n"), b"Cat");
        assert_eq!(Transfer::named(" Quoted-Printable; x"), Transfer::QuotedPrintable);
        assert_eq!(Transfer::named("\"base64\""), Transfer::Base64);
    }

    /// A partner's umlauts, or whole Japanese orders, would turn into question marks.
    #[test]
    fn charsets_declared_missing_and_wrong() {
        for (bytes, charset, want, fits) in [
            (&b"Stra\xdfe"[..], Some("iso-8859-1"), "Straße", true),
            (b"5 \x80", Some("ISO-8859-1"), "5 €", true),
            (b"Stra\xc3\x9fe", Some("us-ascii"), "Straße", false),
            (b"Stra\xc3\x9fe", None, "Straße", false),
            (b"Stra\xdfe nach M\xfcnchen, gr\xfc\xdfe", Some("utf-8"), "Straße nach München, grüße", false),
            (b"\x1b$B%F%9%H\x1b(B", Some("ISO-2022-JP"), "テスト", true),
            (b"\x83e\x83X\x83g", Some("CP932"), "テスト", true),
            (b"Hi Mom +Jjo-!", Some("utf-7"), "Hi Mom ☺!", true),
            (b"\xef\xbb\xbfok \xc3\xa4", Some("utf-8"), "ok ä", true),
            (b"plain", Some("no-such-charset"), "plain", true),
        ] {
            let (text, ok) = decode(bytes, charset);
            assert_eq!((text.as_str(), ok), (want, fits), "{charset:?}");
        }
    }

    /// A decision or an address broken over two lines by the mail client would be read as two.
    #[test]
    fn flowed_lines_are_joined() {
        assert_eq!(unflow("one \ntwo\n> quoted \n> on\n-- \nme", false), "one two\n> quoted \n> on\n-- \nme");
        assert_eq!(unflow("one \r\ntwo", true), "onetwo");
        assert_eq!(unflow(" >not quoted \n> quoted", false), ">not quoted \n> quoted");
        assert_eq!(unflow("end \n", false), "end ");
        assert_eq!(unflow("a\nb\n", false), "a\nb\n");
    }
}
