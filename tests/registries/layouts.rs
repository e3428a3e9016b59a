//! Folders in the OCI image layout, with registries and without.

use crate::lab::{Docker, Lab, THREE};
use crate::sources;

/// That skopeo copies the layout's index, and all that is in it, to a tag.
#[track_caller]
fn copies(lab: &Lab, tag: &str) {
    let to = format!("docker://{}:{tag}", lab.image);
    let args = [
        "copy",
        "--quiet",
        "--all",
        "--dest-tls-verify=false",
        "oci:out:1",
        &to,
    ];
    lab.program(Docker::Old, "skopeo", &args).succeeds();
}

#[test]
fn a_layout_is_read_by_others_and_goes_to_a_registry() {
    let Some(lab) = Lab::new("layout") else {
        return;
    };
    let mut args = vec![
        "manifest", "--to", "oci:out", "--tag", "1", "--tag", "latest",
    ];
    let sources = sources(&lab.registry, THREE);
    args.extend(sources.iter().map(String::as_str));
    lab.crossfile(Docker::Old, &args).succeeds();

    let raw = lab.program(Docker::Old, "skopeo", &["inspect", "--raw", "oci:out:1"]);
    let raw = raw.succeeds().stdout;
    let args = ["inspect", "--raw", "oci:out:latest"];
    assert_eq!(
        lab.program(Docker::Old, "skopeo", &args).succeeds().stdout,
        raw
    );
    copies(&lab, "skopeo");
    assert_eq!(lab.raw("skopeo"), Some(raw));
    let args = ["pull", "--quiet", "--platform=linux/s390x", "oci:out:1"];
    lab.program(Docker::Old, "buildah", &args).succeeds();

    let own = format!("{}:own", lab.image);
    lab.manifest(&[&own], &["oci:out:1".to_string()]).succeeds();
    lab.has("own", THREE);
    // In a registry the list of Docker's images is one of Docker's.
    let direct = format!("{}:direct", lab.image);
    lab.manifest(&[&direct], &sources).succeeds();
    assert_eq!(lab.digest("own"), lab.digest("direct"));
    lab.crossfile(Docker::Old, &["verify", "oci:out:latest"])
        .succeeds();
}

#[test]
fn layouts_of_others_become_an_index_without_a_registry() {
    let Some(lab) = Lab::new("layouts") else {
        return;
    };
    let mut args = vec!["manifest", "--to", "oci:out", "--tag", "1"];
    let mut names = Vec::new();
    for (arch, source) in THREE.iter().zip(sources(&lab.registry, THREE)) {
        let (from, to) = (format!("docker://{source}"), format!("oci:{arch}:1"));
        let copy = ["copy", "--quiet", "--src-tls-verify=false", &from, &to];
        lab.program(Docker::Old, "skopeo", &copy).succeeds();
        names.push(to);
    }
    args.extend(names.iter().map(String::as_str));
    // Nobody could be spoken to.
    let mut command = lab.command(Docker::Old, "unshare");
    command
        .args(["--net", env!("CARGO_BIN_EXE_crossfile")])
        .args(args);
    crate::Run::from(command.output().unwrap()).succeeds();
    let run = lab
        .crossfile(Docker::Old, &["verify", "oci:out:1"])
        .succeeds();
    assert!(run.stdout.contains("linux/arm/v7"), "{}", run.stdout);
    copies(&lab, "1");
    lab.has("1", THREE);
}
