//! Which handlers the Dockerfiles of a project copy, and whether each would be found where it is copied from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::arch::ArchName;
use crate::config::{Cell, Config};
use crate::diagnostic::{Code, Diagnostic, Place, Severity, Source};
use crate::discover::root_of;
use crate::dockerfile::{Word, instructions};
use crate::lint::{DiskContext, Files as _, Ignore, glob, is_handler};
use crate::plan::contexts;
use crate::project::{BuildFile, Product, Project};
use crate::read;

/// A file that has to be in a build context.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Need {
    /// The settings that say where handlers come from.
    pub config: Arc<Config>,
    /// QEMU's name of what is emulated: `arm`.
    pub qemu: String,
    /// The architectures whose images get it.
    pub arches: Vec<ArchName>,
    /// The cell that asks for it first.
    pub cell: Cell,
    /// The build context.
    pub context: PathBuf,
    /// The file.
    pub target: PathBuf,
    /// Where it is copied first: in the template, or in the Dockerfile.
    pub place: Place,
    /// Where its checksum is kept.
    pub lock: PathBuf,
}

impl Need {
    /// The name of the program: `qemu-arm-static`.
    pub fn name(&self) -> String {
        format!("qemu-{}-static", self.qemu)
    }

    /// The architecture that it runs on.
    pub fn host(&self) -> &ArchName {
        &self.config.host
    }
}

/// What some Dockerfiles need.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Needs {
    /// Every file once, by its path; once for each lock, where several projects have it.
    pub needs: Vec<Need>,
    /// What is wrong: a file would not be found though it were there, or it cannot be said which is meant.
    pub problems: Vec<Diagnostic>,
    /// The architectures whose Dockerfiles were looked at.
    pub arches: Vec<ArchName>,
}

/// What a line of an ignore file leaves out.
#[derive(Default)]
struct LeftOut {
    place: Option<Place>,
    /// The files, by their ways from the context's top.
    files: BTreeSet<String>,
    copied: Vec<Place>,
}

struct Collector<'a> {
    project: &'a Project,
    needs: BTreeMap<(PathBuf, PathBuf), Need>,
    problems: Vec<Diagnostic>,
    arches: Vec<ArchName>,
    left_out: BTreeMap<(PathBuf, usize), LeftOut>,
}

impl Needs {
    /// The handlers that products copy from their contexts, for the architectures that `wanted` says.
    pub fn of(
        project: &Project,
        products: &[Product],
        wanted: &dyn Fn(&Config, &ArchName) -> bool,
    ) -> Needs {
        let mut collector = Collector {
            project,
            needs: BTreeMap::new(),
            problems: Vec::new(),
            arches: Vec::new(),
            left_out: BTreeMap::new(),
        };
        for product in products {
            collector.product(product, wanted);
        }
        let left_out = collector
            .left_out
            .into_values()
            .filter_map(LeftOut::finding);
        collector.problems.extend(left_out);
        Needs {
            needs: collector.needs.into_values().collect(),
            problems: collector.problems,
            arches: collector.arches,
        }
    }
}

impl LeftOut {
    fn finding(self) -> Option<Diagnostic> {
        let names: Vec<String> = self.files.iter().map(|file| format!("`{file}`")).collect();
        let mut lines: Vec<String> = self
            .files
            .iter()
            .map(|file| match file.rsplit_once('/') {
                Some((folder, _)) => format!("`!{folder}/qemu-*-static`"),
                None => "`!qemu-*-static`".to_string(),
            })
            .collect();
        lines.dedup();
        let message = format!(
            "this leaves {} out of the build context, and the build would not find what it copies",
            names.join(", ")
        );
        let mut problem =
            Diagnostic::new(Severity::Error, Code::MissingHandler, self.place?, message);
        for place in self.copied {
            problem = problem.related(place, "it is copied here");
        }
        Some(problem.help(format!("add below it: {}", lines.join(", "))))
    }
}

impl Collector<'_> {
    fn product(&mut self, product: &Product, wanted: &dyn Fn(&Config, &ArchName) -> bool) {
        let contexts = contexts(product, &mut self.problems);
        for (file, context) in product.files.iter().zip(contexts) {
            if !wanted(&product.config, &file.cell.arch) {
                continue;
            }
            if !self.arches.contains(&file.cell.arch) {
                self.arches.push(file.cell.arch.clone());
            }
            let source = match &file.text {
                Some(text) => Source::new(&file.dockerfile, text.as_ref()),
                None => match read::source(&file.dockerfile) {
                    Ok(source) => source,
                    Err(problem) => {
                        self.add(problem);
                        continue;
                    }
                },
            };
            if let Some(context) = context {
                self.dockerfile(product, file, &context, &source);
            }
        }
    }

    /// The same fault in several Dockerfiles is one.
    fn add(&mut self, problem: Diagnostic) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn dockerfile(
        &mut self,
        product: &Product,
        file: &BuildFile,
        context: &Path,
        source: &Arc<Source>,
    ) {
        let instructions = instructions(source.text());
        let copies = instructions.iter().filter(|instruction| {
            matches!(instruction.name.as_str(), "COPY" | "ADD")
                && instruction.flag("from").is_none()
        });
        let sources =
            copies.flat_map(|copy| copy.sources().into_iter().map(move |word| (copy, word)));
        for (copy, word) in sources {
            // A file may be written like a folder.
            let file_word = Word {
                text: word.text.trim_end_matches('/').to_string(),
                ..word.clone()
            };
            let word = &file_word;
            if !is_handler(word) || is_address(&copy.name, &word.text) {
                continue;
            }
            let place = place(self.project, product, file, source, word.span.clone());
            let copied = Copied {
                product,
                file,
                context,
                place: &place,
            };
            match self.source(&copied, word) {
                Ok(()) => {}
                Err((message, help)) => {
                    let problem =
                        Diagnostic::new(Severity::Error, Code::MissingHandler, place, message);
                    self.add(problem.help(help));
                }
            }
        }
    }

    fn source(&mut self, copied: &Copied<'_>, word: &Word) -> Result<(), (String, String)> {
        let Copied {
            product,
            file,
            context,
            place,
        } = *copied;
        if context.to_string_lossy().contains("://") {
            let message = "the build context is an address: nothing can be put there".to_string();
            return Err((
                message,
                "put the handler into it by other means".to_string(),
            ));
        }
        if !context.is_dir() {
            let message = "the build context is no folder that is there".to_string();
            return Err((message, "say `context` in crossfile.toml".to_string()));
        }
        let written = context;
        let context = context.canonicalize().unwrap_or(context.to_path_buf());
        // Who writes `..` means it; a link may have come with somebody else's commit.
        let root = product.config.lock_file.as_deref().map(root_of);
        let real = root.as_deref().and_then(|root| root.canonicalize().ok());
        if let Some((root, real)) = root.zip(real)
            && without_dots(written).starts_with(&root)
            && !context.starts_with(&real)
        {
            let message = "a link leads from the build context out of the project";
            let help = "nothing is written through links that leave the project's folder: say where it leads as `context`";
            return Err((message.to_string(), help.to_string()));
        }
        // What a build argument says is not known here, and which handler is meant is: that of the architecture.
        let text = without_variables(&word.text);
        let (folders, name) = inside(&text).ok_or_else(|| {
            let message = "this is outside of the build context, from where nothing is copied";
            let help =
                "write the way from the context's top, or say another `context` in crossfile.toml";
            (message.to_string(), help.to_string())
        })?;
        let Some(qemu) = qemu(&name, &product.config, &file.cell.arch) else {
            let message = format!("no handler of `{}` fits `{name}`", file.cell.arch);
            return Err((message, "write `qemu-*-static`".to_string()));
        };
        if folders.iter().any(|folder| is_pattern(folder)) {
            let files = DiskContext {
                folders: vec![context],
            };
            let pattern = format!("{}/qemu-{qemu}-static", folders.join("/"));
            if files.in_context(&file.dockerfile, &pattern) == Some(true) {
                return Ok(());
            }
            let message = "in which folder the handler is to lie cannot be said".to_string();
            return Err((message, "write the folder out".to_string()));
        }
        let way: PathBuf = folders.iter().collect();
        let way = way.join(format!("qemu-{qemu}-static"));
        let ignore = Ignore::read(&context, &file.dockerfile);
        if let Some(line) = ignore.leaves_out(&way) {
            let key = (line.source().path().to_path_buf(), line.span().start);
            let left_out = self.left_out.entry(key).or_default();
            left_out.place = Some(line.clone());
            let shown = way
                .to_string_lossy()
                .replace(std::path::MAIN_SEPARATOR, "/");
            left_out.files.insert(shown);
            if !left_out.copied.contains(place) {
                left_out.copied.push(place.clone());
            }
        }
        let Some(lock) = product.config.lock_file.clone() else {
            let message = "nothing says where crossfile.lock is".to_string();
            return Err((message, "write a crossfile.toml".to_string()));
        };
        let target = context.join(&way);
        let others = self.needs.values().filter(|need| need.target == target);
        for other in others {
            if *other.host() != product.config.host {
                let message = format!(
                    "the handler here is to run on `{}`, and another project with the same build context says `{}`",
                    product.config.host,
                    other.host()
                );
                let problem = Diagnostic::error(Code::BadValue, place.clone(), message)
                    .related(other.place.clone(), "it is copied here for the other one")
                    .help("say the same `host` in both, by `--host`, or give each a `context` of its own");
                self.add(problem);
                return Ok(());
            }
        }
        let key = (target.clone(), lock.clone());
        let need = self.needs.entry(key).or_insert_with(|| Need {
            config: Arc::clone(&product.config),
            qemu,
            arches: Vec::new(),
            cell: file.cell.clone(),
            context,
            target,
            place: place.clone(),
            lock,
        });
        if !need.arches.contains(&file.cell.arch) {
            need.arches.push(file.cell.arch.clone());
        }
        Ok(())
    }
}

/// A handler that is copied somewhere.
struct Copied<'a> {
    product: &'a Product,
    file: &'a BuildFile,
    context: &'a Path,
    place: &'a Place,
}

/// Where a range of a Dockerfile is written.
fn place(
    project: &Project,
    product: &Product,
    file: &BuildFile,
    source: &Arc<Source>,
    span: Range<usize>,
) -> Place {
    let origin = match &file.text {
        Some(_) => project.origin(&product.source, &file.cell, span.clone()),
        None => None,
    };
    origin.unwrap_or_else(|| Place::new(source, span))
}

/// Whether a source is got from the net. Source: the reference of Dockerfiles, "ADD": `git@github.com:user/repository`.
fn is_address(instruction: &str, source: &str) -> bool {
    let is_git = || {
        let host = source
            .strip_prefix("git@")
            .and_then(|rest| rest.split_once(':'));
        host.is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'))
    };
    source.contains("://") || (instruction == "ADD" && is_git())
}

/// A text with `*` in the place of each variable.
fn without_variables(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        out.push('*');
        rest = match behind.strip_prefix('{') {
            Some(braced) => braced.split_once('}').map_or("", |(_, after)| after),
            None => behind.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_'),
        };
    }
    out.push_str(rest);
    out
}

/// The folders and the name of a source, from the context's top; nothing where it leads out.
fn inside(source: &str) -> Option<(Vec<String>, String)> {
    let mut parts: Vec<String> = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part.to_string()),
        }
    }
    let name = parts.pop()?;
    Some((parts, name))
}

/// A path without `.` and `..`, links not looked at.
fn without_dots(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    whole
}

fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '[', '\\'])
}

/// QEMU's name of the handler that is meant: the one that is written out, or that of the architecture where it fits the pattern.
fn qemu(name: &str, config: &Config, arch: &ArchName) -> Option<String> {
    if !is_pattern(name) {
        let qemu = name.strip_prefix("qemu-")?.strip_suffix("-static")?;
        return Some(qemu.to_string());
    }
    let own = config.map.get(arch.as_str())?.get("qemu")?.into_owned();
    let fits = glob(name)?.is_match(format!("qemu-{own}-static"));
    fits.then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_anything() {
        assert_eq!(without_variables("qemu-$A-static"), "qemu-*-static");
        assert_eq!(
            without_variables("q/${A:-x}/qemu-${B}-static*"),
            "q/*/qemu-*-static*"
        );
        assert_eq!(without_variables("${A"), "*");
    }

    #[test]
    fn sources_lead_from_the_top_of_the_context() {
        let way = |source: &str| {
            inside(source).map(|(folders, name)| format!("{}|{name}", folders.join(",")))
        };
        assert_eq!(way("./bin/../qemu/x").as_deref(), Some("qemu|x"));
        assert_eq!(way("/x").as_deref(), Some("|x"));
        assert_eq!(way("../x"), None);
        assert_eq!(way("a/../../x"), None);
    }
}
