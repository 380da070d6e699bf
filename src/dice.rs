//! Chance that can be repeated, for tests.

/// The same seed gives the same throws.
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`. The constants are those of Knuth's MMIX generator.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// One of these; `None` if there are none.
    pub fn one_of<T: Clone>(&mut self, all: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = all.into_iter().collect();
        let count = u64::try_from(all.len()).unwrap();
        (count > 0).then(|| all[usize::try_from(self.roll(count)).unwrap()].clone())
    }
}
