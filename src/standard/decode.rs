//! Bytes of a structured document to text: each family says in its own way how it is written.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// The document's text. UTF-8 is believed where the bytes are valid UTF-8, whatever was declared (real
/// files say UNOC and are UTF-8); then the document's own word decides (byte order mark, XML declaration,
/// UNB syntax identifier), then the `charset` of the media type, then windows-1252, which reads every byte.
pub fn decode(bytes: &[u8], media_type: &str) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(length..).unwrap_or_default();
        return encoding.decode_without_bom_handling(rest).0.into_owned();
    }
    let declared = xml_declares(bytes).or_else(|| edifact_declares(bytes)).or_else(|| media_type_declares(media_type));
    // ISO 2022 texts are valid UTF-8 by their bytes, and yet are none.
    let shifted = declared.is_some_and(|encoding| !encoding.is_ascii_compatible());
    if !shifted && let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_string();
    }
    let encoding = declared.filter(|encoding| *encoding != UTF_8).unwrap_or(WINDOWS_1252);
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

fn beginning(bytes: &[u8], length: usize) -> String {
    String::from_utf8_lossy(bytes.get(..length.min(bytes.len())).unwrap_or_default()).into_owned()
}

/// `<?xml version="1.0" encoding="ISO-8859-1"?>`, also in UTF-16 without a mark.
fn xml_declares(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [b'<', 0, ..] => return Some(encoding_rs::UTF_16LE),
        [0, b'<', ..] => return Some(encoding_rs::UTF_16BE),
        _ => {}
    }
    let start = beginning(bytes, 200);
    let declaration = start.trim_start().strip_prefix("<?xml")?.split("?>").next()?;
    let after = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = after.get(1..)?.split(quote).next()?;
    // What could be read as ASCII so far is not UTF-16, whatever it says.
    Encoding::for_label(label.as_bytes()).filter(|encoding| encoding.is_ascii_compatible())
}

/// `UNB+UNOC:3+...`: the syntax identifier names the repertoire (ISO 9735).
fn edifact_declares(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = beginning(bytes, 4096);
    let (_, after) = start.split_once("UNB")?;
    let identifier: String = after.chars().skip(1).take(4).collect();
    let label = match identifier.as_str() {
        "UNOA" | "UNOB" | "UNOC" => "iso-8859-1",
        "UNOD" => "iso-8859-2",
        "UNOE" => "iso-8859-5",
        "UNOF" => "iso-8859-7",
        "UNOG" => "iso-8859-3",
        "UNOH" => "iso-8859-4",
        "UNOI" => "iso-8859-6",
        "UNOJ" => "iso-8859-8",
        "UNOK" => "iso-8859-9",
        "UNOW" | "UNOY" => "utf-8",
        "UNOX" => "iso-2022-jp",
        _ => return None,
    };
    Encoding::for_label(label.as_bytes())
}

fn media_type_declares(media_type: &str) -> Option<&'static Encoding> {
    let parameter = media_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_string())
    })?;
    Encoding::for_label(parameter.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An umlaut in a product name must survive whatever way the partner writes it.
    #[test]
    fn each_family_says_how_it_is_written() {
        let utf16: Vec<u8> = "<?xml version=\"1.0\"?><a>ü</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: &[(&[u8], &str, &str)] = &[
            (b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xfc</a>", "", "ü"),
            (b"<?xml version='1.0' encoding='utf-16'?><a>\xc3\xbc</a>", "", "ü"),
            (b"\xef\xbb\xbf<a>\xc3\xbc</a>", "", "ü"),
            (&utf16, "", "ü"),
            (b"UNA:+.? 'UNB+UNOC:3+A+B'FTX+\xfc'", "", "ü"),
            (b"UNB+UNOE:3+A+B'FTX+\xb6'", "", "Ж"),
            (b"UNB+UNOC:3+A+B'FTX+0184364\xe2\x80\x99LOC", "", "’LOC"),
            (b"ISA*00*\xe9*", "text/plain; charset=\"iso-8859-1\"", "é"),
            (b"\x81\xff\x00", "", "ÿ"),
        ];
        for (bytes, media_type, expected) in cases {
            let text = decode(bytes, media_type);
            assert!(text.contains(expected), "{text}");
        }
    }
}
