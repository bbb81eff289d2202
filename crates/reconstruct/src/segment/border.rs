//! Which part of a picture's rim is surely background.
//!
//! Nothing but the object's own extent ties it to the middle, so the rim is taken for background, except
//! where its colours are much more at home inside the picture than on its rim: there an object may run
//! off the edge.

use super::{mixture::Mixture, small::Small};

/// Width of the rim as a share of the longest side.
const RIM: f32 = 0.04;

/// Outermost pixels that are background for certain.
const SURE: usize = 1;

/// A colour counts as the object's when it is this many times rarer on the rim than inside.
const RARER: f32 = 2.5;

/// The same whatever shades it has on the rim.
const MUCH_RARER: f32 = 6.0;

/// The same for a colour that is confined to one stretch of the rim.
const RARER_CONFINED: f32 = 1.1;

/// What the rim tells before anything is cut.
#[derive(Debug, Clone)]
pub(super) struct Seeds {
    /// Background for certain: the outermost pixels.
    pub(super) sure: Vec<bool>,
    /// Background to begin with: the whole rim.
    pub(super) likely: Vec<bool>,
}

/// Takes the rim for background, except where an object runs off the edge.
pub(super) fn seeds(small: &Small) -> Seeds {
    let rim = rim(small, RIM);
    let edge = rim_of(small, SURE);
    let foreign = foreign(small, &rim);
    let own = |mask: &[bool]| -> Vec<bool> {
        let both = mask.iter().zip(&foreign);
        both.map(|(&masked, &foreign)| masked && !foreign).collect()
    };
    let likely = own(&rim);
    let count = |mask: &[bool]| mask.iter().filter(|&&m| m).count();
    if count(&likely) * 4 < count(&rim) {
        return Seeds {
            sure: edge,
            likely: rim,
        };
    }
    Seeds {
        sure: own(&edge),
        likely,
    }
}

/// Where a colour lies that is more at home inside than on the rim: much commoner there, or commoner and
/// confined to one stretch of the rim.
fn foreign(small: &Small, rim: &[bool]) -> Vec<bool> {
    let Some(clusters) = Mixture::split_into(&small.lab, CLUSTERS) else {
        return vec![false; rim.len()];
    };
    let labels: Vec<usize> = small.lab.iter().map(|&c| clusters.nearest(c)).collect();
    let mut within = [0.0_f32; CLUSTERS];
    let mut on_rim = [[0.0_f32; SECTORS]; CLUSTERS];
    for (i, (&label, &rim)) in labels.iter().zip(rim).enumerate() {
        if rim {
            on_rim[label][sector(i, small)] += 1.0;
        } else {
            within[label] += 1.0;
        }
    }
    let inside: f32 = within.iter().sum();
    let outside: f32 = on_rim.iter().flatten().sum();
    let ratios: Vec<f32> = within
        .iter()
        .zip(&on_rim)
        .map(|(&within, on_rim)| {
            within / inside.max(1.0) * outside / on_rim.iter().sum::<f32>().max(0.1)
        })
        .collect();
    let is_foreign = |(&ratio, on_rim): (&f32, _)| {
        ratio > RARER || ratio > RARER_CONFINED && stretch(on_rim) <= CONFINED
    };
    let foreign = ratios.iter().zip(&on_rim).map(is_foreign).collect();
    let mut foreign: Vec<bool> = without_shades(foreign, &clusters, &on_rim);
    for (foreign, ratio) in foreign.iter_mut().zip(ratios) {
        *foreign |= ratio > MUCH_RARER;
    }
    labels.iter().map(|&l| foreign[l]).collect()
}

/// A shade next to one that belongs to the background belongs to it, too: of a gradient only the middle
/// lies inside.
fn without_shades(
    mut foreign: Vec<bool>,
    clusters: &Mixture,
    on_rim: &[[f32; SECTORS]; CLUSTERS],
) -> Vec<bool> {
    let present: Vec<bool> = on_rim
        .iter()
        .map(|counts| counts.iter().any(|&c| c > 0.0))
        .collect();
    let near =
        |a: usize, b: usize| clusters.gap(a, b) < SHADE && clusters.difference(a, b) < SHADE_APART;
    let count = clusters.len();
    for _ in 0..count {
        for c in 0..count {
            foreign[c] &= !(0..count).any(|d| !foreign[d] && present[d] && near(c, d));
        }
    }
    foreign
}

/// Two clusters that one even spread was split into lie about 1.7 deviations apart: below this they are
/// shades of one.
const SHADE: f32 = 2.4;

/// Shades are not farther apart than this in L*a*b*.
const SHADE_APART: f32 = 20.0;

/// Which sector around the middle of the picture pixel `i` lies in.
fn sector(i: usize, small: &Small) -> usize {
    let centred = |at: usize, len: usize| (at as f32 + 0.5) / len as f32 - 0.5;
    let (x, y) = (
        centred(i % small.width, small.width),
        centred(i / small.width, small.height),
    );
    let turn = y.atan2(x) / std::f32::consts::TAU + 0.5;
    ((turn * SECTORS as f32) as usize).min(SECTORS - 1)
}

/// The fewest neighbouring sectors that hold nine tenths of `counts`.
fn stretch(counts: &[f32; SECTORS]) -> usize {
    let most = 0.9 * counts.iter().sum::<f32>();
    let holds = |len: usize| {
        (0..SECTORS)
            .any(|start| (0..len).map(|i| counts[(start + i) % SECTORS]).sum::<f32>() >= most)
    };
    (1..=SECTORS).find(|&len| holds(len)).unwrap_or(SECTORS)
}

/// Sectors of the rim, and how many of them make one stretch.
const SECTORS: usize = 48;
const CONFINED: usize = 14;

/// Colours told apart when rim and inside are compared.
const CLUSTERS: usize = 12;

/// Pixels within `share` of the longest side from the edge.
fn rim(small: &Small, share: f32) -> Vec<bool> {
    let margin = (small.width.max(small.height) as f32 * share).round() as usize;
    rim_of(small, margin)
}

/// Pixels within `margin` pixels from the edge, at least one and at most a quarter of the shorter side.
fn rim_of(small: &Small, margin: usize) -> Vec<bool> {
    let margin = margin.clamp(1, (small.width.min(small.height) / 4).max(1));
    let near = |at: usize, len: usize| at < margin || at + margin >= len;
    (0..small.lab.len())
        .map(|i| near(i % small.width, small.width) || near(i / small.width, small.height))
        .collect()
}
