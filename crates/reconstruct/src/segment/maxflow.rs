//! Least cut of an 8-connected pixel grid, after Boykov and Kolmogorov, "An Experimental Comparison of
//! Min-Cut/Max-Flow Algorithms" (2004).
//!
//! Two trees grow from the terminals over edges with capacity left; where they meet, flow is pushed and
//! the branches that it saturates look for new parents. Capacities are whole numbers, so the result does
//! not hang on rounding. Knows nothing of colours.

use std::collections::VecDeque;

/// Steps to the eight neighbours; the opposite of step `d` is `d ^ 1`.
pub(super) const STEPS: [(i32, i32); 8] = [
    (1, 0),
    (-1, 0),
    (0, 1),
    (0, -1),
    (1, 1),
    (-1, -1),
    (1, -1),
    (-1, 1),
];

/// `parent` of a node that hangs on its terminal, and of one that hangs on nothing.
const TERMINAL: u8 = 8;
const ORPHAN: u8 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    None,
    Source,
    Sink,
}

/// A node of the search trees.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Capacity left from the source (positive) or to the sink (negative).
    terminal: i32,
    tree: Tree,
    /// Step towards the parent, or [`TERMINAL`] or [`ORPHAN`].
    parent: u8,
    queued: bool,
    /// When `depth` was last known to be true.
    stamp: u32,
    depth: u32,
}

/// A grid of pixels with capacities between neighbours and to both terminals.
#[derive(Debug)]
pub(super) struct Grid {
    width: usize,
    height: usize,
    /// Nodes in a row, a frame of unconnected nodes included.
    stride: usize,
    offsets: [isize; 8],
    nodes: Vec<Node>,
    /// Capacity left along each step out of each node.
    edges: Vec<[i32; 8]>,
    active: VecDeque<usize>,
    orphans: VecDeque<usize>,
    time: u32,
}

impl Grid {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let stride = width + 2;
        let len = stride * (height + 2);
        let node = Node {
            terminal: 0,
            tree: Tree::None,
            parent: ORPHAN,
            queued: false,
            stamp: 0,
            depth: 0,
        };
        Self {
            width,
            height,
            stride,
            offsets: STEPS.map(|(dx, dy)| dx as isize + dy as isize * stride as isize),
            nodes: vec![node; len],
            edges: vec![[0; 8]; len],
            active: VecDeque::new(),
            orphans: VecDeque::new(),
            time: 0,
        }
    }

    fn index(&self, x: usize, y: usize) -> usize {
        (y + 1) * self.stride + x + 1
    }

    /// Sets the capacity between a pixel and its neighbour at `step`, in both directions.
    pub(super) fn link(&mut self, x: usize, y: usize, step: usize, capacity: i32) {
        let from = self.index(x, y);
        let to = from.wrapping_add_signed(self.offsets[step]);
        self.edges[from][step] = capacity;
        self.edges[to][step ^ 1] = capacity;
    }

    /// Sets the capacity from the source (positive) or to the sink (negative).
    pub(super) fn tie(&mut self, x: usize, y: usize, capacity: i32) {
        let at = self.index(x, y);
        self.nodes[at].terminal = capacity;
    }

    /// Cuts the grid; true where a pixel stays with the source.
    pub(super) fn cut(mut self) -> Vec<bool> {
        self.plant();
        let mut current = None;
        while let Some(p) = current.take().or_else(|| self.next_active()) {
            if let Some((from, step)) = self.grow(p) {
                self.time += 1;
                self.augment(from, step);
                while let Some(orphan) = self.orphans.pop_front() {
                    self.adopt(orphan);
                }
                if self.nodes[p].tree != Tree::None {
                    current = Some(p);
                }
            }
        }
        let mut kept = Vec::with_capacity(self.width * self.height);
        for y in 0..self.height {
            let row = self.index(0, y);
            kept.extend(
                self.nodes[row..row + self.width]
                    .iter()
                    .map(|n| n.tree == Tree::Source),
            );
        }
        kept
    }

    fn plant(&mut self) {
        for at in 0..self.nodes.len() {
            let node = &mut self.nodes[at];
            if node.terminal == 0 {
                continue;
            }
            node.tree = if node.terminal > 0 {
                Tree::Source
            } else {
                Tree::Sink
            };
            node.parent = TERMINAL;
            node.depth = 1;
            self.activate(at);
        }
    }

    fn activate(&mut self, at: usize) {
        if !self.nodes[at].queued {
            self.nodes[at].queued = true;
            self.active.push_back(at);
        }
    }

    fn next_active(&mut self) -> Option<usize> {
        while let Some(at) = self.active.pop_front() {
            self.nodes[at].queued = false;
            if self.nodes[at].tree != Tree::None {
                return Some(at);
            }
        }
        None
    }

    fn step(&self, at: usize, step: usize) -> usize {
        at.wrapping_add_signed(self.offsets[step])
    }

    /// Capacity left between `p` and its neighbour at `step`, in the direction in which `tree` grows.
    fn room(&self, tree: Tree, p: usize, step: usize) -> i32 {
        match tree {
            Tree::Source => self.edges[p][step],
            _ => self.edges[self.step(p, step)][step ^ 1],
        }
    }

    /// Takes free neighbours of `p` into its tree; the edge from source to sink tree, if they meet.
    fn grow(&mut self, p: usize) -> Option<(usize, usize)> {
        let Node {
            tree, stamp, depth, ..
        } = self.nodes[p];
        for step in 0..8 {
            if self.room(tree, p, step) == 0 {
                continue;
            }
            let q = self.step(p, step);
            let node = &mut self.nodes[q];
            if node.tree == Tree::None {
                node.tree = tree;
            } else if node.tree != tree {
                return Some(if tree == Tree::Source {
                    (p, step)
                } else {
                    (q, step ^ 1)
                });
            } else if node.stamp > stamp || node.depth <= depth + 1 || node.parent == TERMINAL {
                continue;
            } else {
                node.parent = (step ^ 1) as u8;
                node.stamp = stamp;
                node.depth = depth + 1;
                continue;
            }
            node.parent = (step ^ 1) as u8;
            node.stamp = stamp;
            node.depth = depth + 1;
            self.activate(q);
        }
        None
    }

    /// Pushes as much as fits along the path through the edge `step` out of `from`.
    fn augment(&mut self, from: usize, step: usize) {
        let to = self.step(from, step);
        let mut flow = self.edges[from][step];
        let mut at = from;
        while self.nodes[at].parent != TERMINAL {
            let up = usize::from(self.nodes[at].parent);
            at = self.step(at, up);
            flow = flow.min(self.edges[at][up ^ 1]);
        }
        flow = flow.min(self.nodes[at].terminal);
        at = to;
        while self.nodes[at].parent != TERMINAL {
            let up = usize::from(self.nodes[at].parent);
            flow = flow.min(self.edges[at][up]);
            at = self.step(at, up);
        }
        flow = flow.min(-self.nodes[at].terminal);
        self.edges[from][step] -= flow;
        self.edges[to][step ^ 1] += flow;
        self.push(from, flow, Tree::Source);
        self.push(to, flow, Tree::Sink);
    }

    /// Pushes `flow` between `at` and the root of its tree; saturated branches become orphans.
    fn push(&mut self, mut at: usize, flow: i32, tree: Tree) {
        while self.nodes[at].parent != TERMINAL {
            let up = usize::from(self.nodes[at].parent);
            let above = self.step(at, up);
            let (near, far) = match tree {
                Tree::Source => ((above, up ^ 1), (at, up)),
                _ => ((at, up), (above, up ^ 1)),
            };
            self.edges[near.0][near.1] -= flow;
            self.edges[far.0][far.1] += flow;
            if self.edges[near.0][near.1] == 0 {
                self.orphan(at);
            }
            at = above;
        }
        let root = &mut self.nodes[at];
        root.terminal += if tree == Tree::Source { -flow } else { flow };
        if root.terminal == 0 {
            self.orphan(at);
        }
    }

    fn orphan(&mut self, at: usize) {
        self.nodes[at].parent = ORPHAN;
        self.orphans.push_front(at);
    }

    /// Finds `p` the parent nearest to the root, or frees it.
    fn adopt(&mut self, p: usize) {
        let tree = self.nodes[p].tree;
        let mut best: Option<(u32, usize)> = None;
        for step in 0..8 {
            let q = self.step(p, step);
            if self.nodes[q].tree != tree || self.room(tree, q, step ^ 1) == 0 {
                continue;
            }
            if let Some(depth) = self.depth(q)
                && best.is_none_or(|(least, _)| depth < least)
            {
                best = Some((depth, step));
            }
        }
        if let Some((depth, step)) = best {
            let node = &mut self.nodes[p];
            node.parent = step as u8;
            node.stamp = self.time;
            node.depth = depth + 1;
            return;
        }
        for step in 0..8 {
            let q = self.step(p, step);
            if self.nodes[q].tree != tree {
                continue;
            }
            if self.room(tree, q, step ^ 1) > 0 {
                self.activate(q);
            }
            if self.nodes[q].parent == (step ^ 1) as u8 {
                self.nodes[q].parent = ORPHAN;
                self.orphans.push_back(q);
            }
        }
        self.nodes[p].tree = Tree::None;
    }

    /// Distance of `q` from the root of its tree, if it still hangs on it; remembered along the way.
    fn depth(&mut self, q: usize) -> Option<u32> {
        let mut steps = 0;
        let mut at = q;
        let root = loop {
            let node = self.nodes[at];
            if node.stamp == self.time && node.parent != ORPHAN {
                break node.depth;
            }
            match node.parent {
                TERMINAL => {
                    let node = &mut self.nodes[at];
                    node.stamp = self.time;
                    node.depth = 1;
                    break 1;
                }
                ORPHAN => return None,
                up => at = self.step(at, usize::from(up)),
            }
            steps += 1;
        };
        let depth = root + steps;
        let mut left = depth;
        let mut at = q;
        while self.nodes[at].stamp != self.time {
            let node = &mut self.nodes[at];
            node.stamp = self.time;
            node.depth = left;
            left -= 1;
            let up = usize::from(node.parent);
            at = self.step(at, up);
        }
        Some(depth)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cost of a labelling: terminal capacities cut plus links between different labels.
    fn cost(labels: &[bool], width: usize, ties: &[(i32, i32)], links: &[[i32; 4]]) -> i64 {
        let height = labels.len() / width;
        let mut sum = 0;
        for (i, &(source, sink)) in ties.iter().enumerate() {
            sum += i64::from(if labels[i] { sink } else { source });
            for (&(dx, dy), &capacity) in FORWARD.iter().zip(&links[i]) {
                let (x, y) = ((i % width) as i32 + dx, (i / width) as i32 + dy);
                if x >= 0 && x < width as i32 && y < height as i32 {
                    let other = labels[y as usize * width + x as usize];
                    sum += i64::from(if other == labels[i] { 0 } else { capacity });
                }
            }
        }
        sum
    }

    const FORWARD: [(i32, i32); 4] = [(1, 0), (0, 1), (1, 1), (-1, 1)];

    fn cut(width: usize, ties: &[(i32, i32)], links: &[[i32; 4]]) -> Vec<bool> {
        let height = ties.len() / width;
        let mut grid = Grid::new(width, height);
        for (i, &(source, sink)) in ties.iter().enumerate() {
            let (x, y) = (i % width, i / width);
            grid.tie(x, y, source - sink);
            for (step, capacity) in FORWARD.iter().zip(links[i]) {
                let (nx, ny) = (x as i32 + step.0, y as i32 + step.1);
                if nx >= 0 && nx < width as i32 && ny < height as i32 {
                    let step = STEPS.iter().position(|s| s == step).unwrap();
                    grid.link(x, y, step, capacity);
                }
            }
        }
        grid.cut()
    }

    proptest! {
        #[test]
        fn no_labelling_costs_less_than_the_cut(
            ties in prop::collection::vec((0..40i32, 0..40i32), 12),
            links in prop::collection::vec(prop::array::uniform4(0..30i32), 12),
        ) {
            let found = cost(&cut(4, &ties, &links), 4, &ties, &links);
            let least = (0..1u32 << 12)
                .map(|bits| {
                    let labels: Vec<bool> = (0..12).map(|i| bits >> i & 1 == 1).collect();
                    cost(&labels, 4, &ties, &links)
                })
                .min();
            prop_assert_eq!(Some(found), least);
        }
    }
}
