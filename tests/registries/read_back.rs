//! What crossfile writes, read by everybody else.

use std::env::var;
use std::path::Path;

use crate::ask::tagged;
use crate::lab::{ALL, Docker, Lab, THREE, machine};
use crate::sources;

/// That an engine pulls for each architecture an image that runs.
#[track_caller]
fn pulls(lab: &Lab, docker: Docker, reference: &str, arches: &[&str]) {
    for arch in arches {
        lab.pulls(docker, reference, arch, "true");
    }
}

#[test]
fn an_index_of_seven_repositories_is_read_by_everybody() {
    let Some(lab) = Lab::new("everybody") else {
        return;
    };
    let reference = format!("{}:1", lab.image);
    let latest = format!("{}:latest", lab.image);
    lab.manifest(&[&reference, &latest], &sources(&lab.registry, ALL))
        .succeeds();
    assert_eq!(lab.digest("1"), lab.digest("latest"));
    lab.has("1", ALL);

    pulls(&lab, Docker::New, &reference, ALL);
    pulls(&lab, Docker::Old, &reference, THREE);
    for docker in [Docker::Old, Docker::New] {
        let said = lab.docker(docker, &["manifest", "inspect", "--insecure", &reference]);
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(json["manifests"].as_array().unwrap().len(), ALL.len());
    }
    let said = lab.docker(
        Docker::New,
        &["buildx", "imagetools", "inspect", &reference],
    );
    assert!(said.contains(&lab.digest("1")), "{said}");

    let copy = lab.home.join("copy").display().to_string();
    let (from, to) = (format!("docker://{reference}"), format!("oci:{copy}:1"));
    let args = [
        "copy",
        "--quiet",
        "--all",
        "--src-tls-verify=false",
        &from,
        &to,
    ];
    lab.program(Docker::Old, "skopeo", &args).succeeds();

    for arch in THREE {
        let (_, platform, ..) = machine(arch);
        let args = [
            "pull",
            "--quiet",
            "--tls-verify=false",
            "--platform",
            platform,
            &from,
        ];
        let pulled = lab.program(Docker::Old, "buildah", &args).succeeds().stdout;
        let format = "--format={{.OCIv1.Architecture}}";
        let args = ["inspect", "--type=image", format, pulled.trim()];
        let said = lab.program(Docker::Old, "buildah", &args).succeeds().stdout;
        assert_eq!(said.trim(), platform.split('/').nth(1).unwrap());
    }
    // Inspecting what is in a registry takes no plain HTTP: a list of its own, with all of ours in it.
    let add = [
        "manifest",
        "add",
        "--all",
        "--tls-verify=false",
        "all",
        &from,
    ];
    for args in [&["manifest", "create", "all"][..], &add] {
        lab.program(Docker::Old, "buildah", args).succeeds();
    }
    let said = lab.program(Docker::Old, "buildah", &["manifest", "inspect", "all"]);
    let said = said.succeeds().stdout;
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["manifests"].as_array().unwrap().len(), ALL.len());
}

#[test]
fn a_part_of_one_index_goes_into_another() {
    let Some(lab) = Lab::new("part") else {
        return;
    };
    let reference = format!("{}:part", lab.image);
    let index = format!("{}/library/busybox:1", lab.registry);
    let part = [
        format!("arm32v7={index}"),
        format!("linux/s390x={index}"),
        format!("{}/amd64/busybox:1", lab.registry),
    ];
    lab.manifest(&[&reference], &part).succeeds();
    lab.has("part", THREE);
    pulls(&lab, Docker::New, &reference, THREE);
}

/// Copies from the first registry, and back into another repository of it.
fn through(lab: &Lab, other: &str) {
    let there = format!("{other}/{}:1", lab.repository());
    let run = lab
        .manifest(&[&there], &sources(&lab.registry, THREE))
        .succeeds();
    // One of another make has every blob in all repositories, once it is there.
    assert_eq!(run.stderr.matches("mounted").count(), 0, "{}", run.stderr);
    // What is there is not moved again.
    let run = lab
        .manifest(&[&there], &sources(&lab.registry, THREE))
        .succeeds();
    assert!(!run.stderr.contains("copied"), "{}", run.stderr);
    let back = format!("{}:back", lab.image);
    lab.manifest(&[&back], &[there]).succeeds();
    lab.has("back", THREE);
    pulls(lab, Docker::New, &back, THREE);
    // The same images make the same index everywhere.
    let here = format!("{}:here", lab.image);
    lab.manifest(&[&here], &sources(&lab.registry, THREE))
        .succeeds();
    assert_eq!(lab.digest("here"), lab.digest("back"));
}

#[test]
fn an_index_goes_to_a_registry_of_another_make_and_back() {
    let Some(lab) = Lab::new("other") else {
        return;
    };
    let Ok(other) = var("CROSSFILE_OTHER") else {
        eprintln!("skipped: no registry of another make");
        return;
    };
    through(&lab, &other);
    // And inside of it.
    let there = format!("{other}/{}:1", lab.repository());
    let inside = format!("{other}/{}/inside:1", lab.repository());
    let run = lab.manifest(&[&inside], &[there]).succeeds();
    assert!(!run.stderr.contains("copied"), "{}", run.stderr);
    let repository = format!("{}/inside", lab.repository());
    assert_eq!(tagged(&other, &repository, "1"), Some(lab.digest("here")));
    lab.crossfile(Docker::Old, &["verify", &inside]).succeeds();
    pulls(&lab, Docker::New, &inside, THREE);
}

#[test]
fn an_index_goes_to_a_registry_with_tls_and_back() {
    let Some(lab) = Lab::new("guarded") else {
        return;
    };
    let guarded = var("CROSSFILE_GUARDED").unwrap();
    let (user, password) = (
        var("CROSSFILE_USER").unwrap(),
        var("CROSSFILE_PASSWORD").unwrap(),
    );
    let config = crate::credentials::with_password(&guarded, &user, &password);
    let home = lab.home.path().display().to_string();
    lab.home.write("config.json", config);
    lab.speak_tls(&guarded);
    let authority = var("CROSSFILE_CA").unwrap();
    let lab = lab
        .with_env("SSL_CERT_FILE", &authority)
        .with_env("DOCKER_CONFIG", &home);
    through(&lab, &guarded);

    let there = format!("{guarded}/{}:1", lab.repository());
    pulls(&lab, Docker::New, &there, THREE);
    // These take a folder with the authority in it.
    std::fs::create_dir(lab.home.join("certificates")).unwrap();
    std::fs::copy(Path::new(&authority), lab.home.join("certificates/ca.crt")).unwrap();
    let folder = format!("--cert-dir={home}/certificates");
    let credentials = format!("--creds={user}:{password}");
    let from = format!("docker://{there}");
    let args = ["inspect", "--raw", &folder, &credentials, &from];
    let raw = lab.program(Docker::Old, "skopeo", &args).succeeds().stdout;
    assert_eq!(Some(raw), lab.raw("back"));
    let args = [
        "pull",
        "--quiet",
        &folder,
        &credentials,
        "--platform=linux/s390x",
        &from,
    ];
    lab.program(Docker::Old, "buildah", &args).succeeds();
}
