//! The name that a misspelt one was most likely meant to be.

/// The nearest of `names` to `word`, if it is near enough to be meant. Case and separators do not
/// count, so `caFile` is `ca_file`.
pub(crate) fn similar<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word = bare(word);
    let limit = match word.len() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    names
        .into_iter()
        .map(|name| (distance(&word, &bare(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Whether two words differ in case and separators alone.
pub(crate) fn is_same(word: &str, other: &str) -> bool {
    bare(word) == bare(other)
}

fn bare(word: &str) -> Vec<char> {
    let word = word.chars().filter(|c| c.is_alphanumeric());
    word.flat_map(char::to_lowercase).take(64).collect()
}

/// How many letters have to be put in, left out, replaced or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name_and_another_word_finds_none() {
        let names = [
            "ca_file",
            "connect_timeout",
            "proxy",
            "url",
            "scope",
            "host",
        ];
        for (word, meant) in [
            ("caFile", "ca_file"),
            ("CA-File", "ca_file"),
            ("cafiel", "ca_file"),
            ("conect_timeout", "connect_timeout"),
            ("connection_timeout", ""),
            ("porxy", "proxy"),
            ("proxis", "proxy"),
            ("ulr", "url"),
            ("uri", "url"),
            ("u", ""),
            ("scopes", "scope"),
            ("cwd", ""),
            ("", ""),
        ] {
            let found = similar(word, names).unwrap_or_default();
            assert_eq!(found, meant, "{word}");
        }
    }

    #[test]
    fn a_long_name_costs_no_time() {
        assert_eq!(similar(&"x".repeat(1_000_000), ["name"]), None);
    }
}
