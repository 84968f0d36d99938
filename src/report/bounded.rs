//! Collections that stay small however long a run is.

use std::collections::VecDeque;

/// Points of a series, in order of time; at most [`Thinned::MOST`]. When there would be more, each
/// two neighbours become one: all of the run is kept, more coarsely.
#[derive(Debug, Clone)]
pub struct Thinned<T> {
    points: Vec<T>,
    merge: fn(T, T) -> T,
}

impl<T: Copy> Thinned<T> {
    /// Most points that are kept: about as many as a chart has pixels on a phone.
    pub const MOST: usize = 600;

    /// An empty series; `merge` makes one point of an earlier and a later one.
    pub fn new(merge: fn(T, T) -> T) -> Self {
        Self { points: Vec::new(), merge }
    }

    /// Takes the next point.
    pub fn push(&mut self, point: T) {
        if self.points.len() == Self::MOST {
            let merge = self.merge;
            let halved = self.points.chunks(2).filter_map(|pair| pair.iter().copied().reduce(merge));
            self.points = halved.collect();
        }
        self.points.push(point);
    }

    /// What is kept.
    pub fn points(&self) -> &[T] {
        &self.points
    }

    /// The newest one, to be changed.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.points.last_mut()
    }
}

/// The first and the last of many, and how many there were.
#[derive(Debug, Clone)]
pub struct Ends<T> {
    head: Vec<T>,
    tail: VecDeque<T>,
    first: usize,
    last: usize,
    count: u64,
}

impl<T> Ends<T> {
    /// Keeps so many of the first and so many of the last.
    pub fn new(first: usize, last: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), first, last, count: 0 }
    }

    /// Takes the next one.
    pub fn push(&mut self, item: T) {
        self.count += 1;
        if self.head.len() < self.first {
            self.head.push(item);
            return;
        }
        if self.tail.len() == self.last {
            self.tail.pop_front();
        }
        self.tail.push_back(item);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many between the first and the last were not kept.
    pub fn left_out(&self) -> u64 {
        self.count - (self.head.len() + self.tail.len()) as u64
    }

    /// The first ones that are kept.
    pub fn head(&self) -> &[T] {
        &self.head
    }

    /// The last ones that are kept.
    pub fn tail(&self) -> impl Iterator<Item = &T> {
        self.tail.iter()
    }

    /// All that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.head.iter().chain(&self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_keeps_its_ends_and_its_peaks() {
        let mut series = Thinned::new(|(_, one): (u32, u32), (at, other)| (at, one.max(other)));
        for at in 0..1_000_000 {
            series.push((at, if at == 123_456 { 1000 } else { at % 7 }));
            assert!(series.points().len() <= Thinned::<(u32, u32)>::MOST);
        }
        let points = series.points();
        assert!(points.len() > 200 && points.is_sorted_by_key(|point| point.0), "{}", points.len());
        assert_eq!(points.last(), Some(&(999_999, 999_999 % 7)));
        assert_eq!(points.iter().map(|point| point.1).max(), Some(1000));
    }

    #[test]
    fn the_first_and_the_last_are_kept_and_the_rest_is_counted() {
        let mut ends = Ends::new(2, 3);
        (0..10).for_each(|number| ends.push(number));
        assert_eq!(ends.iter().copied().collect::<Vec<_>>(), [0, 1, 7, 8, 9]);
        assert_eq!(
            (ends.count(), ends.left_out(), ends.head(), ends.tail().count()),
            (10, 5, &[0, 1][..], 3)
        );
        let mut few = Ends::new(2, 3);
        (0..4).for_each(|number| few.push(number));
        assert_eq!((few.iter().count(), few.left_out()), (4, 0));
    }
}
