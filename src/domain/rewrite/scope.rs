//! Which object a marked scalar belongs to: the document's, or that of the list item it is in.
//!
//! Names may stand before or after the marked scalar, so they are collected until item and document are over.

use super::path::{Path, Step};
use crate::domain::object::ObjectId;

/// The naming fields of one object.
#[derive(Debug, Default)]
struct Names {
    api_version: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Names {
    fn set(&mut self, steps: &[&Step<'_>], value: &str) {
        let slot = match steps {
            [Step::Map { key, .. }] if key == "apiVersion" => &mut self.api_version,
            [Step::Map { key, .. }] if key == "kind" => &mut self.kind,
            [Step::Map { key: above, .. }, Step::Map { key, .. }]
                if above == "metadata" && key == "name" =>
            {
                &mut self.name
            }
            [Step::Map { key: above, .. }, Step::Map { key, .. }]
                if above == "metadata" && key == "namespace" =>
            {
                &mut self.namespace
            }
            _ => return,
        };
        // Null names nothing, and no object has a longer name: a hostile value is not kept.
        let names = !matches!(value, "" | "~" | "null") && value.len() <= 512;
        *slot = names.then(|| value.to_owned());
    }

    fn id(&self) -> Option<ObjectId> {
        Some(ObjectId {
            api_version: self.api_version.clone().unwrap_or_default(),
            kind: self.kind.clone()?,
            namespace: self.namespace.clone(),
            name: self.name.clone()?,
        })
    }
}

/// The names seen so far in one document.
#[derive(Debug, Default)]
pub(super) struct Scope {
    root: Names,
    /// The item the events are in, and whether a marked scalar is in it.
    item: Option<(usize, Names, bool)>,
    /// The items with marked scalars that are over, in order.
    items: Vec<(usize, Option<ObjectId>)>,
}

impl Scope {
    /// Looks at a scalar value, before the path passes it.
    pub(super) fn see(&mut self, path: &Path<'_>, value: &str) {
        if !matches!(
            path.key(),
            Some("apiVersion" | "kind" | "name" | "namespace")
        ) {
            return;
        }
        // No naming field is deeper than `items[].metadata.name`.
        let Some(steps) = path.steps(4) else {
            return;
        };
        match steps.as_slice() {
            [Step::Seq { .. }, rest @ ..] => self.names(path).set(rest, value),
            [Step::Map { key, .. }, Step::Seq { .. }, rest @ ..] if key == "items" => {
                self.names(path).set(rest, value)
            }
            rest => self.root.set(rest, value),
        }
    }

    fn names(&mut self, path: &Path<'_>) -> &mut Names {
        match path.item() {
            Some(index) => &mut self.open(index).1,
            None => &mut self.root,
        }
    }

    /// Says that a marked scalar is in an item.
    pub(super) fn mark(&mut self, item: Option<usize>) {
        if let Some(index) = item {
            self.open(index).2 = true;
        }
    }

    fn open(&mut self, index: usize) -> &mut (usize, Names, bool) {
        if self.item.as_ref().is_none_or(|(open, ..)| *open != index) {
            self.close();
        }
        self.item
            .get_or_insert_with(|| (index, Names::default(), false))
    }

    fn close(&mut self) {
        if let Some((index, names, true)) = self.item.take() {
            self.items.push((index, names.id()));
        }
    }

    /// The document is over: what answers for each item (`None`: not in one).
    pub(super) fn finish(mut self) -> impl Fn(Option<usize>) -> Option<ObjectId> {
        self.close();
        let root = self.root.id();
        // Without `kind` at the root, a sequence is the root; other kinds have fields called `items` that hold no objects.
        let lists = self
            .root
            .kind
            .as_deref()
            .is_none_or(|kind| kind.ends_with("List"));
        let items = self.items;
        move |item| {
            let listed = item.filter(|_| lists).and_then(|index| {
                let place = items
                    .binary_search_by_key(&index, |(index, _)| *index)
                    .ok()?;
                items[place].1.clone()
            });
            listed.or_else(|| root.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::locate::locate;

    /// The objects that the marked scalars of a document belong to.
    fn objects(text: &str) -> Vec<String> {
        let text = text.replace("@", "v # {\"$imagepolicy\": \"ns:app\"}\n");
        let located = locate(&text, &text).expect("the document parses");
        let name = |object: &Option<_>| match object {
            None => "-".to_owned(),
            Some(object) => crate::domain::object::ObjectId::to_string(object),
        };
        located
            .marked
            .iter()
            .map(|marked| name(&marked.object))
            .collect()
    }

    #[test]
    fn names_count_wherever_they_stand_in_the_document() {
        assert_eq!(
            objects("kind: A\nmetadata: {name: x, namespace: n}\na: @"),
            ["A/n/x"]
        );
        assert_eq!(objects("a: @metadata:\n  name: x\nkind: A\n"), ["A/x"]);
        assert_eq!(
            objects("a: @---\nkind: A\nmetadata: {name: x}\na: @"),
            ["-", "A/x"]
        );
    }

    #[test]
    fn what_names_no_object_gives_none() {
        for text in [
            "a: @",
            "kind: A\na: @",
            "metadata: {name: x}\na: @",
            "kind: A\nmetadata: {name: null}\na: @",
            "kind: A\nmetadata: words\na: @",
            "kind: A\nx: {metadata: {name: x}}\na: @",
            "kind: A\nmetadata: {labels: {name: x}}\na: @",
        ] {
            assert_eq!(objects(text), ["-"], "{text}");
        }
    }

    #[test]
    fn an_item_of_a_list_has_its_own_name() {
        let items = "items:\n- kind: A\n  metadata: {name: x}\n  a: @- a: @  kind: B\n  metadata: {name: y}\n- a: @";
        assert_eq!(
            objects(&format!("{items}kind: List\n")),
            ["A/x", "B/y", "-"]
        );
        assert_eq!(
            objects(&format!("kind: PodList\n{items}")),
            ["A/x", "B/y", "-"]
        );
        assert_eq!(
            objects(&format!("kind: C\nmetadata: {{name: z}}\n{items}")),
            ["C/z", "C/z", "C/z"]
        );
    }
}
