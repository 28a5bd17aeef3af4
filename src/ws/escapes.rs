//! Escapes of JSON texts that are no characters. Pure.

/// The text with every escaped half of a surrogate pair replaced by the escape of NUL, which no field takes:
/// whoever sent it is told which field is wrong. `None` when there is none.
pub(super) fn half_characters_as_nul(text: &str) -> Option<String> {
    let mut mended = text.to_owned();
    let mut at = 0;
    // Outside of strings JSON has no backslash.
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        at += match (unit(text, at), unit(text, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended.replace_range(at..at + 6, "\\u0000");
                6
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
    }
    (mended != text).then_some(mended)
}

/// The UTF-16 unit of the escape that begins at `at`.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_nul_and_whole_characters_stay() {
        for (text, mended) in [
            (r"\ud83d", Some(r"\u0000")),
            (r"a\uDE00b\ud83d\ud83d\ude00", Some(r"a\u0000b\u0000\ud83d\ude00")),
            (r"\ud83d\n", Some(r"\u0000\n")),
            (r"\ud83d\ude00", None),
            (r"\\ud83d", None),
            (r"\u00e9\n😀", None),
            (r"\ud8", None),
            (r"\u+d83", None),
            ("\\", None),
            ("\\é\\", None),
        ] {
            assert_eq!(half_characters_as_nul(text).as_deref(), mended, "{text}");
        }
    }
}
