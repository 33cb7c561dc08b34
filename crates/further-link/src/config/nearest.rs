//! "Did you mean": the known key that is nearest to a mistyped one.

/// `; did you mean …?` for the nearest of the known words, or nothing if none is near.
pub(crate) fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known
        .map(|candidate| (distance(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance);
    match near {
        // A third of the letters wrong is a slip; more is another word.
        Some(((distance, _), candidate)) if distance <= (candidate.len() / 3).max(1) => {
            format!("; did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

/// How far apart the two are; the second number decides between equals.
fn distance(word: &str, candidate: &str) -> (usize, usize) {
    // Nothing that long is a slip of a key, and the work grows with the length.
    if word.len() > 64 {
        return (usize::MAX, 0);
    }
    let edits = edits(word, candidate);
    // The right name in no section, or in the wrong one, is the likeliest slip of all.
    let name = |key: &str| key.rfind('.').map_or(0, |dot| dot + 1);
    if word[name(word)..] == candidate[name(candidate)..] {
        return (1, edits);
    }
    (edits, edits)
}

/// The number of letters to put in, take out or replace (Levenshtein), or to swap with their
/// neighbour.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for (index, row) in rows.iter_mut().enumerate() {
        row[0] = index;
    }
    rows[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            rows[i][j] = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits, hint};

    #[test]
    fn counts_edits() {
        assert_eq!(edits("port", "port"), 0);
        assert_eq!(edits("prot", "port"), 1);
        assert_eq!(edits("bnd", "bind"), 1);
        assert_eq!(edits("", "bind"), 4);
    }

    #[test]
    fn a_far_word_gets_no_hint() {
        assert_eq!(hint("colour", ["server.port", "log.level"].into_iter()), "");
        assert_eq!(
            hint("port", ["server.port", "log.level"].into_iter()),
            "; did you mean `server.port`?"
        );
    }
}
