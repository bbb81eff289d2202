//! The closed surface behind a model's split vertices.

use std::collections::HashMap;

/// Vertices of equal position counted as one.
pub(super) struct Welded {
    /// Each distinct position once, in order of first appearance; -0.0 is 0.0.
    pub(super) positions: Vec<[f32; 3]>,
    /// Per vertex of the model: its place in `positions`.
    pub(super) of: Vec<u32>,
}

/// Joins vertices whose positions are equal to the bit.
pub(super) fn weld(positions: &[[f32; 3]]) -> Welded {
    let mut places: HashMap<[u32; 3], u32> = HashMap::with_capacity(positions.len());
    let mut welded = Welded {
        positions: Vec::with_capacity(positions.len()),
        of: Vec::with_capacity(positions.len()),
    };
    for position in positions {
        let position = position.map(|v| v + 0.0);
        let place = *places.entry(position.map(f32::to_bits)).or_insert_with(|| {
            welded.positions.push(position);
            welded.positions.len() as u32 - 1
        });
        welded.of.push(place);
    }
    welded
}
