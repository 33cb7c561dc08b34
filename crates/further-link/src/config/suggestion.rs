//! "Did you mean …?": the known word that is nearest to a mistyped one, by Damerau-Levenshtein
//! distance.

/// Longest word that gets a suggestion: nothing longer is a slip of a key, and the work grows with
/// the length.
const WORD_MAX_BYTES: usize = 64;

/// Returns `; did you mean …?` for the nearest of the known words, or an empty text if none is
/// near.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known
        .map(|candidate| (distance(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        // A third of the letters wrong is a slip; more is another word.
        Some(((distance, _), candidate)) if distance <= (candidate.len() / 3).max(1) => {
            format!("; did you mean `{candidate}`?")
        }
        _ => String::new(),
    }
}

/// Returns how far apart the two words are; the second number decides between equals.
fn distance(word: &str, candidate: &str) -> (usize, usize) {
    if word.len() > WORD_MAX_BYTES {
        return (usize::MAX, 0);
    }
    let edits = edit_distance(word, candidate);
    // The right name in no section, or in the wrong one, is the likeliest slip of all.
    let name_start = |key: &str| key.rfind('.').map_or(0, |dot| dot + 1);
    if word[name_start(word)..] == candidate[name_start(candidate)..] {
        return (1, edits);
    }
    (edits, edits)
}

/// Returns the Damerau-Levenshtein distance: the number of letters to insert, delete or replace, or
/// to swap with their neighbour (in the "optimal string alignment" form).
fn edit_distance(from: &str, to: &str) -> usize {
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
    use super::{did_you_mean, edit_distance};

    #[test]
    fn edit_distance_counts_insertions_deletions_and_swaps() {
        assert_eq!(edit_distance("port", "port"), 0);
        assert_eq!(edit_distance("prot", "port"), 1);
        assert_eq!(edit_distance("bnd", "bind"), 1);
        assert_eq!(edit_distance("", "bind"), 4);
    }

    #[test]
    fn distant_word_gets_no_suggestion() {
        assert_eq!(
            did_you_mean("colour", ["server.port", "log.level"].into_iter()),
            ""
        );
        assert_eq!(
            did_you_mean("port", ["server.port", "log.level"].into_iter()),
            "; did you mean `server.port`?"
        );
    }
}
