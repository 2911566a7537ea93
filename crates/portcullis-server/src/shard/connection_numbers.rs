//! The numbers of one user's connections: usually one.
//! Never: an allocation for the first connection.

/// A set of connection numbers; none of them is zero.
#[derive(Debug, Default)]
pub(crate) struct ConnectionNumbers {
    /// Zero in an empty set.
    first: u64,
    more: Option<Box<[u64]>>,
}

impl ConnectionNumbers {
    pub(crate) fn add(&mut self, number: u64) {
        if self.first == 0 {
            self.first = number;
        } else {
            let before = self.more.take().unwrap_or_default();
            self.more = Some(before.iter().copied().chain([number]).collect());
        }
    }

    pub(crate) fn remove(&mut self, number: u64) {
        if self.first == number {
            self.first = 0;
        }
        let rest: Vec<u64> = self.iter().filter(|known| *known != number).collect();
        let (first, more) = rest.split_first().map_or((0, &[][..]), |(first, more)| (*first, more));
        self.first = first;
        self.more = (!more.is_empty()).then(|| more.into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        let first = (self.first != 0).then_some(self.first);
        first.into_iter().chain(self.more.iter().flatten().copied())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_in_the_set_until_it_is_removed() {
        let mut numbers = ConnectionNumbers::default();
        let seen = |numbers: &ConnectionNumbers| numbers.iter().collect::<Vec<_>>();
        for number in [3, 1, 2] {
            numbers.add(number);
        }
        assert_eq!(seen(&numbers), [3, 1, 2]);
        numbers.remove(3);
        assert_eq!(seen(&numbers), [1, 2]);
        numbers.remove(7);
        numbers.remove(2);
        numbers.add(5);
        assert_eq!(seen(&numbers), [1, 5]);
        numbers.remove(1);
        numbers.remove(5);
        assert!(numbers.is_empty() && seen(&numbers).is_empty());
    }
}
