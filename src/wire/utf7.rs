//! Mailbox names as IMAP writes them: modified UTF-7 (RFC 3501 section 5.1.3).

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Base64 with `,` for `/` and without padding.
fn engine() -> Option<GeneralPurpose> {
    let alphabet = Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").ok()?;
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    Some(GeneralPurpose::new(&alphabet, config))
}

/// `Gelöscht` becomes `Gel&APY-scht`. The result is printable ASCII whatever comes in.
pub fn encode(name: &str) -> String {
    let mut out = String::new();
    let mut foreign = String::new();
    let flush = |out: &mut String, foreign: &mut String| {
        if !foreign.is_empty() {
            let units: Vec<u8> = foreign.encode_utf16().flat_map(u16::to_be_bytes).collect();
            if let Some(engine) = engine() {
                out.push('&');
                out.push_str(&engine.encode(units));
                out.push('-');
            }
            foreign.clear();
        }
    };
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut out, &mut foreign);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            foreign.push(c);
        }
    }
    flush(&mut out, &mut foreign);
    out
}

/// The name a person knows; `None` when it is not modified UTF-7 (some servers send raw UTF-8: keep such a name as it is).
pub fn decode(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = name;
    while let Some((plain, after)) = rest.split_once('&') {
        out.push_str(plain);
        let (coded, next) = after.split_once('-')?;
        if coded.is_empty() {
            out.push('&');
        } else {
            let bytes = engine()?.decode(coded).ok()?;
            let (pairs, odd) = bytes.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            out.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = next;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder `Gelöscht` that is written wrongly is created a second time, and mails vanish into it.
    #[test]
    fn both_ways() {
        let table = [
            ("INBOX", "INBOX"),
            ("Gelöscht", "Gel&APY-scht"),
            ("Order & more", "Order &- more"),
            ("台北", "&U,BTFw-"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Posteingang 📦", "Posteingang &2D3c5g-"),
            ("a\tb", "a&AAk-b"),
        ];
        for (name, wire) in table {
            assert_eq!(encode(name), wire);
            assert_eq!(decode(wire).as_deref(), Some(name));
        }
        for bad in ["&", "&AP", "&2D0-", "&%-"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
