//! Random numbers that are the same for the same seed, so that a soak can be repeated.

/// splitmix64, the generator of Java's `SplittableRandom`: small, and good enough to mix
/// behaviours.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The numbers of one visit: they do not depend on what other visits did before.
    pub(super) fn of_visit(seed: u64, visit: u64) -> Self {
        let mut random = Self(seed ^ visit.wrapping_mul(0xd129_0d3b_3d6a_2f27));
        random.next();
        random
    }

    /// Any number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }

    /// One of several.
    pub(super) fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[(self.next() % things.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_seed_and_visit_alone() {
        let of = |seed, visit| Random::of_visit(seed, visit).next();
        assert_eq!(of(1, 2), of(1, 2));
        assert_ne!(of(1, 2), of(1, 3));
        assert_ne!(of(1, 2), of(2, 2));
    }

    #[test]
    fn both_ends_of_a_range_occur() {
        let mut random = Random::of_visit(7, 7);
        let mut seen = [false; 3];
        for _ in 0..100 {
            seen[random.between(5, 7) as usize - 5] = true;
        }
        assert_eq!(seen, [true; 3]);
    }
}
