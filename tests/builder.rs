//! What templates and generated files mean to a builder, asked of buildah without a network and without a daemon.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set up its builder should panic, and says when it is skipped"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::Scratch;

/// buildah with images of its own, and `localhost/amd64/box:1` and `localhost/box:1` made of busybox.
struct Builder {
    scratch: Scratch,
    store: Scratch,
}

impl Builder {
    fn new() -> Option<Builder> {
        let builder = Builder {
            scratch: Scratch::new(),
            store: Scratch::new(),
        };
        let Ok(busybox) = std::fs::read("/bin/busybox") else {
            println!(
                "skipped: there is no /bin/busybox to make a base image of (Debian: busybox-static)"
            );
            return None;
        };
        if Command::new("buildah").arg("--version").output().is_err() {
            println!("skipped: buildah is not installed");
            return None;
        }
        builder.scratch.write("bin/busybox", busybox);
        for name in ["sh", "echo", "cat"] {
            std::os::unix::fs::symlink("busybox", builder.scratch.path().join("bin").join(name))
                .unwrap();
        }
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(builder.scratch.path().join("bin/busybox"), executable).unwrap();
        builder.scratch.write(
            "Base",
            "FROM scratch\nCOPY bin /bin\nENV PATH=/bin\nRUN true\n",
        );
        let base =
            builder.try_buildah(&["build", "-q", "-t", "localhost/box:1", "-f", "Base", "."]);
        if !base.status.success() {
            let why = String::from_utf8_lossy(&base.stderr).into_owned();
            println!("skipped: buildah cannot build here: {}", why.trim());
            return None;
        }
        builder.buildah(&["tag", "localhost/box:1", "localhost/amd64/box:1"]);
        let container = builder.buildah(&["from", "--pull-never", "localhost/box:1"]);
        // Looking into an image takes root.
        if !builder.try_buildah(&["mount", &container]).status.success() {
            println!("skipped: buildah cannot mount what it built here");
            return None;
        }
        Some(builder)
    }

    fn try_buildah(&self, arguments: &[&str]) -> Output {
        let store = self.store.path();
        Command::new("timeout")
            .args(["60", "buildah", "--storage-driver", "vfs", "--root"])
            .arg(store.join("root"))
            .arg("--runroot")
            .arg(store.join("run"))
            .args(arguments)
            .current_dir(self.scratch.path())
            .env("BUILDAH_ISOLATION", "chroot")
            .output()
            .unwrap()
    }

    fn buildah(&self, arguments: &[&str]) -> String {
        let output = self.try_buildah(arguments);
        assert!(
            output.status.success(),
            "buildah {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    /// Builds a Dockerfile; returns the file `/made` of the image and its configuration.
    fn build(&self, dockerfile: &str, flags: &[&str]) -> (String, String) {
        let mut arguments = vec!["build", "-q", "--pull-never", "-t", "localhost/made"];
        arguments.extend(flags);
        arguments.extend(["-f", dockerfile, "."]);
        self.buildah(&arguments);
        let container = self.buildah(&["from", "--pull-never", "localhost/made"]);
        let mounted = self.buildah(&["mount", &container]);
        let made = std::fs::read_to_string(Path::new(&mounted).join("made")).unwrap();
        let config = self.buildah(&["inspect", "--format", "{{.OCIv1.Config}}", "localhost/made"]);
        self.buildah(&["rm", &container]);
        (made, config)
    }
}

#[test]
fn an_annotated_template_builds_as_it_is_and_means_the_same() {
    let Some(builder) = Builder::new() else {
        return;
    };
    let template = r#"#: from localhost/{{docker_arch}}/box:1
FROM localhost/box:1 AS base
#: cross
COPY bin/cat /qemu
#: arg TOOL={{uname_arch}}
ARG TOOL=x86_64
#: env WHAT={{docker_arch}}
ENV WHAT=amd64 KEPT="two words"
#: begin unless (eq arch "s390x")
#: replace x86 {{replace uname_arch "_64" ""}}
RUN echo "$TOOL $WHAT $KEPT" >/made; \
#: only amd64 i386
    echo native >>/made; \
#: unless native
    echo foreign >>/made; \
    echo x86 >>/made
#: end
#: label arch={{arch}}
LABEL arch=amd64
CMD ["cat", "/made"]
"#;
    // What only emulation needs, the template as it is has too.
    let native = "x86_64 amd64 two words\nnative\nx86\n";
    let as_it_is = "x86_64 amd64 two words\nnative\nforeign\nx86\n";
    builder.scratch.write("Dockerfile.cross", template);
    builder
        .scratch
        .run(&["generate", "--arch", "amd64"])
        .succeeds();
    let (made, config) = builder.build("Dockerfile.cross", &[]);
    assert_eq!(made, as_it_is);
    assert!(config.contains("arch:amd64"), "{config}");
    let (generated, same_config) = builder.build("Dockerfile.amd64", &[]);
    assert_eq!(generated, native);
    assert_eq!(same_config, config);
}

#[test]
fn one_dockerfile_knows_every_platform_that_it_is_built_for() {
    let Some(builder) = Builder::new() else {
        return;
    };
    builder.scratch.write(
        "crossfile.toml",
        "arches = [\"amd64\", \"arm32v6\", \"arm32v7\", \"arm64v8\", \"s390x\"]\noutput = \"Dockerfile\"\n\
         [columns.url]\ndefault = \"https://example.com/any\"\narm32v6 = \"https://example.com/six\"\narm64v8 = \"it's 64 bits\"\n",
    );
    builder.scratch.write(
        "Dockerfile.cross",
        "FROM localhost/box:1 AS made\nARG TARGETARCH\nARG TARGETVARIANT\nRUN set -eu; \\\n    \
         {{case \"TARGETARCH\" docker_arch url}}; \\\n    echo \"$docker_arch $url\" >/made\nFROM scratch\nCOPY --from=made /made /made\n",
    );
    builder.scratch.run(&["generate"]).succeeds();
    builder.scratch.run(&["lint"]).succeeds();
    for (arguments, wanted) in [
        (
            ["TARGETARCH=amd64", "TARGETVARIANT="],
            "amd64 https://example.com/any\n",
        ),
        (
            ["TARGETARCH=arm", "TARGETVARIANT=v6"],
            "arm32v6 https://example.com/six\n",
        ),
        (
            ["TARGETARCH=arm", "TARGETVARIANT=v7"],
            "arm32v7 https://example.com/any\n",
        ),
        (
            ["TARGETARCH=arm64", "TARGETVARIANT="],
            "arm64v8 it's 64 bits\n",
        ),
        (
            ["TARGETARCH=s390x", "TARGETVARIANT="],
            "s390x https://example.com/any\n",
        ),
    ] {
        let [arch, variant] = arguments;
        let flags = ["--build-arg", arch, "--build-arg", variant];
        assert_eq!(builder.build("Dockerfile", &flags).0, wanted);
    }
    let flags = [
        "--build-arg",
        "TARGETARCH=riscv64",
        "--build-arg",
        "TARGETVARIANT=",
    ];
    let mut arguments = vec!["build", "-q", "--pull-never"];
    arguments.extend(flags);
    arguments.extend(["-f", "Dockerfile", "."]);
    let refused = builder.try_buildah(&arguments);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("nothing for 'riscv64' here"), "{said}");
}
