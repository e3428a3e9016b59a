//! Texts of the settings in which names are filled in: output paths, image names, tags, build arguments.

use std::collections::BTreeSet;

use super::failures::Failures;
use crate::config::{Cell, Config};
use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::document::Located;
use crate::template::{Language, Name, NameKind, NoPartials, Parsed, Shape, Template};

/// A parsed text of the settings.
pub(crate) enum Pattern {
    /// With something to fill in.
    Template(Box<Template>, Place),
    /// As it is.
    Constant(String, Place),
}

impl Pattern {
    /// Parses a text; `more` are names that it may use besides those of the project.
    ///
    /// # Errors
    /// What is wrong with it, at its place in the settings.
    pub(crate) fn parse(
        pattern: &Located<String>,
        config: &Config,
        more: &[&str],
    ) -> Result<Pattern, Vec<Diagnostic>> {
        let nothing = BTreeSet::new();
        let mut names = config.names.clone();
        for name in more {
            // A name of the project's own stays what it is.
            let _ = names.insert(Name::new(*name, NameKind::Builtin, Shape::Scalar));
        }
        let language = Language {
            arches: &[],
            map: &config.map,
            names: &names,
            passthrough: &nothing,
            dialect: None,
            partials: &NoPartials,
        };
        let source = Source::new("output", pattern.value.as_str());
        let place = pattern.place.clone();
        match Template::parse(&source, &language) {
            Ok(Parsed::Template(template)) => Ok(Pattern::Template(Box::new(template), place)),
            Ok(Parsed::NotATemplate(_)) => Ok(Pattern::Constant(pattern.value.clone(), place)),
            Err(mut problems) => {
                // The pattern's own text is a line without a file: point into the settings instead.
                problems
                    .iter_mut()
                    .for_each(|problem| problem.place = place.clone());
                Err(problems)
            }
        }
    }

    /// Where it is said.
    pub(crate) fn place(&self) -> &Place {
        match self {
            Pattern::Template(_, place) | Pattern::Constant(_, place) => place,
        }
    }

    /// The names that it uses.
    pub(crate) fn names(&self) -> Option<&BTreeSet<String>> {
        match self {
            Pattern::Template(template, _) => Some(template.names()),
            Pattern::Constant(..) => None,
        }
    }

    /// The text for a cell.
    ///
    /// # Errors
    /// A name that has no value for it.
    pub(crate) fn render(&self, cell: &Cell, context: &Context) -> Result<String, Box<Diagnostic>> {
        match self {
            Pattern::Constant(text, _) => Ok(text.clone()),
            Pattern::Template(template, place) => template.render(context).map_err(|failures| {
                let mut all = Failures::default();
                all.add(failures, cell, context);
                let problem = all.into_diagnostics(&[cell]).into_iter().next();
                let unknown = || Diagnostic::error(Code::NoValue, place.clone(), "no value");
                let mut problem = problem.unwrap_or_else(unknown);
                problem.place = place.clone();
                Box::new(problem)
            }),
        }
    }
}
