//! Bytes to characters: what the byte order mark says, else what was declared, else what it looks like.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How many bytes the guess looks at; more does not make it better.
const GUESS_MAX: usize = 64 << 10;

/// Decodes text of any charset; never fails: what cannot be decoded becomes U+FFFD.
///
/// A byte order mark beats the declaration, and so does text that is valid UTF-8 with characters
/// beyond ASCII although something else was declared: no other encoding makes such bytes by chance.
pub fn decode_bytes(bytes: &[u8], declared: Option<&str>) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(mark..).unwrap_or_default();
        return encoding.decode_without_bom_handling(rest).0.into_owned();
    }
    let declared = declared.and_then(|label| Encoding::for_label(label.trim().trim_matches('"').as_bytes()));
    if let Some(encoding) = declared
        && (encoding == UTF_16LE || encoding == UTF_16BE)
        && wide(bytes).is_some()
    {
        return encoding.decode_without_bom_handling(bytes).0.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        // Seven-bit bytes may still be ISO-2022-JP or UTF-7-like; only a declaration tells.
        return match declared {
            Some(encoding) if text.is_ascii() && encoding != UTF_8 && text.contains('\u{1b}') => {
                encoding.decode_without_bom_handling(bytes).0.into_owned()
            }
            _ if text.is_ascii() && text.contains('\0') => match wide(bytes) {
                Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
                None => text.to_owned(),
            },
            _ => text.to_owned(),
        };
    }
    if let Some(encoding) = declared.filter(|encoding| *encoding != UTF_8) {
        let (text, _, broken) = encoding.decode(bytes);
        if !broken {
            return text.into_owned();
        }
    }
    if let Some(encoding) = wide(bytes) {
        return encoding.decode_without_bom_handling(bytes).0.into_owned();
    }
    guess(bytes).decode_without_bom_handling(bytes).0.into_owned()
}

/// Whether bytes look like UTF-16 without a byte order mark.
pub(super) fn is_wide(bytes: &[u8]) -> bool {
    wide(bytes).is_some()
}

/// UTF-16 without a mark shows as a zero byte at every other place.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let half = sample.len() / 2;
    match half {
        0..2 => None,
        _ if odd * 10 > half * 7 && even * 10 < half => Some(UTF_16LE),
        _ if even * 10 > half * 7 && odd * 10 < half => Some(UTF_16BE),
        _ => None,
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let sample = bytes.get(..bytes.len().min(GUESS_MAX)).unwrap_or_default();
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, sample.len() == bytes.len());
    let found = detector.guess(None, Utf8Detection::Allow);
    // A short sample that is not UTF-8 after all (a lone broken byte): the Western default.
    if found == UTF_8 { WINDOWS_1252 } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Umlauts and other letters of a partner's mail would turn into rubbish.
    #[test]
    fn decodes_what_was_meant() {
        let cases: &[(&[u8], Option<&str>, &str)] = &[
            (b"Best\xe4tigung", Some("iso-8859-1"), "Bestätigung"),
            (b"Best\xe4tigung der Bestellung f\xfcr M\xfcller", None, "Bestätigung der Bestellung für Müller"),
            ("Bestätigung".as_bytes(), Some("iso-8859-1"), "Bestätigung"),
            ("Bestätigung".as_bytes(), None, "Bestätigung"),
            (b"\xef\xbb\xbfMenge", Some("windows-1252"), "Menge"),
            (b"\xff\xfeM\0e\0", None, "Me"),
            (b"M\0e\0n\0g\0e\0", Some("utf-16le"), "Menge"),
            (b"M\0e\0n\0g\0e\0", None, "Menge"),
            (b"10 \x80", Some("windows-1252"), "10 €"),
            (b"\x1b$B%F%9%H\x1b(B", Some("iso-2022-jp"), "テスト"),
            (b"plain", Some("no such charset"), "plain"),
            (b"", None, ""),
        ];
        for (bytes, declared, text) in cases {
            assert_eq!(decode_bytes(bytes, *declared), *text, "{bytes:?} as {declared:?}");
        }
    }
}
