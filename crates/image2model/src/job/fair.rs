//! Start-time fair queueing: the order in which the ready tasks of one queue and lane are served.

/// The place of a flow's next task: one share after what was last served, or after the flow's own last task
/// if that is later. A flow with ten thousand tasks waits behind its own; another's first task goes next.
///
/// `served` is the highest score handed out yet, `flow_last` that of the flow's newest task (`None` for a flow
/// at rest, which may be forgotten as soon as its last score is not above `served`).
#[must_use]
pub fn score(served: f64, flow_last: Option<f64>, weight: f64) -> f64 {
    flow_last.map_or(served, |last| last.max(served)) + 1.0 / weight
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn a_flow_waits_behind_its_own_and_a_newcomer_goes_next() {
        let first = score(0.0, None, 1.0);
        let second = score(0.0, Some(first), 1.0);
        assert_eq!((first, second), (1.0, 2.0));
        assert_eq!(score(5.0, None, 1.0), 6.0);
        assert_eq!(score(5.0, Some(second), 1.0), 6.0, "rest gives no credit");
        assert_eq!(score(0.0, Some(first), 4.0), 1.25);
    }
}
