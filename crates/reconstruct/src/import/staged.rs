//! A model as it is looked at.

use std::borrow::Cow;

use crate::{Bounds, Model, Warning};

/// The model set on the origin, as previews expect it, and with an inner side where holes show it; one that stands
/// there and is closed is borrowed as it is.
#[must_use]
pub fn staged(model: &Model) -> Cow<'_, Model> {
    let Bounds { min, max } = Bounds::of(&model.positions);
    let middle = |axis: usize| (min[axis] + max[axis]) / 2.0;
    let origin = [middle(0), min[1], middle(2)];
    let has_holes = (model.warnings.iter()).any(|w| matches!(w, Warning::NotClosed { .. }));
    if origin == [0.0; 3] && !has_holes {
        return Cow::Borrowed(model);
    }
    let mut model = model.clone();
    for position in &mut model.positions {
        *position = std::array::from_fn(|axis| position[axis] - origin[axis]);
    }
    if has_holes {
        let outer = model.positions.len() as u32;
        model.positions.extend_from_within(..);
        model.uvs.extend_from_within(..);
        model.colours.extend_from_within(..);
        let inwards: Vec<_> = model.normals.iter().map(|n| n.map(|x| -x)).collect();
        model.normals.extend(inwards);
        let inner = model
            .triangles
            .iter()
            .map(|&[a, b, c]| [a, c, b].map(|v| v + outer));
        let inner: Vec<_> = inner.collect();
        model.triangles.extend(inner);
    }
    Cow::Owned(model)
}
