//! Figures side by side.

use crate::{Who, held::Held, say};

/// The least share of the bare server's work that ours does in a second, and of its work on a processor's second.
const GOAL: f64 = 0.7;

/// What a round came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Requests a second.
    rate: f64,
    /// CPU time of the server, in microseconds per request.
    cpu: f64,
}

impl Figures {
    /// From seconds for all requests.
    pub(crate) fn of(requests: usize, wall: f64, cpu: f64) -> Self {
        let requests = requests as f64;
        Self {
            rate: requests / wall,
            cpu: cpu * 1e6 / requests,
        }
    }
}

/// Both servers' figures of all rounds.
pub(crate) struct Table {
    what: String,
    rounds: Vec<(Who, Figures)>,
}

impl Table {
    pub(crate) fn new(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            rounds: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, who: Who, figures: Figures) {
        self.rounds.push((who, figures));
    }

    /// The middle one of somebody's rounds.
    fn median(&self, who: Who, of: impl Fn(&Figures) -> f64) -> f64 {
        let rounds = self.rounds.iter().filter(|(name, _)| *name == who);
        let mut rounds: Vec<f64> = rounds.map(|(_, figures)| of(figures)).collect();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Says how both stand; a share of the bare server's is told of the same work, so that more is better.
    pub(crate) fn judge(&self) {
        let rates = [Who::Ours, Who::Bare].map(|who| self.median(who, |round| round.rate));
        let cpu = [Who::Ours, Who::Bare].map(|who| self.median(who, |round| round.cpu));
        for (of, [ours, bare], share) in [
            ("requests/s", rates, rates[0] / rates[1]),
            ("CPU us/request", cpu, cpu[1] / cpu[0]),
        ] {
            let met = if share >= GOAL { "met" } else { "missed" };
            say(&format!(
                "{:<8}{of:<16}ours {ours:>9.1}   bare {bare:>9.1}   {:>4.0} % of bare (goal: {:.0} %; {met})",
                self.what,
                share * 100.0,
                GOAL * 100.0
            ));
        }
    }
}

/// Says what uploads held, in KB each, and whether that is within `most`.
pub(crate) fn memory(place: &str, count: usize, size: usize, held: Held, most: f64) {
    let Held { half, whole } = held;
    let met = if whole.max(half) <= most {
        "met"
    } else {
        "missed"
    };
    say(&format!(
        "{count} uploads of {} MB to {place}: {half:.0} KB each with half of it sent, {whole:.0} KB at most \
         (goal: {most:.0} KB; {met})",
        size >> 20
    ));
}
