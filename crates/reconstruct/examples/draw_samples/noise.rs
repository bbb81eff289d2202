//! Value noise, the same on every machine.

/// 0 to 1 for a lattice point.
pub(crate) fn hash(x: i32, y: i32) -> f32 {
    let mut n = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    n = (n ^ n >> 15).wrapping_mul(0x2c1b_3c6d);
    n = (n ^ n >> 12).wrapping_mul(0x297a_2d39);
    (n ^ n >> 15) as f32 / u32::MAX as f32
}

/// Smooth noise of 0 to 1.
pub(crate) fn noise(x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * t * (t * (6.0 * t - 15.0) + 10.0);
    let (fx, fy) = (ease(x - x0), ease(y - y0));
    let at = |dx, dy| hash(x0 as i32 + dx, y0 as i32 + dy);
    let top = at(0, 0) + (at(1, 0) - at(0, 0)) * fx;
    let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * fx;
    top + (bottom - top) * fy
}

/// Octaves of [`noise`], each half as strong and twice as fine; about 0 to 1.
pub(crate) fn fractal(x: f32, y: f32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    let (mut x, mut y) = (x, y);
    for _ in 0..octaves {
        sum += noise(x, y) * weight;
        total += weight;
        weight *= 0.5;
        (x, y) = (2.0 * x + 17.3, 2.0 * y - 9.1);
    }
    sum / total
}
