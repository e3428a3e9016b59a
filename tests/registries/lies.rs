//! Indexes and images that say what is not so.

use serde_json::{Value as Json, json};

use crate::ask::{delete, get_manifest, put_manifest, tagged};
use crate::lab::{Docker, Lab, THREE};
use crate::sources;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An index of three, in the registry as `right`.
fn index(lab: &Lab) -> Json {
    let image = format!("{}:right", lab.image);
    lab.manifest(&[&image], &sources(&lab.registry, THREE))
        .succeeds();
    let mut index = get_manifest(&lab.registry, lab.repository(), "right").json();
    index["mediaType"] = INDEX.into();
    index
}

/// That `verify` finds these in what a tag names, and `manifest` from it leaves the tag that is there.
#[track_caller]
fn is_found(lab: &Lab, tag: &str, said: &[&str]) {
    let image = format!("{}:{tag}", lab.image);
    let run = lab.crossfile(Docker::Old, &["verify", &image]);
    assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
    for text in said {
        assert!(run.stdout.contains(text), "no {text} in {}", run.stdout);
    }
    let elsewhere = format!("{}/elsewhere:1", lab.image);
    lab.manifest(&[&elsewhere], &sources(&lab.registry, &["i386"]))
        .succeeds();
    let repository = format!("{}/elsewhere", lab.repository());
    let old = tagged(&lab.registry, &repository, "1");
    let run = lab.manifest(&[&elsewhere], &[image]);
    assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
    assert_eq!(tagged(&lab.registry, &repository, "1"), old);
}

#[test]
fn an_index_that_lies_about_sizes() {
    let Some(lab) = Lab::new("lies") else {
        return;
    };
    for (name, change) in [("larger", 1), ("smaller", -1), ("enormous", 1 << 50)] {
        let mut index = index(&lab);
        let size = &mut index["manifests"][1]["size"];
        let right = size.as_i64().unwrap();
        *size = (right + change).into();
        put_manifest(&lab.registry, lab.repository(), name, INDEX, &index);
        is_found(
            &lab,
            name,
            &[&right.to_string(), &(right + change).to_string()],
        );
    }
}

#[test]
fn an_image_that_lies_about_the_size_of_its_layer() {
    let Some(lab) = Lab::new("lies-layer") else {
        return;
    };
    for (name, change) in [("larger", 1), ("smaller", -1), ("enormous", 1 << 50)] {
        let mut index = index(&lab);
        let entry = &mut index["manifests"][1];
        let digest = entry["digest"].as_str().unwrap();
        let mut image = get_manifest(&lab.registry, lab.repository(), digest).json();
        let size = &mut image["layers"][0]["size"];
        let right = size.as_i64().unwrap();
        *size = (right + change).into();
        let bytes = image.to_string().len();
        let own = format!("{name}-image");
        let digest = put_manifest(&lab.registry, lab.repository(), &own, DOCKER, &image);
        entry["digest"] = digest.into();
        entry["size"] = bytes.into();
        put_manifest(&lab.registry, lab.repository(), name, INDEX, &index);
        let image = format!("{}:{name}", lab.image);
        let run = lab.crossfile(Docker::Old, &["verify", &image]);
        assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(&right.to_string()), "{}", run.stdout);
        // Into a layout the layer is copied, and is not what was said.
        let to = format!("oci:{name}");
        let run = lab.crossfile(Docker::Old, &["manifest", "--to", &to, &image]);
        assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn an_index_that_names_another_platform_than_the_image_has() {
    let Some(lab) = Lab::new("lies-platform") else {
        return;
    };
    let mut index = index(&lab);
    let entry = &mut index["manifests"][1]["platform"];
    *entry = json!({"os": "linux", "architecture": "riscv64"});
    put_manifest(&lab.registry, lab.repository(), "wrong", INDEX, &index);
    let run = lab.crossfile(Docker::Old, &["verify", &format!("{}:wrong", lab.image)]);
    assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("linux/riscv64"), "{}", run.stdout);
    assert!(run.stdout.contains("linux/arm/v7"), "{}", run.stdout);
}

#[test]
fn a_layer_that_is_gone() {
    let Some(lab) = Lab::new("gone-layer") else {
        return;
    };
    let index = index(&lab);
    let digest = index["manifests"][1]["digest"].as_str().unwrap();
    let image = get_manifest(&lab.registry, lab.repository(), digest).json();
    let layer = image["layers"][0]["digest"].as_str().unwrap();
    delete(
        &lab.registry,
        &format!("/v2/{}/blobs/{layer}", lab.repository()),
    );
    is_found_gone(&lab, &layer[7..19]);
}

#[test]
fn a_configuration_that_is_gone() {
    let Some(lab) = Lab::new("gone-config") else {
        return;
    };
    let index = index(&lab);
    let digest = index["manifests"][1]["digest"].as_str().unwrap();
    let image = get_manifest(&lab.registry, lab.repository(), digest).json();
    let config = image["config"]["digest"].as_str().unwrap();
    delete(
        &lab.registry,
        &format!("/v2/{}/blobs/{config}", lab.repository()),
    );
    is_found_gone(&lab, &config[7..19]);
}

#[test]
fn an_image_that_is_gone() {
    let Some(lab) = Lab::new("gone-image") else {
        return;
    };
    let index = index(&lab);
    let digest = index["manifests"][1]["digest"].as_str().unwrap();
    delete(
        &lab.registry,
        &format!("/v2/{}/manifests/{digest}", lab.repository()),
    );
    is_found_gone(&lab, &digest[7..19]);
    // Nor is a new index made of it.
    let elsewhere = format!("{}:elsewhere", lab.image);
    let run = lab.manifest(&[&elsewhere], &[format!("{}:right", lab.image)]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert_eq!(tagged(&lab.registry, lab.repository(), "elsewhere"), None);
}

/// Whatever reads programs in layers, or does not.
#[track_caller]
fn is_found_gone(lab: &Lab, digest: &str) {
    let image = format!("{}:right", lab.image);
    for more in [&[][..], &["--skip-programs"]] {
        let run = lab.crossfile(Docker::Old, &[&["verify", &image], more].concat());
        assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
        assert!(
            run.stdout.contains(digest),
            "{} has no {digest}",
            run.stdout
        );
    }
}
