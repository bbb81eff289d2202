//! Which part of a picture's rim is surely background.
//!
//! Nothing but the object's own extent ties it to the middle, so the rim is taken for background, except
//! where its colours are much more at home inside the picture than on its rim: there an object may run
//! off the edge.

use super::{mixture::Mixture, small::Small};

/// Width of the rim as a share of the longest side.
const RIM: f32 = 0.04;

/// A colour counts as the object's when it is this many times rarer on the rim than inside.
const RARER: f32 = 2.5;

/// True for pixels that are background for certain.
pub(super) fn background(small: &Small) -> Vec<bool> {
    let rim = rim(small);
    let inside: Vec<_> = pick(small, &rim, false);
    let outside: Vec<_> = pick(small, &rim, true);
    let clusters = Mixture::split_into(&small.lab, CLUSTERS);
    let Some(clusters) = clusters else { return rim };
    let count = |colours: &[_]| {
        let mut counts = vec![0.0_f32; CLUSTERS];
        colours
            .iter()
            .for_each(|&c| counts[clusters.nearest(c)] += 1.0);
        counts
    };
    let (within, on_rim) = (count(&inside), count(&outside));
    let foreign: Vec<bool> = (0..CLUSTERS)
        .map(|i| {
            let share_within = within[i] / inside.len().max(1) as f32;
            let share_on_rim = on_rim[i] / outside.len().max(1) as f32;
            share_within > RARER * share_on_rim
        })
        .collect();
    let sure: Vec<bool> = rim
        .iter()
        .zip(&small.lab)
        .map(|(&on_rim, &colour)| on_rim && !foreign[clusters.nearest(colour)])
        .collect();
    let left = sure.iter().filter(|&&s| s).count();
    if left * 4 < outside.len() { rim } else { sure }
}

/// Colours told apart when rim and inside are compared.
const CLUSTERS: usize = 12;

fn rim(small: &Small) -> Vec<bool> {
    let margin = ((small.width.max(small.height) as f32 * RIM).round() as usize)
        .clamp(1, (small.width.min(small.height) / 4).max(1));
    let near = |at: usize, len: usize| at < margin || at + margin >= len;
    (0..small.lab.len())
        .map(|i| near(i % small.width, small.width) || near(i / small.width, small.height))
        .collect()
}

fn pick(small: &Small, rim: &[bool], wanted: bool) -> Vec<super::mixture::Lab> {
    let both = small.lab.iter().zip(rim);
    both.filter(|(_, on_rim)| **on_rim == wanted)
        .map(|(&c, _)| c)
        .collect()
}
