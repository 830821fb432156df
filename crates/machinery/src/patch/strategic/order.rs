//! The order of a merged list.

use serde_json::Value;

use crate::patch::PatchError;

/// What a list's elements are.
#[derive(Clone, Copy)]
pub(super) enum Items {
    /// Scalars, identified by value.
    Scalars,
    /// Objects, identified by this field.
    Maps(&'static str),
}

impl Items {
    /// Of the first element found; all must be of one kind.
    // upstream: #sliceElementType
    pub(super) fn of(a: &[Value], b: &[Value], key: &'static str) -> Result<Self, PatchError> {
        let mut maps = None;
        for v in a.iter().chain(b) {
            match (v, maps) {
                (Value::Array(_), _) => return Err(PatchError::ListOfLists),
                (Value::Object(_), Some(false)) => return Err(mixed()),
                (Value::Object(_), _) => maps = Some(true),
                (_, Some(true)) => return Err(mixed()),
                _ => maps = Some(false),
            }
        }
        Ok(if maps == Some(true) {
            Self::Maps(key)
        } else {
            Self::Scalars
        })
    }

    fn same(self, a: &Value, b: &Value) -> bool {
        match self {
            Self::Scalars => a == b,
            Self::Maps(key) => a.get(key).is_some() && a.get(key) == b.get(key),
        }
    }

    fn index(self, list: &[Value], v: &Value) -> Option<usize> {
        list.iter().position(|w| self.same(w, v))
    }
}

fn mixed() -> PatchError {
    PatchError::Strategic("list element types are not identical".to_owned())
}

/// Parts a list into what `order` names and the rest.
// upstream: #partitionMapsByPresentInList, #partitionPrimitivesByPresentInList
pub(super) fn partition(
    list: Vec<Value>,
    order: &[Value],
    items: Items,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    Ok(list
        .into_iter()
        .partition(|v| items.index(order, v).is_some()))
}

/// Merges the listed elements (in the patch's order) with the others (in the server's order).
// upstream: #normalizeElementOrder, #mergeSortedSlice
pub(super) fn normalize(
    listed: Vec<Value>,
    others: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    items: Items,
) -> Vec<Value> {
    let sorted = |mut list: Vec<Value>, order: &[Value]| {
        list.sort_by_key(|v| items.index(order, v).unwrap_or(usize::MAX));
        list
    };
    let listed = sorted(listed, patch_order);
    let others = sorted(others, server_order);
    let mut out = Vec::with_capacity(listed.len() + others.len());
    let mut left = others.into_iter().peekable();
    let mut right = listed.into_iter().peekable();
    while let (Some(l), Some(r)) = (left.peek(), right.peek()) {
        let first = match (items.index(server_order, l), items.index(server_order, r)) {
            (Some(i), Some(j)) => i < j,
            _ => false,
        };
        out.extend(if first { left.next() } else { right.next() });
    }
    out.extend(left);
    out.extend(right);
    out
}
