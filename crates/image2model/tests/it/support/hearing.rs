//! Readers of event streams that come back when they were cut off.

use std::{collections::BTreeMap, time::Duration};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::client::{Client, Event};

/// Whether a client is to send the same again: no server answered, or one that cannot just now.
pub(crate) fn is_for_now(status: StatusCode) -> bool {
    (502..=504).contains(&status.as_u16())
}

/// A job's facts by number: name and data of the event of each.
pub(crate) type Told = BTreeMap<u32, (String, Value)>;

/// What one reader heard of a job, however often its stream was cut off.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) facts: Told,
    /// Some facts came before a cut, others after.
    pub(crate) over_a_cut: bool,
}

impl Heard {
    /// Takes a fact that was told after `last` in one stream: numbers follow each other, and each says what it always
    /// said. Returns its number.
    pub(crate) fn take(&mut self, last: u32, event: Event) -> u32 {
        let Some(number) = event.fact() else {
            return last;
        };
        assert_eq!(number, last + 1, "a gap or a repeat: {event:?}");
        let told = (event.name, event.data);
        let known = self.facts.entry(number).or_insert_with(|| told.clone());
        assert_eq!(*known, told, "number {number} was told as something else");
        number
    }
}

/// Listens to a job until its stream is over for good. Each second time it comes back it asks for everything again, to
/// hear whether the numbers still say the same.
pub(crate) fn hear_out(client: Client, id: String) -> JoinHandle<Heard> {
    tokio::spawn(async move {
        let mut heard = Heard::default();
        // A server that is being started again refuses connections for a moment.
        let mut again = tokio::time::interval(Duration::from_millis(20));
        let mut anew = false;
        loop {
            again.tick().await;
            let before = heard.facts.len();
            let known = heard.facts.keys().last().copied().unwrap_or(0);
            let mut last = if anew { 0 } else { known };
            let named = last.to_string();
            let listened = client.listen(&id, Some(&named), |event| {
                last = heard.take(last, event);
                false
            });
            match listened.await {
                Ok(StatusCode::NO_CONTENT) => return heard,
                Ok(StatusCode::OK) => anew = false,
                Ok(status) => assert!(is_for_now(status), "{id}: {status}"),
                Err(_) => anew = !anew,
            }
            heard.over_a_cut |= before > 0 && heard.facts.len() > before;
        }
    })
}
