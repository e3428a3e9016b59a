//! Random stacks of layers against a model that unpacks them.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Entry {
    Foreign(String),
    Right(String),
    Folder(String),
    Whiteout(String),
    Opaque(String),
}

/// Few names, so that they meet often.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        4 => path().prop_map(Entry::Foreign),
        2 => path().prop_map(Entry::Right),
        1 => path().prop_map(Entry::Folder),
        2 => path().prop_map(Entry::Whiteout),
        1 => path().prop_map(Entry::Opaque),
    ]
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Folder,
    /// A file, and the layer of a foreign one.
    File(Option<usize>),
}

/// What is at which path.
#[derive(Default)]
struct Tree(BTreeMap<String, Node>);

impl Tree {
    fn remove_below(&mut self, path: &str) {
        let below = format!("{path}/");
        self.0.retain(|known, _| !known.starts_with(&below));
    }

    fn remove(&mut self, path: &str) {
        self.remove_below(path);
        self.0.remove(path);
    }

    fn put(&mut self, path: &str, node: Node) {
        for (slash, _) in path.match_indices('/') {
            let folder = &path[..slash];
            if self.0.get(folder) != Some(&Node::Folder) {
                self.0.insert(folder.to_string(), Node::Folder);
            }
        }
        if node != Node::Folder {
            self.remove_below(path);
        }
        self.0.insert(path.to_string(), node);
    }

    /// Whiteouts first, since they are of the lower layers alone.
    fn apply(&mut self, number: usize, layer: &[Entry]) {
        for entry in layer {
            match entry {
                Entry::Whiteout(path) => self.remove(path),
                Entry::Opaque(path) => self.remove_below(path),
                _ => {}
            }
        }
        for entry in layer {
            match entry {
                Entry::Foreign(path) => self.put(path, Node::File(Some(number))),
                Entry::Right(path) => self.put(path, Node::File(None)),
                Entry::Folder(path) => self.put(path, Node::Folder),
                Entry::Whiteout(_) | Entry::Opaque(_) => {}
            }
        }
    }

    fn foreign(&self) -> Vec<String> {
        let mut found: Vec<(usize, &str)> = self
            .0
            .iter()
            .filter_map(|(path, node)| match node {
                Node::File(Some(number)) => Some((*number, path.as_str())),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        let found = found.into_iter();
        found
            .map(|(number, path)| format!("{number} {path}"))
            .collect()
    }
}

fn tar(layer: &[Entry]) -> Vec<u8> {
    let whiteout = |path: &str| match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.wh.{name}"),
        None => format!(".wh.{path}"),
    };
    let add = |tar: Tar, entry: &Entry| match entry {
        Entry::Foreign(path) => tar.file(path, &amd64()),
        Entry::Right(path) => tar.file(path, &arm64()),
        Entry::Folder(path) => tar.folder(path),
        Entry::Whiteout(path) => tar.file(&whiteout(path), b""),
        Entry::Opaque(path) => tar.file(&format!("{path}/.wh..wh..opq"), b""),
    };
    layer.iter().fold(Tar::new(), add).bytes()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn a_stack_of_layers_has_what_unpacking_it_leaves(
        layers in prop::collection::vec(prop::collection::vec(entry(), 0..7), 1..5)
    ) {
        let mut tree = Tree::default();
        for (below, layer) in layers.iter().enumerate() {
            tree.apply(below + 1, layer);
        }
        let layers = layers.iter().map(|layer| tar(layer)).collect();
        prop_assert_eq!(foreign(layers), tree.foreign());
    }
}
