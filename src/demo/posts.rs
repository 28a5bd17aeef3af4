//! What the people of the demo world have written in the last 48 hours.

/// A post of the demo world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// User name of the author.
    pub(super) by: &'static str,
    /// Minutes since it was written when the world is made.
    pub(super) minutes: u64,
    /// How many people like it.
    pub(super) likes: usize,
    /// The text.
    pub(super) text: &'static str,
}

const fn entry(by: &'static str, minutes: u64, likes: usize, text: &'static str) -> Entry {
    Entry {
        by,
        minutes,
        likes,
        text,
    }
}

#[rustfmt::skip]
pub(super) const POSTS: [Entry; 36] = [
    entry("pavel_s", 9, 1, "Live in a minute: the weather station gets its case today. Bring opinions on screws."),
    entry("rosa", 21, 3, "The sourdough starter survived my holiday. It has a name now and it outranks me."),
    entry("yuki_t", 38, 4, "Painting a harbour in the rain on stream tonight. Paper is stretched, ink is ground, kettle is on."),
    entry("jonas", 55, 2, "Finally measured it: the slow part was the logging. It is always the logging."),
    entry("deniz", 63, 3, "Warm-up done, hands are awake. Going for a time below 40 minutes."),
    entry("mira_k", 82, 5, "Requests are open. Someone has already asked for the one with the stretched tenths."),
    entry("lotte_b", 117, 2, "Morning lap around the lake: 11 km, two herons, one very confused dog."),
    entry("tomas_w", 140, 1, "Bike light fixed with a paper clip. Nobody tell the workshop I work in."),
    entry("amara", 171, 4, "Reading list for the weekend: three novels, one atlas. The atlas is winning."),
    entry("jonas", 214, 3, "Small program idea: a timer that gets quieter the longer you ignore it."),
    entry("rosa", 262, 2, "If a recipe says ten minutes for onions, the recipe is lying to you."),
    entry("deniz", 311, 2, "The bridge skip worked four times in a row. I will now never touch the settings again."),
    entry("yuki_t", 358, 5, "Sketchbook page of the week: nine ways a cat can sit in a box."),
    entry("mira_k", 407, 3, "Tuned the upright myself. It is in tune with itself and with nothing else."),
    entry("pavel_s", 466, 2, "Three temperature sensors, three opinions. I am building a parliament."),
    entry("lotte_b", 529, 3, "Signed up for the autumn half marathon. My knees have asked for a meeting."),
    entry("amara", 598, 2, "The library has a seed exchange shelf. I came for a book and left with beans."),
    entry("tomas_w", 655, 1, "Wheel trued to half a millimetre. This is the most useful thing I did all week."),
    entry("jonas", 733, 4, "Wrote the test first. The test was wrong, but it was wrong early, which is the point."),
    entry("rosa", 801, 3, "Market report: the first plums are here and they are not waiting for anybody."),
    entry("mira_k", 877, 4, "Four hands, one piano, no agreement about the tempo. Lovely evening."),
    entry("yuki_t", 954, 3, "Learned today that indigo keeps changing for an hour after it dries. Patience, again."),
    entry("deniz", 1_032, 1, "Watched my run from last month. I used to jump there? On purpose?"),
    entry("lotte_b", 1_118, 2, "Stretching is just sitting on the floor with intent."),
    entry("pavel_s", 1_205, 3, "The old radio works again. Its first words in twenty years were a football score."),
    entry("amara", 1_299, 5, "My students renamed the classroom plant. It is called Deadline and everyone waters it."),
    entry("tomas_w", 1_388, 2, "Rode home against the wind in both directions. I would like an explanation."),
    entry("jonas", 1_476, 1, "Deleted four hundred lines. Nothing changed. That was the goal."),
    entry("rosa", 1_571, 4, "Slow-cooked tomatoes: nothing to do, four hours of looking busy."),
    entry("mira_k", 1_668, 2, "New strings arrived. The next three days will sound like a boat."),
    entry("yuki_t", 1_793, 3, "Drew the view from the train window in ninety seconds, eleven times. Number seven is a tree."),
    entry("deniz", 1_921, 2, "Routing notes are now longer than my thesis was."),
    entry("lotte_b", 2_066, 1, "Rain all day, so I counted stairs instead. 62 floors. The neighbours have questions."),
    entry("pavel_s", 2_247, 2, "Found my good tweezers inside the printer. I have no memory of this."),
    entry("amara", 2_475, 3, "Best sentence I read today: a map is a promise that somebody walked there first."),
    entry("tomas_w", 2_731, 1, "Built a shelf. It is level. I checked from every chair in the house."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nova_actors::domain::NewPost;

    use super::super::people::PEOPLE;
    use super::*;

    #[test]
    fn posts_are_valid_different_and_within_48_hours() {
        let texts: BTreeSet<_> = POSTS.iter().map(|p| p.text).collect();
        assert_eq!(texts.len(), POSTS.len());
        for post in POSTS {
            NewPost::parse(post.text.into(), None).unwrap();
            assert!((1..48 * 60).contains(&post.minutes), "{}", post.text);
            assert!(post.likes < PEOPLE.len(), "{}", post.text);
            assert!(PEOPLE.iter().any(|p| p.username == post.by), "{}", post.by);
        }
    }

    #[test]
    fn everybody_has_written_something() {
        for person in PEOPLE {
            assert!(
                POSTS.iter().filter(|p| p.by == person.username).count() >= 3,
                "{}",
                person.username
            );
        }
    }
}
