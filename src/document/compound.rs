//! Compound files (XLS and what else old office programs wrote): whether their chains of sectors end.
//!
//! Libraries follow a chain until its end; one that runs in a circle would fill the memory. Source: [MS-CFB].

/// Sector numbers from here on mean something else: the end, free, a table of the file itself.
const REGULAR_MAX: u32 = 0xffff_fffa;

/// Whether a chain of sectors of a compound file runs in a circle.
pub(super) fn runs_in_circles(bytes: &[u8]) -> bool {
    let file = File { bytes, size: 1 << file_u16(bytes, 30).unwrap_or(9).clamp(6, 16) };
    let sectors = bytes.len() / file.size + 1;
    // The sectors that hold the table of chains: listed in the head, then in a chain of their own.
    let mut tables: Vec<u32> = numbers(bytes.get(76..512).unwrap_or_default()).collect();
    let mut next = file_u32(bytes, 68);
    while let Some(list) = next.and_then(|next| file.sector(next)) {
        tables.extend(numbers(list));
        next = tables.pop();
        if tables.len() > sectors + 109 + file.size {
            return true;
        }
    }
    let chains: Vec<u32> =
        tables.iter().filter_map(|table| file.sector(*table)).take(sectors).flat_map(numbers).collect();
    if is_circular(&chains) {
        return true;
    }
    let mut small = Vec::new();
    let mut next = file_u32(bytes, 60);
    while let Some(table) = next.and_then(|next| file.sector(next)) {
        small.extend(numbers(table));
        next = next.and_then(|next| chains.get(next as usize)).copied();
    }
    is_circular(&small)
}

struct File<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl<'a> File<'a> {
    fn sector(&self, number: u32) -> Option<&'a [u8]> {
        let begin = (number < REGULAR_MAX).then(|| (number as usize + 1).checked_mul(self.size)).flatten()?;
        self.bytes.get(begin..begin.checked_add(self.size)?)
    }
}

fn file_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn file_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).filter_map(|four| Some(u32::from_le_bytes(*four.first_chunk()?)))
}

/// Whether following a table of "what comes next" never ends somewhere.
fn is_circular(next: &[u32]) -> bool {
    // By which walk a place was first reached.
    let mut reached: Vec<usize> = vec![usize::MAX; next.len()];
    for begin in 0..next.len() {
        let mut at = begin;
        while let Some(walk) = reached.get_mut(at) {
            if *walk == begin {
                return true;
            }
            if *walk != usize::MAX {
                break;
            }
            *walk = begin;
            at = next.get(at).map_or(usize::MAX, |next| *next as usize);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    /// A few hundred bytes must not make a reader eat gigabytes.
    #[test]
    fn circles_are_seen() {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.create_stream("/Workbook").unwrap().write_all(&[7; 20_000]).unwrap();
        file.create_stream("/small").unwrap().write_all(&[7; 200]).unwrap();
        file.flush().unwrap();
        let bytes = file.into_inner().into_inner();
        assert!(!runs_in_circles(&bytes));
        let size = 1usize << file_u16(&bytes, 30).unwrap();
        let table = (file_u32(&bytes, 76).unwrap() as usize + 1) * size;
        let mut circular = bytes.clone();
        circular[table + 12..table + 16].copy_from_slice(&3u32.to_le_bytes());
        assert!(runs_in_circles(&circular));
        for end in (0..bytes.len()).step_by(61) {
            let _ = runs_in_circles(&bytes[..end]);
        }
        assert!(is_circular(&[1, 2, 0]) && !is_circular(&[1, 2, REGULAR_MAX, 2]));
    }
}
