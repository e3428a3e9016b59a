//! How long each step takes: parse a template, render a cell, look up a name, expand a tree of folders.
//!
//! `cargo bench` runs all; `cargo bench -- render` one group. The trees lie below `TMPDIR`, each iteration's in a
//! folder of its own that stays until the end: ext4 takes up to 15 times as long to create files where as many were
//! deleted a minute ago. `tree.sh` measures the command as a whole.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing better to do than to panic"
)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use crossfile::{
    ArchMap, Config, Context, DiskInputs, Layer, NoInputs, NoPartials, Overrides, Parsed, Project,
    Selection, Source, Status, Template, WriteOptions, expand,
};

/// The same Dockerfile in each dialect.
const TEMPLATES: [(&str, &str); 3] = [
    ("placeholder", include_str!("tree/placeholder.cross")),
    ("handlebars", include_str!("tree/handlebars.cross")),
    ("annotated", include_str!("tree/annotated.cross")),
];

const TABLE: &str = include_str!("../arch-map.toml");
const SETTINGS: &str = include_str!("tree/crossfile.toml");

/// How many architectures `SETTINGS` names.
const ARCHES: usize = 5;

fn config() -> Config {
    let layer = Layer::parse(&Source::new("crossfile.toml", SETTINGS)).unwrap();
    let config = Config::read(&[layer], &Overrides::default(), &NoInputs).unwrap();
    assert_eq!(config.arches.len(), ARCHES);
    config
}

fn parsed(source: &Arc<Source>, config: &Config) -> Template {
    match expand::parse(source, config, &NoPartials).unwrap() {
        Parsed::Template(template) => template,
        other => panic!("{other:?}"),
    }
}

fn parse(c: &mut Criterion) {
    let config = config();
    let mut group = c.benchmark_group("parse");
    for (dialect, text) in TEMPLATES {
        let source = Source::new("Dockerfile.cross", text);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(dialect, |b| b.iter(|| parsed(black_box(&source), &config)));
    }
    group.finish();
}

fn render(c: &mut Criterion) {
    let config = config();
    let cell = config.cells(&config.arches).pop().unwrap();
    let context: Context = config.context(&cell).unwrap();
    let mut group = c.benchmark_group("render");
    for (dialect, text) in TEMPLATES {
        let template = parsed(&Source::new("Dockerfile.cross", text), &config);
        let rendered = template.render(&context).unwrap();
        group.throughput(Throughput::Bytes(rendered.len() as u64));
        group.bench_function(dialect, |b| {
            b.iter(|| template.render(black_box(&context)).unwrap());
        });
    }
    group.finish();
}

fn table(c: &mut Criterion) {
    let source = Source::new("arch-map.toml", TABLE);
    let map = ArchMap::builtin();
    let mut group = c.benchmark_group("table");
    group.throughput(Throughput::Bytes(TABLE.len() as u64));
    group.bench_function("parse", |b| {
        b.iter(|| ArchMap::parse(black_box(&source)).unwrap());
    });
    // A key, an alias, a platform and a name that only one scheme understands.
    group.throughput(Throughput::Elements(1));
    for name in ["arm32v7", "aarch64", "linux/arm/v7"] {
        group.bench_function(format!("resolve {name}"), |b| {
            b.iter(|| map.resolve(black_box(name)).unwrap());
        });
    }
    group.bench_function("resolve armhf from debian", |b| {
        b.iter(|| map.resolve_from(black_box("armhf"), "debian").unwrap());
    });
    group.finish();
}

/// Numbered folders in one that goes when the benchmark ends.
struct Folders {
    all: tempfile::TempDir,
    next: usize,
}

impl Folders {
    const TEMPLATES: usize = 200;

    fn new() -> Folders {
        Folders {
            all: tempfile::tempdir().unwrap(),
            next: 0,
        }
    }

    /// A new folder of templates with nothing generated yet.
    fn tree(&mut self, template: &str) -> PathBuf {
        let tree = self.all.path().join(self.next.to_string());
        self.next += 1;
        for number in 0..Self::TEMPLATES {
            let folder = tree.join(format!("image-{number}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("Dockerfile.cross"), template).unwrap();
        }
        fs::write(tree.join("crossfile.toml"), SETTINGS).unwrap();
        tree
    }

    /// The same files to be made from one template, by a matrix.
    fn matrix(&mut self, template: &str) -> PathBuf {
        let tree = self.all.path().join(self.next.to_string());
        self.next += 1;
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("Dockerfile.cross"), template).unwrap();
        let numbers: Vec<String> = (0..Self::TEMPLATES).map(|n| format!("\"{n}\"")).collect();
        let settings = format!(
            "{SETTINGS}output = \"image-{{{{number}}}}/{{{{stem}}}}.{{{{arch}}}}\"\n[matrix]\nnumber = [{}]\n",
            numbers.join(", ")
        );
        fs::write(tree.join("crossfile.toml"), settings).unwrap();
        tree
    }
}

/// All of `crossfile generate`. Says how many files were in the state `status` and how many were written.
fn generate(tree: &Path, status: Status) -> (usize, usize) {
    let paths = [tree.to_path_buf()];
    let project = Project::open(&paths, &Overrides::default(), &DiskInputs::default());
    let expansion = project.expand(&Selection::default());
    let written = expansion.write(&WriteOptions {
        force: false,
        prune: false,
        cancelled: &|| false,
    });
    assert!(!expansion.failed() && written.problems.is_empty());
    let outcomes = expansion.outcomes.iter();
    let count = outcomes.filter(|outcome| outcome.status == status).count();
    (count, written.done.len())
}

fn tree(c: &mut Criterion) {
    let files = Folders::TEMPLATES * ARCHES;
    let mut group = c.benchmark_group("tree");
    group
        .throughput(Throughput::Elements(files as u64))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(2));
    let mut folders = Folders::new();
    for (dialect, text) in TEMPLATES {
        group.bench_function(format!("{dialect}, nothing there"), |b| {
            b.iter_batched(
                || folders.tree(text),
                |tree| assert_eq!(generate(&tree, Status::Missing), (files, files)),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("{dialect}, a matrix, nothing there"), |b| {
            b.iter_batched(
                || folders.matrix(text),
                |tree| assert_eq!(generate(&tree, Status::Missing), (files, files)),
                BatchSize::PerIteration,
            );
        });
        let tree = folders.tree(text);
        generate(&tree, Status::Missing);
        group.bench_function(format!("{dialect}, all right already"), |b| {
            b.iter(|| assert_eq!(generate(&tree, Status::Same), (files, 0)));
        });
    }
    group.finish();
}

criterion_group!(benches, parse, render, table, tree);
criterion_main!(benches);
