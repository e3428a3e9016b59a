//! What is wrong with base images, each once with all the architectures that it concerns.

use super::{Base, Fault, Survey, Use};
use crate::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::lint::is_silenced;

/// Of how many platforms of an index a message speaks.
const MOST_NAMED: usize = 12;

/// Of how many uses the place in the template is looked for.
const MOST_LOOKED_AT: usize = 60;

impl Survey {
    /// What is wrong: findings where an image is known not to be there, errors where that could not be asked; without what the
    /// settings or a comment allow. An architecture that is optional stops nothing. `origin` says where in its template a use is written, where that is known.
    pub fn diagnostics(&self, origin: &dyn Fn(&Use) -> Option<Place>) -> Vec<Diagnostic> {
        let mut found: Vec<(Diagnostic, Vec<&str>)> = Vec::new();
        for base in self.bases.iter().filter(|base| base.image.is_none()) {
            let Some(fault) = &base.fault else { continue };
            // The same place in many files is one, and so is a reference that many files have.
            let mut told: Option<Diagnostic> = None;
            let mut places: Vec<Place> = Vec::new();
            for used in base.uses.iter().take(MOST_LOOKED_AT) {
                let place = origin(used).unwrap_or_else(|| used.place.clone());
                if places.contains(&place) || places.len() > MOST_NAMED {
                    continue;
                }
                let mut own = problem(base, fault, &place);
                if !base.tried.is_empty() {
                    own = own.help(tried(base));
                }
                if is_silenced(&own, &used.config) {
                    continue;
                }
                told = Some(match told {
                    None => own,
                    Some(told) => told.related(place.clone(), "and here"),
                });
                places.push(place);
            }
            let Some(mut problem) = told else { continue };
            if problem.code.is_finding() && base.uses.iter().all(Use::is_optional) {
                problem.severity = Severity::Warning;
            }
            // The others name the platform.
            let arch = matches!(fault, Fault::Missing).then_some(base.arch.as_str());
            match found.iter_mut().find(|(known, _)| *known == problem) {
                Some((_, arches)) => arches.extend(arch),
                None => found.push((problem, arch.into_iter().collect())),
            }
        }
        let named = found.into_iter().map(|(mut problem, arches)| {
            if !arches.is_empty() {
                let list: Vec<String> = arches.iter().map(|arch| format!("`{arch}`")).collect();
                problem.message = format!("{} (for {})", problem.message, list.join(", "));
            }
            problem
        });
        let mut named: Vec<Diagnostic> = named.collect();
        named.sort_by_key(|found| {
            let place = &found.place;
            (place.source().path().to_path_buf(), place.span().start)
        });
        self.problems.iter().cloned().chain(named).collect()
    }
}

/// Why nothing takes the place of what is not there.
fn tried(base: &Base) -> String {
    let why = |(reference, fault): &(String, Fault)| match fault {
        Fault::OtherPlatform(own) => {
            format!("`{reference}` does not take its place: it is of `{own}`")
        }
        Fault::NotInIndex(_) => {
            format!("`{reference}` does not take its place: it has no such platform either")
        }
        _ => format!("`{reference}`, which could take its place, is not there either"),
    };
    base.tried.iter().map(why).collect::<Vec<_>>().join("; ")
}

fn problem(base: &Base, fault: &Fault, place: &Place) -> Diagnostic {
    let Base {
        reference,
        platform,
        ..
    } = base;
    let error =
        |code, message: String| Diagnostic::new(Severity::Error, code, place.clone(), message);
    let missing = |message: String| error(Code::MissingBase, message);
    match fault {
        Fault::Missing => missing(format!("`{reference}` is not there")).help(
            "look at the name and the tag; where only another architecture has the image, `[bases] fallbacks` lets it take the place",
        ),
        Fault::OtherPlatform(own) => missing(format!(
            "`{reference}` is one image, of `{own}`, and `{platform}` is asked for"
        ))
        .help("name an image of the right architecture, or one that is an index"),
        Fault::NotInIndex(has) => {
            let names = has.iter().take(MOST_NAMED);
            let mut list: Vec<String> = names.map(|own| format!("`{own}`")).collect();
            if has.len() > MOST_NAMED {
                list.push("others".to_string());
            }
            let has = match list.is_empty() {
                true => "nothing".to_string(),
                false => list.join(", "),
            };
            missing(format!("`{reference}` has no image for `{platform}`: it has {has}"))
                .help("take another base for this architecture, or let one take its place: `[bases] fallbacks`")
        }
        Fault::Unknown(why) => {
            let message = format!("which image `{reference}` is cannot be said: {why}");
            Diagnostic::warning(Code::UnknownBase, place.clone(), message).help(
                "give it a value: a default behind `ARG`, or one under [build-args] in crossfile.toml",
            )
        }
        Fault::NoReference(why) => {
            let message = match why.contains(&format!("`{reference}`")) {
                true => why.clone(),
                false => format!("`{reference}` cannot be asked for: {why}"),
            };
            error(Code::UnknownBase, message)
        }
        Fault::Failed(why) => {
            error(Code::Registry, format!("`{reference}` cannot be asked for: {why}"))
        }
    }
}
