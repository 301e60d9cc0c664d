//! Finds cycles among flags or groups that refer to each other.

/// Returns the strongly connected components by Tarjan's algorithm. A component comes before those that refer to it.
///
/// `edges[i]` lists what `i` refers to; numbers out of range are skipped. The function does not recurse, because a
/// configuration may be too deep for the stack.
pub(crate) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut nodes = vec![Node::default(); edges.len()];
    let mut clock = 0_usize;
    let mut open = Vec::new();
    let mut found = Vec::new();
    for start in 0..edges.len() {
        if nodes.get(start).is_none_or(|node| node.seen > 0) {
            continue;
        }
        let mut path: Vec<(usize, std::slice::Iter<'_, usize>)> = Vec::new();
        let mut enter = Some(start);
        loop {
            if let Some(at) = enter.take()
                && let (Some(node), Some(list)) = (nodes.get_mut(at), edges.get(at))
            {
                clock = clock.saturating_add(1);
                *node = Node {
                    seen: clock,
                    low: clock,
                    open: true,
                };
                open.push(at);
                path.push((at, list.iter()));
            }
            let Some((at, rest)) = path.last_mut() else {
                break;
            };
            let at = *at;
            if let Some(&next) = rest.next() {
                match nodes.get(next).copied() {
                    Some(node) if node.seen == 0 => enter = Some(next),
                    Some(node) if node.open => lower(&mut nodes, at, node.seen),
                    _ => {}
                }
                continue;
            }
            path.pop();
            let Some(node) = nodes.get(at).copied() else {
                continue;
            };
            if let Some((parent, _)) = path.last() {
                lower(&mut nodes, *parent, node.low);
            }
            if node.low == node.seen {
                let from = open.iter().rposition(|member| *member == at).unwrap_or(0);
                let members = open.split_off(from);
                for member in &members {
                    if let Some(node) = nodes.get_mut(*member) {
                        node.open = false;
                    }
                }
                found.push(members);
            }
        }
    }
    found
}

#[derive(Clone, Copy, Default)]
struct Node {
    /// The place of the node in the order of visits, counted from 1; 0 before its visit.
    seen: usize,
    /// The lowest `seen` of the open nodes that this node is known to reach.
    low: usize,
    /// Whether the component of the node is still being collected.
    open: bool,
}

fn lower(nodes: &mut [Node], at: usize, reached: usize) {
    if let Some(node) = nodes.get_mut(at) {
        node.low = node.low.min(reached);
    }
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn finds_cycles_and_orders_the_rest() {
        // 0 → 1 → 2 → 1, 2 → 3, 4 alone with itself.
        let found = components(&[vec![1], vec![2], vec![1, 3], vec![], vec![4]]);
        assert_eq!(found, [vec![3], vec![1, 2], vec![0], vec![4]]);
    }

    #[test]
    fn takes_a_chain_deeper_than_the_stack() {
        let length = 300_000;
        let edges: Vec<Vec<usize>> = (0..length).map(|i| vec![i + 1]).collect();
        let found = components(&edges);
        assert_eq!(found.len(), length);
        assert_eq!(found.first(), Some(&vec![length - 1]));
    }
}
