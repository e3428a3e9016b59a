//! Images with something wrong inside, made by builders and found by `verify`.

use std::fs;

use crate::lab::{Docker, Lab};
use crate::support::Run;

/// A program of this machine.
const FOREIGN: &str = "/bin/true";

impl Lab {
    /// Builds an image by buildah, with files of this machine copied into it, and pushes it.
    #[track_caller]
    fn with_program(&self, arch: &str, program: &str, to: &str, tag: &str, push: &[&str]) {
        fs::copy(program, self.scratch.join("program")).unwrap();
        let text = format!(
            "FROM {}/{arch}/busybox:1\nCOPY readme /readme\nCOPY program {to}\n",
            self.registry
        );
        self.scratch.write("readme", "nothing\n");
        self.builds(arch, &text, tag, push);
    }

    /// Builds an image of a Dockerfile by buildah, and pushes it.
    #[track_caller]
    fn builds(&self, arch: &str, dockerfile: &str, tag: &str, push: &[&str]) {
        self.scratch.write("Dockerfile", dockerfile);
        let image = format!("{}:{tag}", self.image);
        let platform = format!("--platform={}", crate::lab::machine(arch).1);
        let build = [
            "build",
            "--quiet",
            "--layers",
            "--tls-verify=false",
            &platform,
            "--tag",
            &image,
            ".",
        ];
        self.program(Docker::Old, "buildah", &build).succeeds();
        let to = format!("docker://{image}");
        let push = [
            &["push", "--quiet", "--tls-verify=false"],
            push,
            &[image.as_str(), to.as_str()],
        ]
        .concat();
        self.program(Docker::Old, "buildah", &push).succeeds();
    }

    fn verify(&self, tag: &str) -> Run {
        self.crossfile(Docker::Old, &["verify", &format!("{}:{tag}", self.image)])
    }
}

#[test]
fn a_foreign_program_is_found_with_its_layer() {
    let Some(lab) = Lab::new("foreign") else {
        return;
    };
    for (tag, push) in [
        ("gzip", &["--format=v2s2"][..]),
        ("zstd", &["--format=oci", "--compression-format=zstd"]),
        ("plain", &["--format=oci", "--disable-compression"]),
    ] {
        lab.with_program("arm32v7", FOREIGN, "/usr/local/bin/tool", tag, push);
        let run = lab.verify(tag);
        assert_eq!(run.status, 1, "{tag} {}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("usr/local/bin/tool"), "{}", run.stdout);
        let layers = lab.json(tag)["layers"].as_array().unwrap().clone();
        let last = layers.last().unwrap()["digest"].as_str().unwrap();
        assert!(
            run.stdout.contains(&last[7..19]),
            "no {last} in {}",
            run.stdout
        );
        assert!(!run.stdout.contains("readme"), "{}", run.stdout);
        let allowed = [
            "verify",
            "--allow",
            "usr/local/bin/tool",
            &format!("{}:{tag}", lab.image),
        ];
        lab.crossfile(Docker::Old, &allowed).succeeds();
        let skipped = ["verify", "--skip-programs", &format!("{}:{tag}", lab.image)];
        lab.crossfile(Docker::Old, &skipped).succeeds();
        // The same in an index.
        let index = format!("{}:index-{tag}", lab.image);
        let of = [
            format!("{}:{tag}", lab.image),
            format!("{}/s390x/busybox:1", lab.registry),
        ];
        lab.manifest(&[&index], &of).succeeds();
        let run = lab.verify(&format!("index-{tag}"));
        assert_eq!(run.status, 1, "{}", run.stdout);
        assert!(run.stdout.contains("linux/arm/v7"), "{}", run.stdout);
        assert!(!run.stdout.contains("s390x ("), "{}", run.stdout);
    }
}

#[test]
fn an_emulator_is_no_foreign_program() {
    let Some(lab) = Lab::new("emulator") else {
        return;
    };
    fs::copy("/usr/bin/qemu-arm-static", lab.scratch.join("program")).unwrap();
    // Under its own name, as everybody has it.
    let text = format!(
        "FROM {}/arm32v7/busybox:1\nCOPY program /usr/bin/qemu-arm-static\n",
        lab.registry
    );
    lab.builds("arm32v7", &text, "1", &[]);
    lab.verify("1").succeeds();
}

#[test]
fn a_program_that_was_removed_again_is_not_in_the_image() {
    let Some(lab) = Lab::new("removed") else {
        return;
    };
    fs::copy(FOREIGN, lab.scratch.join("program")).unwrap();
    let text = format!(
        "FROM {}/arm32v7/busybox:1\nCOPY program /usr/local/bin/tool\nRUN rm /usr/local/bin/tool\n",
        lab.registry
    );
    lab.builds("arm32v7", &text, "1", &[]);
    assert_eq!(lab.json("1")["layers"].as_array().unwrap().len(), 3);
    lab.verify("1").succeeds();
}

#[test]
fn a_release_with_a_foreign_program_fails() {
    let Some(lab) = Lab::new("foreign-release") else {
        return;
    };
    lab.settings(&["amd64", "arm32v7"], "");
    fs::copy(FOREIGN, lab.scratch.join("tool")).unwrap();
    lab.scratch.write(
        "Dockerfile.cross",
        format!(
            "FROM {}/__BASEIMAGE_ARCH__/busybox:1\nCOPY tool /usr/bin/tool\n",
            lab.registry
        ),
    );
    let run = lab.crossfile(Docker::Old, &["release"]);
    assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("usr/bin/tool"), "{}", run.stderr);
}

#[test]
fn an_armv8_is_shown_found_and_mended() {
    let Some(lab) = Lab::new("armv8") else {
        return;
    };
    let index = format!("{}:1", lab.image);
    // `docker manifest` writes manifests anew: it pushes none that it would write in another way, and docker's own are as it does.
    let images = ["amd64", "arm64v8"].map(|arch| format!("{}:{arch}", lab.image));
    for (image, source) in images
        .iter()
        .zip(crate::sources(&lab.registry, &["amd64", "arm64v8"]))
    {
        for args in [
            &["pull", "--quiet", &source][..],
            &["tag", &source, image],
            &["push", "--quiet", image],
        ] {
            lab.docker(Docker::Old, args);
        }
    }
    let docker = |args: &[&str]| {
        let config = lab.home.join("lists").display().to_string();
        let mut command = lab.command(Docker::Old, "docker");
        let run = command.args(args).env("DOCKER_CONFIG", config).output();
        Run::from(run.unwrap())
    };
    // As the guides of the time have it.
    docker(&[
        "manifest",
        "create",
        "--insecure",
        &index,
        &images[0],
        &images[1],
    ])
    .succeeds();
    let variant = ["--os=linux", "--arch=arm64", "--variant=armv8"];
    docker(&[&["manifest", "annotate", &index, &images[1]][..], &variant].concat()).succeeds();
    docker(&["manifest", "push", "--insecure", &index]).succeeds();

    let pull = ["pull", "--quiet", "--platform=linux/arm64", &index];
    let before = docker(&pull);
    assert_ne!(before.status, 0, "{}", before.stdout);
    let run = lab.verify("1");
    assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("armv8") && run.stdout.contains("v8"),
        "{}",
        run.stdout
    );
    let hosts = ["inspect", "--hosts", &index];
    let shown = lab.crossfile(Docker::Old, &hosts).succeeds().stdout;
    let pulls_nothing = |shown: &str| {
        let line = shown.lines().find(|line| line.starts_with("nothing for "));
        line.is_some_and(|line| line.contains(" linux/arm64/v8,"))
    };
    assert!(pulls_nothing(&shown), "{shown}");
    assert!(
        shown.contains("(linux/arm64/armv8): no machine pulls it"),
        "{shown}"
    );

    let raw = lab.raw("1");
    let run = lab.crossfile(Docker::Old, &["verify", "--repair", "--dry-run", &index]);
    assert_eq!(run.status, 1, "{}{}", run.stdout, run.stderr);
    assert_eq!(lab.raw("1"), raw);
    let run = lab
        .crossfile(Docker::Old, &["verify", "--repair", &index])
        .succeeds();
    assert!(
        run.stderr.contains("linux/arm64/armv8 -> linux/arm64/v8"),
        "{}",
        run.stderr
    );
    docker(&pull).succeeds();
    lab.verify("1").succeeds();
    let shown = lab.crossfile(Docker::Old, &hosts).succeeds().stdout;
    assert!(!pulls_nothing(&shown), "{shown}");
    assert!(!shown.contains("no machine pulls it"), "{shown}");
    lab.has("1", &["amd64", "arm64v8"]);
}
