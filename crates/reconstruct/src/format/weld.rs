//! The closed surface behind a model's split vertices.

use std::collections::HashMap;

/// Vertices of equal position counted as one.
pub(crate) struct Welded {
    /// Each distinct position once, in order of first appearance; -0.0 is 0.0.
    pub(crate) positions: Vec<[f32; 3]>,
    /// Per vertex of the model: its place in `positions`.
    pub(crate) of: Vec<u32>,
}

/// Joins vertices whose positions are equal to the bit.
pub(crate) fn weld(positions: &[[f32; 3]]) -> Welded {
    let mut welder = Welder {
        places: HashMap::with_capacity(positions.len()),
    };
    let mut welded = Welded {
        positions: Vec::with_capacity(positions.len()),
        of: Vec::with_capacity(positions.len()),
    };
    for position in positions {
        let next = welded.positions.len() as u32;
        let place = welder.name(*position, next);
        if place == next {
            welded.positions.push(position.map(|v| v + 0.0));
        }
        welded.of.push(place);
    }
    welded
}

/// Tells positions that were seen before from new ones.
#[derive(Default)]
pub(crate) struct Welder {
    places: HashMap<[u32; 3], u32>,
}

impl Welder {
    /// The number that the position got when it was first seen, which is `next` when that is now.
    pub(crate) fn name(&mut self, position: [f32; 3], next: u32) -> u32 {
        let bits = position.map(|v| (v + 0.0).to_bits());
        *self.places.entry(bits).or_insert(next)
    }
}
