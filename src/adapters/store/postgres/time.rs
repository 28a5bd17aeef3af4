//! Times on the wire: `timestamptz` counts microseconds from the year 2000, Nova milliseconds from 1970.

use nova_actors::domain::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type, TypeInfo};

/// Postgres's number for `timestamptz`, the same in every database.
const TIMESTAMPTZ: Oid = Oid(1184);
/// 2000-01-01 in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;
/// The years that Postgres knows, in its own microseconds; what is beyond is infinitely early or late.
const RANGE: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// A time as a parameter or a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Timestamp);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        ty.name() == "TIMESTAMPTZ"
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buf.extend_from_slice(&to_wire(self.0).to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        if value.format() != PgValueFormat::Binary {
            return Err("a time has to come in binary form".into());
        }
        let bytes: [u8; 8] = value.as_bytes()?.try_into()?;
        Ok(Self(from_wire(i64::from_be_bytes(bytes))))
    }
}

fn to_wire(at: Timestamp) -> i64 {
    let micros = i128::from(at.millis()) * 1_000 - i128::from(EPOCH);
    let end = if micros < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(micros)
        .ok()
        .filter(|micros| RANGE.contains(micros))
        .unwrap_or(end)
}

/// Rounds down to the millisecond.
fn from_wire(micros: i64) -> Timestamp {
    Timestamp::from_millis(micros.saturating_add(EPOCH).div_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_were() {
        for ms in [0, -1, 946_684_800_000, 1_700_000_000_007, 253_402_300_799_999] {
            let at = Timestamp::from_millis(ms);
            assert_eq!(from_wire(to_wire(at)), at);
        }
        assert_eq!(to_wire(Timestamp::from_millis(946_684_800_001)), 1_000);
    }

    #[test]
    fn what_postgres_cannot_count_is_infinite() {
        assert_eq!(to_wire(Timestamp::from_millis(i64::MAX)), i64::MAX);
        assert_eq!(to_wire(Timestamp::from_millis(i64::MIN)), i64::MIN);
    }
}
