//! Connected regions of a mask: what is too small to be meant is turned over.

/// Parts of the object under this share of it are specks.
const SPECK: f32 = 0.03;

/// Holes under this share of the object are pinholes.
const PINHOLE: f32 = 0.003;

/// A labelled region of equal pixels, four-connected.
struct Region {
    object: bool,
    pixels: Vec<usize>,
    touches_rim: bool,
}

/// Without specks and pinholes.
pub(super) fn clean(mut mask: Vec<bool>, width: usize) -> Vec<bool> {
    let area = mask.iter().filter(|&&m| m).count() as f32;
    let small =
        |region: &Region, share: f32| (region.pixels.len() as f32) < (share * area).max(4.0);
    let regions = regions(&mask, width);
    for region in regions {
        let drop = if region.object {
            small(&region, SPECK)
        } else {
            !region.touches_rim && small(&region, PINHOLE)
        };
        if drop {
            region.pixels.iter().for_each(|&i| mask[i] = !region.object);
        }
    }
    mask
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
