//! Sets of UIDs as IMAP writes them.

use async_imap::imap_proto::rfc4315::UidSetMember;

/// Servers are promised lines of 8,000 characters only by newer standards; RFC 2683 section 3.2.1.5 advises 1,000.
const SET_CHARS_MAX: usize = 900;

/// Ascending UIDs as sets such as `1:3,7`, each short enough for one command. Only UIDs given are in a set: a range
/// never spans a gap, since a mail that is not ours may lie in it.
pub(super) fn sets(uids: &[u32]) -> Vec<(String, Vec<u32>)> {
    let mut sorted = uids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut sets: Vec<(String, Vec<u32>)> = Vec::new();
    for run in sorted.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
        let text = match run {
            [only] => only.to_string(),
            [first, .., last] => format!("{first}:{last}"),
            [] => continue,
        };
        match sets.last_mut() {
            Some((set, members)) if set.len() + text.len() < SET_CHARS_MAX => {
                set.push(',');
                set.push_str(&text);
                members.extend_from_slice(run);
            }
            _ => sets.push((text, run.to_vec())),
        }
    }
    sets
}

/// The UIDs of a COPYUID set, at most 100,000.
pub(super) fn members(set: &[UidSetMember]) -> Vec<u32> {
    let each = set.iter().flat_map(|member| match member {
        UidSetMember::UidRange(range) => range.clone(),
        UidSetMember::Uid(uid) => *uid..=*uid,
    });
    each.take(100_000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range over a gap would move somebody else's mail.
    #[test]
    fn ranges_span_no_gap() {
        assert_eq!(sets(&[7, 1, 3, 2, 9, 10, 7]), [("1:3,7,9:10".to_string(), vec![1, 2, 3, 7, 9, 10])]);
        assert!(sets(&[]).is_empty());
        assert_eq!(sets(&[u32::MAX]), [("4294967295".to_string(), vec![u32::MAX])]);
    }

    /// Exchange refuses commands of 40,000 characters.
    #[test]
    fn sets_stay_short() {
        let odd: Vec<u32> = (1_000_000..1_002_000).filter(|n| n % 2 == 1).collect();
        let sets = sets(&odd);
        assert!(sets.iter().all(|(set, _)| set.len() <= SET_CHARS_MAX) && sets.len() > 5);
        assert_eq!(sets.iter().flat_map(|(_, members)| members.clone()).collect::<Vec<_>>(), odd);
    }
}
