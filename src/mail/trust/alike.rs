//! What a domain looks like to a hurried reader.

use crate::mail::decision::fold;

/// What a domain looks like to a hurried reader.
pub(super) fn skeleton(domain: &str) -> String {
    let spelled: Vec<String> = domain
        .split('.')
        .map(|label| label.strip_prefix("xn--").and_then(punycode).unwrap_or_else(|| label.to_string()))
        .collect();
    let folded = fold(&spelled.join("."));
    let mut out = String::with_capacity(folded.len());
    for c in folded.chars() {
        out.push(match c {
            '0' | 'о' | 'ο' | 'օ' | 'ӧ' => 'o',
            '1' | 'l' | 'ı' | 'і' | 'ι' | '|' | 'ł' | 'ⅼ' | 'ӏ' => 'i',
            'а' | 'α' | 'ɑ' => 'a',
            'е' | 'ε' | 'ҽ' => 'e',
            'с' | 'ϲ' => 'c',
            'р' | 'ρ' => 'p',
            'х' | 'χ' => 'x',
            'у' | 'γ' | 'ү' => 'y',
            'ѕ' | '5' => 's',
            'ј' => 'j',
            'һ' | 'հ' => 'h',
            'ո' => 'n',
            'т' | 'τ' => 't',
            'к' | 'κ' => 'k',
            'м' => 'm',
            'в' | 'β' => 'b',
            'ν' | 'ѵ' => 'v',
            'ԁ' => 'd',
            'ԛ' => 'q',
            'ԝ' | 'ω' => 'w',
            'ɡ' => 'g',
            other => other,
        });
    }
    out.replace("rn", "m").replace("vv", "w").replace('-', "")
}

/// RFC 3492; `None` when it is none.
pub(super) fn punycode(label: &str) -> Option<String> {
    let (basic, extended) = label.rsplit_once('-').unwrap_or(("", label));
    let mut out: Vec<char> = basic.chars().collect();
    let (mut number, mut index, mut bias) = (128u32, 0u32, 72u32);
    let mut digits = extended.bytes();
    while digits.len() > 0 {
        let (old, mut weight, mut base) = (index, 1u32, 36u32);
        loop {
            let digit = match digits.next()? {
                byte @ b'a'..=b'z' => u32::from(byte - b'a'),
                byte @ b'0'..=b'9' => u32::from(byte - b'0') + 26,
                _ => return None,
            };
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = base.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(36 - threshold)?;
            base += 36;
        }
        let count = u32::try_from(out.len()).ok()? + 1;
        let mut delta = (index - old) / if old == 0 { 700 } else { 2 };
        delta += delta / count;
        let mut k = 0;
        while delta > 455 {
            delta /= 35;
            k += 36;
        }
        bias = k + 36 * delta / (delta + 38);
        number = number.checked_add(index / count)?;
        index %= count;
        if out.len() > 63 {
            return None;
        }
        out.insert(index as usize, char::from_u32(number)?);
        index += 1;
    }
    Some(out.into_iter().collect())
}
