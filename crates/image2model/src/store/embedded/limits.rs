//! Rates, in the memory of the one process that has the store, and what owners have, which triggers keep.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::{Embedded, live::locked};
use crate::{
    access::rate::{Admission, Window},
    job::{Holding, Owner},
    store::{Limits, StoreError},
};

#[async_trait]
impl Limits for Embedded {
    async fn admit(
        &self,
        name: &str,
        windows: &[Window],
        count: u32,
    ) -> Result<Admission, StoreError> {
        let now = self.clock.now().0.saturating_mul(1000);
        Ok(locked(&self.rates).admit(name, windows, count, now))
    }

    async fn holding(&self, owner: &Owner) -> Result<Holding, StoreError> {
        let owner = owner.clone();
        self.readers.run(move |db| holding(db, &owner)).await
    }
}

fn holding(connection: &Connection, owner: &Owner) -> Result<Holding, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT images, bytes FROM holdings WHERE owner = ?1")?;
    let read = statement.query_row([&owner.0], |row| {
        Ok(Holding {
            images: row.get::<_, i64>(0)?.unsigned_abs(),
            bytes: row.get::<_, i64>(1)?.unsigned_abs(),
        })
    });
    Ok(read.optional()?.unwrap_or_default())
}
