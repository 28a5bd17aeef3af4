//! ClickHouse: the contract over it, and what only it has to prove.

mod faults;
mod interrupted;
mod place;
mod proxy;
mod replay;
mod schema;

pub(crate) use place::ClickHouseDatabase;

#[test]
fn clickhouse_reads_what_a_model_says() {
    super::model::reads_are_the_models::<ClickHouseDatabase>(8);
}
