//! Which partition a key belongs to: the rule of Kafka's Java clients, so that a key lands in the same
//! partition whatever log is below and whoever writes.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const ROTATION: u32 = 24;

/// The partition of a key with hash `hash` in a topic of `partitions` partitions (at least one).
pub(super) fn partition(hash: u32, partitions: usize) -> usize {
    // Java's int has a sign; its partitioner clears that bit instead of taking the absolute value.
    usize::try_from(hash & 0x7fff_ffff).unwrap_or_default() % partitions.max(1)
}

/// 32-bit MurmurHash2 with Kafka's seed.
pub(super) fn murmur2(data: &[u8]) -> u32 {
    let mut words = data.chunks_exact(4);
    // The hash is defined over 32-bit lengths; keys are far shorter.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    for word in &mut words {
        let bytes = word.iter().rev();
        let mut k = bytes.fold(0_u32, |k, &byte| (k << 8) | u32::from(byte));
        k = k.wrapping_mul(MULTIPLIER);
        k ^= k >> ROTATION;
        k = k.wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest
            .iter()
            .rev()
            .fold(0_u32, |k, &byte| (k << 8) | u32::from(byte));
        hash = (hash ^ tail).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_java_client() {
        let known: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, hash) in known {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn negative_hashes_are_masked_and_not_negated() {
        let hash = murmur2(b"21");
        assert!(hash.cast_signed() < 0);
        assert_eq!(partition(hash, 7), ((hash & 0x7fff_ffff) % 7) as usize);
        assert_ne!(
            partition(hash, 7),
            (hash.cast_signed().unsigned_abs() % 7) as usize
        );
    }
}
