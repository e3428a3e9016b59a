//! The table against its sources: what was collected from each project, other programs' lists on this machine, and
//! its own rules. The whole table is a snapshot, so that every change of it is seen in review.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot read its fixture should panic, and says when it is skipped"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crossfile::{ArchMap, ArchName};
use support::{Scratch, snapshots};

#[test]
fn the_whole_table() {
    let scratch = Scratch::new();
    for format in ["text", "toml", "json", "markdown"] {
        let run = scratch
            .run(&["arch", "list", "--format", format])
            .succeeds();
        assert_eq!(run.stderr, "");
        snapshots().bind(|| insta::assert_snapshot!(format!("arch_table.{format}"), run.stdout));
    }
}

#[test]
fn the_toml_form_is_a_table_that_says_the_same() {
    let scratch = Scratch::new();
    let first = scratch
        .run(&["arch", "list", "--format", "toml"])
        .succeeds()
        .stdout;
    scratch.write("arches.toml", &first);
    scratch.write("crossfile.toml", "arch-map = \"arches.toml\"\n");
    let second = scratch
        .run(&["arch", "list", "--format", "toml"])
        .succeeds()
        .stdout;
    assert_eq!(first, second);
}

/// Columns of the collected table that are schemes of ours.
const COLLECTED: &[(&str, &str)] = &[
    ("oci_platform", "platform"),
    ("bashbrew_arch", "docker"),
    ("hub_namespace", "namespace"),
    ("uname_m", "uname"),
    ("qemu_user", "qemu"),
    ("binfmt_install_name", "binfmt"),
    ("debian_arch", "debian"),
    ("debian_multiarch", "multiarch"),
    ("alpine_apk_arch", "alpine"),
    ("rpm_arch", "rpm"),
    ("gnu_triple", "gnu"),
    ("goarch", "go"),
    ("nix_system", "nix"),
    ("node_process_arch", "node"),
    ("k8s_arch_label", "kubernetes"),
    ("rust_target_gnu", "rust"),
    ("rust_target_musl", "rust-musl"),
    ("docker_annotate_flags", "annotate"),
    ("oci_os", "os"),
    ("oci_arch", "architecture"),
    ("oci_variant", "variant"),
    ("elf_class", "bits"),
    ("elf_machine", "elf-machine"),
];

fn collected() -> Vec<BTreeMap<String, String>> {
    let text = include_str!("data/arch_table.tsv");
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| {
        let cells = line.split('\t').map(str::to_string);
        head.iter()
            .map(|name| (*name).to_string())
            .zip(cells)
            .collect()
    };
    lines.map(row).collect()
}

#[test]
fn every_row_and_value_is_as_collected() {
    let map = ArchMap::builtin();
    let rows = collected();
    assert_eq!(rows.len(), 31);
    assert_eq!(map.entries().len(), rows.len());
    let mut compared = 0;
    for row in rows {
        let platform = &row["oci_platform"];
        let entry = map.platform(platform).unwrap();
        assert_eq!(&entry.platform.to_string(), platform);
        for (column, scheme) in COLLECTED {
            // amd64's levels carry a compiler flag behind the target in the collection; a scheme is one word.
            let wanted = row[*column].split(" -C ").next().unwrap();
            let ours = entry.get(scheme).unwrap_or_default();
            assert_eq!(ours, wanted, "{platform} {scheme}");
            compared += 1;
        }
        let endian = match row["elf_endian"].as_str() {
            "le" => "little",
            "be" => "big",
            other => panic!("{other}"),
        };
        assert_eq!(entry.get("endian").unwrap(), endian, "{platform}");
        let (variable, level) = row["go_subarch_env"].split_once('=').unwrap_or_default();
        if ["GOARM", "GOAMD64", "GOARM64"].contains(&variable) {
            let scheme = variable.to_lowercase();
            assert_eq!(
                entry.get(&scheme).as_deref(),
                Some(level),
                "{platform} {variable}"
            );
        }
    }
    assert_eq!(compared, 31 * COLLECTED.len());
}

#[test]
fn how_programs_begin_is_as_qemu_and_debian_say() {
    use crossfile::emulation::Pattern;
    let text = include_str!("data/qemu_binfmt.tsv");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows: BTreeMap<&str, Vec<&str>> = lines
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|cells| (cells[0], cells))
        .collect();
    let mut compared = 0;
    let mut debian = Vec::new();
    for file in std::fs::read_dir("/usr/lib/binfmt.d").into_iter().flatten() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name
            .strip_prefix("qemu-")
            .and_then(|name| name.strip_suffix(".conf"));
        if let Some(name) = name {
            let line = std::fs::read_to_string(&path).unwrap();
            let fields: Vec<&str> = line.split(':').collect();
            debian.push((
                name.to_string(),
                Pattern::new(fields[4], fields[5]).unwrap(),
            ));
        }
    }
    for entry in ArchMap::builtin().entries() {
        let text = |scheme| entry.get(scheme).map(|value| value.into_owned());
        let Some(qemu) = text("qemu") else {
            assert_eq!(text("binfmt-magic"), None, "{}", entry.name);
            continue;
        };
        let ours = Pattern::new(
            &text("binfmt-magic").unwrap(),
            &text("binfmt-mask").unwrap(),
        );
        let ours = ours.unwrap();
        let row = &rows[&*qemu];
        assert_eq!(
            ours,
            Pattern::new(row[8], row[9]).unwrap(),
            "{}",
            entry.name
        );
        // The head of an ELF file: class, byte order and machine.
        let (class, order) = (ours.magic[4], ours.magic[5]);
        let machine = [ours.magic[18], ours.magic[19]];
        let machine = match order {
            1 => u16::from_le_bytes(machine),
            _ => u16::from_be_bytes(machine),
        };
        let bits = if class == 1 { "32" } else { "64" };
        let endian = if order == 1 { "little" } else { "big" };
        assert_eq!(text("bits").as_deref(), Some(bits), "{}", entry.name);
        assert_eq!(text("endian").as_deref(), Some(endian), "{}", entry.name);
        assert_eq!(
            text("elf-machine"),
            Some(machine.to_string()),
            "{}",
            entry.name
        );
        compared += 1;
        // Debian's QEMU is of another version, which looks at fewer bytes here and there.
        for (name, theirs) in &debian {
            let fits = theirs.fits(&ours.example());
            assert_eq!(fits, name == &qemu, "{} {name}", entry.name);
        }
    }
    assert_eq!(compared, 21);
    if debian.is_empty() {
        eprintln!("skipped: no qemu-user-static of Debian");
    }
}

#[test]
fn every_safe_alias_resolves_and_every_ambiguous_one_is_refused() {
    let map = ArchMap::builtin();
    let mut safe = 0;
    for line in include_str!("data/arch_aliases.tsv").lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (names, platform, status) = (cells[0], cells[1], cells[2]);
        if platform.contains('/') && status.starts_with("safe") {
            for name in names.split(',') {
                let entry = map
                    .resolve(name)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(entry.platform.to_string(), platform, "{name}");
                assert_eq!(map.resolve(&name.to_uppercase()).unwrap().name, entry.name);
                safe += 1;
            }
        }
    }
    assert!(safe >= 50, "only {safe} aliases were compared");
    for name in ["armhf", "armel", "arm", "mips", "mips64", "ARMHF"] {
        let error = map.resolve(name).unwrap_err();
        assert!(
            error.help().unwrap().starts_with("choose one of"),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_key_is_the_official_images_name_where_there_is_one() {
    let map = ArchMap::builtin();
    for entry in map.entries() {
        if let Some(docker) = entry.get("docker") {
            assert_eq!(docker, entry.name.as_str());
        }
        assert_eq!(map.get(entry.name.as_str()).unwrap().name, entry.name);
        assert_eq!(
            map.platform(&entry.platform.to_string()).unwrap().name,
            entry.name
        );
    }
}

/// An index with one of these is pulled by nobody, or by some clients only.
#[test]
fn no_platform_is_spelled_so_that_a_client_misses_it() {
    for entry in ArchMap::builtin().entries() {
        let platform = entry.platform.to_string();
        assert_ne!(platform, "linux/arm", "arm needs its variant");
        assert_ne!(platform, "linux/arm64", "arm64 is written with v8");
        assert_ne!(entry.platform.variant, "v1", "{platform}");
        assert!(!entry.platform.variant.starts_with("arm"), "{platform}");
    }
}

/// The slips of an old article that is copied to this day.
#[test]
fn old_slips_are_no_names() {
    let map = ArchMap::builtin();
    assert!(map.resolve("aarch6").is_err());
    assert!(map.resolve("arm7l").is_err());
}

#[test]
fn every_name_in_a_scheme_leads_back_to_its_row_or_is_refused_as_several() {
    let map = ArchMap::builtin();
    let mut unique = 0;
    for entry in map.entries() {
        for (scheme, value) in entry.values() {
            match map.resolve_from(&value.canonical(), scheme) {
                Ok(found) => {
                    assert!(found.value(scheme).unwrap().contains(&value.canonical()));
                    unique += 1;
                }
                Err(crossfile::ResolveError::Several { choices, .. }) => assert!(choices.len() > 1),
                Err(error) => panic!("{scheme} {value:?}: {error}"),
            }
        }
    }
    assert!(unique > 300, "only {unique}");
}

#[test]
fn bases_are_preferred_and_linux_goes_first() {
    let map = ArchMap::builtin();
    let from = |name: &str, scheme: &str| map.resolve_from(name, scheme).unwrap().name.to_string();
    assert_eq!(from("arm64", "debian"), "arm64v8");
    assert_eq!(from("armhf", "debian"), "arm32v7");
    assert_eq!(from("x86_64", "qemu"), "amd64");
    assert_eq!(from("amd64", "go"), "amd64");
    assert_eq!(from("arm64", "node"), "arm64v8");
    let choices = match map.resolve_from("arm", "qemu") {
        Err(crossfile::ResolveError::Several { choices, .. }) => choices,
        other => panic!("{other:?}"),
    };
    let choices: Vec<_> = choices.iter().map(ArchName::as_str).collect();
    assert_eq!(choices, ["arm32v5", "arm32v6", "arm32v7"]);
}

/// The compiler that builds us knows every Rust target that we name.
#[test]
fn rustc_knows_the_rust_targets() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let Ok(list) = Command::new(rustc)
        .args(["--print", "target-list"])
        .output()
    else {
        eprintln!("skipped: rustc is not on PATH");
        return;
    };
    let list = String::from_utf8(list.stdout).unwrap();
    let known: BTreeSet<&str> = list.lines().collect();
    for entry in ArchMap::builtin().entries() {
        for scheme in ["rust", "rust-musl"] {
            if let Some(target) = entry.get(scheme) {
                assert!(
                    known.contains(target.as_ref()),
                    "{} {scheme}: {target}",
                    entry.name
                );
            }
        }
    }
}

/// dpkg's own tables, where this machine has them: every Debian name is a CPU of theirs, with our GNU triple's CPU.
#[test]
fn dpkg_knows_the_debian_names() {
    let Ok(table) = std::fs::read_to_string("/usr/share/dpkg/tupletable") else {
        eprintln!("skipped: no /usr/share/dpkg/tupletable on this machine");
        return;
    };
    let cpus = std::fs::read_to_string("/usr/share/dpkg/cputable").unwrap();
    let cpus: BTreeSet<&str> = cpus
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let special: BTreeSet<&str> = table
        .lines()
        .filter(|line| line.contains("-linux-"))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    for entry in ArchMap::builtin().entries() {
        if let Some(name) = entry.get("debian") {
            // loong64 came with dpkg 1.21.23.
            let known = cpus.contains(name.as_ref())
                || special.contains(name.as_ref())
                || name == "loong64";
            assert!(known, "{}: {name}", entry.name);
        }
    }
}
