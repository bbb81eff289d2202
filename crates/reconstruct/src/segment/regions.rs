//! Connected regions of a mask: what is too small to be meant is turned over.

use super::{
    mixture::{Lab, Mixture},
    small::Small,
};

/// Parts of the object under this share of its largest are specks.
const SPECK: f32 = 0.04;

/// Holes under this share of the object are pinholes.
const PINHOLE: f32 = 0.003;

/// Holes over this share of the object are always kept.
const LARGE_HOLE: f32 = 0.03;

/// How much less likely than the background around, in logarithms, a hole's colours may be.
const UNLIKELY: f32 = 4.0;

/// A labelled region of equal pixels, four-connected.
struct Region {
    object: bool,
    pixels: Vec<usize>,
    touches_rim: bool,
}

/// Without specks, pinholes and spots of the object that only look a little like the background.
pub(super) fn clean(mut mask: Vec<bool>, small: &Small) -> Vec<bool> {
    let regions = regions(&mask, small.width);
    let sizes = regions.iter().filter(|r| r.object).map(|r| r.pixels.len());
    let (area, largest) = sizes.fold((0, 0), |(sum, most), n| (sum + n, most.max(n)));
    let under = |region: &Region, share: f32, of: usize| {
        (region.pixels.len() as f32) < (share * of as f32).max(4.0)
    };
    for region in regions {
        let turned = if region.object {
            under(&region, SPECK, largest)
        } else {
            !region.touches_rim
                && under(&region, LARGE_HOLE, area)
                && (under(&region, PINHOLE, area) || !shows_ground(&region, &mask, small))
        };
        if turned {
            region.pixels.iter().for_each(|&i| mask[i] = !region.object);
        }
    }
    mask
}

/// Whether a hole looks like the background around the object near it, and so may well be one.
fn shows_ground(hole: &Region, mask: &[bool], small: &Small) -> bool {
    let reach = 12 + 3 * (hole.pixels.len() as f32).sqrt() as usize;
    let columns = hole.pixels.iter().map(|i| i % small.width);
    let (left, right) = columns.fold((usize::MAX, 0), |(l, r), x| (l.min(x), r.max(x)));
    let (top, bottom) = (
        hole.pixels[0] / small.width,
        hole.pixels.iter().max().map_or(0, |i| i / small.width),
    );
    let mut own = vec![false; mask.len()];
    hole.pixels.iter().for_each(|&i| own[i] = true);
    let mut ground = Vec::new();
    for y in top.saturating_sub(reach)..(bottom + reach).min(small.height) {
        for x in left.saturating_sub(reach)..(right + reach).min(small.width) {
            let i = y * small.width + x;
            if !mask[i] && !own[i] {
                ground.push(small.lab[i]);
            }
        }
    }
    let Some(model) = Mixture::split(&ground).filter(|_| ground.len() > 30) else {
        return true;
    };
    let mean = |sum: f32, count: usize| sum / count as f32;
    let density = |lab: Lab| model.log_density(lab).max(-40.0);
    let seen = mean(
        hole.pixels.iter().map(|&i| density(small.lab[i])).sum(),
        hole.pixels.len(),
    );
    let usual = mean(ground.iter().map(|&lab| density(lab)).sum(), ground.len());
    seen > usual - UNLIKELY
}

/// Share of the object that its largest part holds.
pub(super) fn largest(mask: &[bool], width: usize) -> f32 {
    let parts: Vec<usize> = regions(mask, width)
        .iter()
        .filter(|r| r.object)
        .map(|r| r.pixels.len())
        .collect();
    let total: usize = parts.iter().sum();
    parts.iter().copied().max().unwrap_or(0) as f32 / total.max(1) as f32
}

fn regions(mask: &[bool], width: usize) -> Vec<Region> {
    let height = mask.len() / width;
    let mut seen = vec![false; mask.len()];
    let mut found = Vec::new();
    for start in 0..mask.len() {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut region = Region {
            object: mask[start],
            pixels: vec![start],
            touches_rim: false,
        };
        let mut next = 0;
        while next < region.pixels.len() {
            let at = region.pixels[next];
            next += 1;
            let (x, y) = (at % width, at / width);
            region.touches_rim |= x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            let neighbours = [
                (x > 0).then(|| at - 1),
                (x + 1 < width).then_some(at + 1),
                (y > 0).then(|| at - width),
                (y + 1 < height).then_some(at + width),
            ];
            for q in neighbours.into_iter().flatten() {
                if !seen[q] && mask[q] == region.object {
                    seen[q] = true;
                    region.pixels.push(q);
                }
            }
        }
        found.push(region);
    }
    found
}
