//! Paths: what `name`, `../name`, `@index` and `list.field` lead to.

use super::{Checker, describe};
use crate::diagnostic::{Code, Place, closest};
use crate::template::names::Shape;

impl Checker<'_> {
    /// The shape of what a path leads to; nothing, and a problem, where it leads nowhere.
    pub(super) fn path(&mut self, raw: &str, place: &Place) -> Option<Shape> {
        let mut level = self.frames.len() - 1;
        let mut path = raw;
        if let Some(rest) = path.strip_prefix("@root") {
            level = 0;
            path = rest.trim_start_matches(['.', '/']);
        }
        let local = path.strip_prefix('@');
        path = local.unwrap_or(path);
        while let Some(rest) = path.strip_prefix("..") {
            if level == 0 {
                let message = format!("`{raw}` leaves the outermost level");
                self.problem(Code::UnknownName, place.clone(), message);
                return None;
            }
            level -= 1;
            path = rest.trim_start_matches(['.', '/']);
        }
        if local.is_some() {
            let known = ["index", "first", "last"].contains(&path);
            if known && self.frames[..=level].iter().any(|frame| frame.looping) {
                return Some(Shape::Scalar);
            }
            let message = match known {
                true => format!("`{raw}` exists in `#each` only"),
                false => format!("`{raw}` stands for nothing"),
            };
            self.problem(Code::UnknownName, place.clone(), message).help =
                Some("a loop over a list has `@index`, `@first` and `@last`".to_string());
            return None;
        }
        let explicit =
            path.starts_with("this") || path.starts_with("./") || level + 1 < self.frames.len();
        let segments = segments(path);
        let mut segments = segments.iter().map(String::as_str);
        let mut shape = self.frames[level].shape.clone();
        if let Some(first) = segments.next() {
            let param = self.frames[..=level]
                .iter()
                .rev()
                .find_map(|frame| frame.params.get(first));
            shape = match param {
                Some(param) if !explicit => param.clone(),
                _ => self.field(&shape, first, raw, level, place)?,
            };
        }
        for segment in segments {
            shape = self.field(&shape, segment, raw, level, place)?;
        }
        Some(shape)
    }

    fn field(
        &mut self,
        shape: &Shape,
        name: &str,
        raw: &str,
        level: usize,
        place: &Place,
    ) -> Option<Shape> {
        let language = self.language;
        let (known, field): (Vec<&str>, Option<Shape>) = match shape {
            Shape::Any => return Some(Shape::Any),
            Shape::Arch => {
                if let Some(known) = language.names.get(name) {
                    self.used.insert(name.to_string());
                    return Some(known.shape.clone());
                }
                (Vec::new(), None)
            }
            Shape::Table(fields) => (
                fields.keys().map(String::as_str).collect(),
                fields.get(name).cloned(),
            ),
            Shape::List(item) if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Some((**item).clone());
            }
            Shape::List(_) | Shape::Scalar | Shape::Condition | Shape::Mixed => (Vec::new(), None),
        };
        if field.is_some() {
            return field;
        }
        let opened = &self.frames[level].opened;
        let outside = level > 0 && language.names.get(name).is_some() && raw == name;
        let message = match shape {
            Shape::Arch => format!("`{name}` is not defined"),
            Shape::Table(_) => format!("`{name}` is not a field here"),
            _ if raw == name => format!("`{name}` is not in what `{opened}` goes through"),
            _ => format!("`{raw}` leads nowhere: {} has no `{name}`", describe(shape)),
        };
        let near = match shape {
            Shape::Arch => language.names.closest(name),
            _ => closest(name, known.iter().copied()),
        };
        let is_arch = language.map.get(name).is_some();
        let help = match (outside, near, shape) {
            _ if is_arch => Some(format!(
                "an architecture is written in quotes: `\"{name}\"`"
            )),
            _ if name.len() > 1 && !name.contains(|c: char| c.is_lowercase()) => Some(format!(
                "an argument of the Dockerfile is `${{{name}}}`; {}",
                define(name)
            )),
            (true, _, _) => Some(format!("inside `{opened}` write `@root.{name}`")),
            (_, Some(near), _) => Some(format!("did you mean `{near}`?")),
            (_, None, Shape::Arch) => Some(define(name)),
            (_, None, Shape::Table(_)) if known.is_empty() => Some("it has no fields".to_string()),
            (_, None, Shape::Table(_)) => Some(format!("its fields are: {}", known.join(", "))),
            _ => None,
        };
        self.problem(Code::UnknownName, place.clone(), message).help = help;
        None
    }
}

/// How to make a name known.
fn define(name: &str) -> String {
    let lower = name.to_lowercase();
    match lower == name {
        true => format!("define `{name}` under [vars] or [columns] in crossfile.toml"),
        false => format!(
            "names are lower case: define `{lower}` under [vars] in crossfile.toml and write `{{{{{lower}}}}}`"
        ),
    }
}

/// The parts of a path, `this` and `.` left out, brackets taken off.
fn segments(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(['.', '/']);
        if let Some(bracket) = rest.strip_prefix('[') {
            let end = bracket.find(']').unwrap_or(bracket.len());
            parts.push(bracket[..end].to_string());
            rest = bracket.get(end + 1..).unwrap_or_default();
            continue;
        }
        let end = rest.find(['.', '/']).unwrap_or(rest.len());
        if end > 0 && &rest[..end] != "this" {
            parts.push(rest[..end].to_string());
        }
        rest = &rest[end..];
    }
    parts
}
