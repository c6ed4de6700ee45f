//! Cheap random numbers with eight bytes of state.

/// SplitMix64: thousands of sessions are under way at once and each has one of these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw(u64);

/// Spreads the bits of a number; different numbers stay different.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`, which is at least one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// The same, but small numbers come more often than large ones.
    pub(super) fn low(&mut self, end: u64) -> u64 {
        let below = self.below(end);
        self.below(below + 1)
    }

    /// True this often in a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// At least 0, below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Any of them.
    pub(super) fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// Any of them, the first ones more often.
    pub(super) fn first_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.low(items.len() as u64) as usize]
    }
}
