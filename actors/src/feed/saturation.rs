//! Keeps one author from filling a feed: the order of posts under the two saturation rules.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::domain::UserId;

/// Two posts of one author are at least this many positions apart.
const SPACING: usize = 3;
/// This many first positions hold posts of distinct authors.
const TOP: usize = 5;

/// A rule of saturation. They are relaxed in the order in which they are declared here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rule {
    /// The first five positions hold five distinct authors.
    TopFive,
    /// Two posts of one author are at least three positions apart.
    Spacing,
}

impl Rule {
    /// The word used in answers and metrics.
    #[must_use]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TopFive => "top_five",
            Self::Spacing => "spacing",
        }
    }
}

/// Orders posts, given by their authors from the best post down: at each position the best remaining post
/// that keeps the rules; when none does, the best one that keeps the spacing; when none does that either,
/// the best one. Answers the new order as indices of `authors`; every index is there once.
#[must_use]
pub(super) fn saturate(authors: &[UserId]) -> Vec<usize> {
    let mut rest = Rest::of(authors);
    let mut order = Vec::with_capacity(authors.len());
    let mut placed: Vec<UserId> = Vec::with_capacity(authors.len());
    while placed.len() < authors.len() {
        let position = placed.len();
        let near = &placed[position.saturating_sub(SPACING - 1)..];
        let best = if position < TOP {
            rest.take(&placed).or_else(|| rest.take(near))
        } else {
            rest.take(near)
        };
        let Some((index, author)) = best.or_else(|| rest.take(&[])) else {
            break;
        };
        order.push(index);
        placed.push(author);
    }
    order
}

/// The rules that a sequence of posts breaks at position `from` or later, in declared order. What
/// [`saturate`] had to relax is exactly what its result breaks.
#[must_use]
pub(super) fn broken(authors: &[UserId], from: usize) -> Vec<Rule> {
    let repeats = |position: usize, reach: usize| {
        let start = position.saturating_sub(reach);
        authors[start..position].contains(&authors[position])
    };
    let mut rules = Vec::new();
    if (from..authors.len().min(TOP)).any(|position| repeats(position, TOP)) {
        rules.push(Rule::TopFive);
    }
    if (from..authors.len()).any(|position| repeats(position, SPACING - 1)) {
        rules.push(Rule::Spacing);
    }
    rules
}

/// Posts that have no position yet. At most four authors are ever excluded at once, so taking the best
/// post looks at no more than five authors.
struct Rest {
    queues: HashMap<UserId, VecDeque<usize>>,
    heads: BinaryHeap<Reverse<(usize, UserId)>>,
}

impl Rest {
    fn of(authors: &[UserId]) -> Self {
        let mut queues: HashMap<UserId, VecDeque<usize>> = HashMap::new();
        for (index, author) in authors.iter().enumerate() {
            queues.entry(*author).or_default().push_back(index);
        }
        let heads = queues
            .iter()
            .filter_map(|(author, queue)| queue.front().map(|&index| Reverse((index, *author))))
            .collect();
        Self { queues, heads }
    }

    /// Takes the best post whose author is not among `excluded`.
    fn take(&mut self, excluded: &[UserId]) -> Option<(usize, UserId)> {
        let mut passed_over = Vec::new();
        let mut taken = None;
        while let Some(Reverse((index, author))) = self.heads.pop() {
            if !excluded.contains(&author) {
                taken = Some((index, author));
                break;
            }
            passed_over.push(Reverse((index, author)));
        }
        self.heads.extend(passed_over);
        let (index, author) = taken?;
        if let Some(queue) = self.queues.get_mut(&author) {
            queue.pop_front();
            if let Some(&next) = queue.front() {
                self.heads.push(Reverse((next, author)));
            }
        }
        Some((index, author))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn author(n: u8) -> UserId {
        UserId::from_uuid(Uuid::from_u128(n.into()))
    }

    fn authors(ns: &[u8]) -> Vec<UserId> {
        ns.iter().copied().map(author).collect()
    }

    fn saturated(ns: &[u8]) -> (Vec<u8>, Vec<Rule>) {
        let order = saturate(&authors(ns));
        let result: Vec<u8> = order.into_iter().map(|index| ns[index]).collect();
        let rules = broken(&authors(&result), 0);
        (result, rules)
    }

    #[test]
    fn the_first_five_positions_hold_five_authors() {
        assert_eq!(
            saturated(&[1, 1, 2, 2, 3, 4, 5]),
            (vec![1, 2, 3, 4, 5, 1, 2], vec![])
        );
    }

    #[test]
    fn with_three_authors_only_the_top_five_rule_gives_way() {
        assert_eq!(
            saturated(&[1, 1, 2, 2, 3, 3]),
            (vec![1, 2, 3, 1, 2, 3], vec![Rule::TopFive])
        );
    }

    #[test]
    fn with_one_author_both_rules_give_way_and_nothing_is_lost() {
        assert_eq!(
            saturated(&[1, 1, 1]),
            (vec![1, 1, 1], vec![Rule::TopFive, Rule::Spacing])
        );
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(saturated(&[]), (vec![], vec![]));
    }

    #[test]
    fn only_positions_from_the_given_one_on_are_judged() {
        let page = authors(&[1, 1, 2, 3, 4, 5, 6]);
        assert_eq!(broken(&page, 0), vec![Rule::TopFive, Rule::Spacing]);
        assert_eq!(broken(&page, 2), vec![]);
        assert_eq!(
            broken(&authors(&[1, 2, 1]), 2),
            vec![Rule::TopFive, Rule::Spacing]
        );
    }

    /// The rules as they are written down, without any cleverness.
    fn by_the_book(authors: &[UserId]) -> Vec<usize> {
        let mut rest: Vec<usize> = (0..authors.len()).collect();
        let mut order: Vec<usize> = Vec::new();
        while !rest.is_empty() {
            let position = order.len();
            let apart = |index: usize| {
                order
                    .iter()
                    .enumerate()
                    .all(|(at, &other)| authors[other] != authors[index] || position - at >= 3)
            };
            let distinct =
                |index: usize| position >= 5 || order.iter().all(|&other| authors[other] != authors[index]);
            let choice = rest
                .iter()
                .position(|&index| apart(index) && distinct(index))
                .or_else(|| rest.iter().position(|&index| apart(index)))
                .unwrap_or(0);
            let index = rest.remove(choice);
            order.push(index);
        }
        order
    }

    proptest! {
        #[test]
        fn the_order_is_the_one_of_the_rules(ns in prop::collection::vec(0_u8..8, 0..60)) {
            let authors = authors(&ns);
            prop_assert_eq!(saturate(&authors), by_the_book(&authors));
        }

        #[test]
        fn nothing_is_lost_or_doubled(ns in prop::collection::vec(0_u8..30, 0..120)) {
            let mut order = saturate(&authors(&ns));
            order.sort_unstable();
            prop_assert_eq!(order, (0..ns.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_rule_holds_at_every_position_or_is_named(ns in prop::collection::vec(0_u8..9, 0..40)) {
            let (result, rules) = saturated(&ns);
            let apart = (0..result.len()).all(|i| (i + 1..result.len().min(i + 3)).all(|j| result[i] != result[j]));
            let mut top: Vec<u8> = result.iter().copied().take(5).collect();
            let length = top.len();
            top.sort_unstable();
            top.dedup();
            prop_assert_eq!(!apart, rules.contains(&Rule::Spacing));
            prop_assert_eq!(top.len() < length, rules.contains(&Rule::TopFive));
        }
    }
}
