//! What the kernel runs, for real: `binfmt_misc` of a user namespace, where what is registered touches nothing else on the machine.
//!
//! Since Linux 6.7 each user namespace may have one. The foreign programs are Debian's busybox-static, which `tests/engines/provision`
//! fetches; without these, and on older kernels, the tests say that they are skipped.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot set up its folder should panic, and says when it is skipped"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Run, Scratch};

/// A shell as root of a user namespace with a `binfmt_misc` of its own.
struct Machine {
    scratch: Scratch,
}

impl Machine {
    fn new() -> Option<Machine> {
        let machine = Machine {
            scratch: Scratch::new(),
        };
        let run = machine.unmounted("mount -t binfmt_misc b /proc/sys/fs/binfmt_misc");
        if run.status != 0 {
            eprintln!(
                "skipped: no binfmt_misc in a user namespace: {}",
                run.stderr
            );
            return None;
        }
        Some(machine)
    }

    /// With nothing mounted there.
    fn unmounted(&self, script: &str) -> Run {
        // What is inherited cannot be taken away, and can be hidden.
        let script = format!("mount -t tmpfs t /proc/sys/fs/binfmt_misc\n{script}");
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-uc", &script])
            .current_dir(self.scratch.path())
            .env("CROSSFILE", env!("CARGO_BIN_EXE_crossfile"))
            .output()
            .unwrap();
        Run {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// With nothing registered.
    fn run(&self, script: &str) -> Run {
        self.unmounted(&format!(
            "mount -t binfmt_misc b /proc/sys/fs/binfmt_misc || exit 99\n{script}"
        ))
    }

    /// A folder with a program for another architecture and nothing else in it.
    fn root(&self, name: &str, package: &Path) {
        let unpacked = self.scratch.join("unpacked");
        let done = Command::new("dpkg-deb")
            .arg("-x")
            .arg(package)
            .arg(&unpacked)
            .status();
        assert!(done.unwrap().success());
        let found = ["bin/busybox", "usr/bin/busybox"].map(|path| unpacked.join(path));
        let found = found.iter().find(|path| path.is_file()).unwrap();
        let bin = self.scratch.join(&format!("{name}/bin"));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy(found, bin.join("busybox")).unwrap();
        std::fs::remove_dir_all(&unpacked).unwrap();
    }
}

/// Debian's names of architectures, with the packages of busybox-static and the table's keys.
fn foreign() -> Option<Vec<(&'static str, PathBuf)>> {
    let Some(engines) = std::env::var_os("CROSSFILE_ENGINES") else {
        eprintln!("skipped: CROSSFILE_ENGINES names no engines");
        return None;
    };
    let folder = Path::new(&engines).join("debs");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let debian = name
            .strip_prefix("busybox-static_")
            .and_then(|name| name.strip_suffix(".deb"));
        let Some((_, debian)) = debian.and_then(|name| name.rsplit_once('_')) else {
            continue;
        };
        let arch = match debian {
            "armel" => "arm32v5",
            "armhf" => "arm32v7",
            "arm64" => "arm64v8",
            "mips64el" => "mips64le",
            "ppc64el" => "ppc64le",
            "s390x" => "s390x",
            "riscv64" => "riscv64",
            _ => continue,
        };
        found.push((arch, path));
    }
    assert!(found.len() >= 4, "{found:?}");
    Some(found)
}

#[test]
fn programs_run_from_when_they_are_registered_until_they_are_not() {
    let (Some(foreign), Some(machine)) = (foreign(), Machine::new()) else {
        return;
    };
    for (arch, package) in foreign {
        machine.root(arch, &package);
        let run = machine.run(&format!(
            "run() {{ {arch}/bin/busybox echo outside && chroot {arch} /bin/busybox echo inside; }}
             run 2>/dev/null && echo 'ran before'
             \"$CROSSFILE\" qemu register {arch} || exit
             run || exit
             \"$CROSSFILE\" qemu register {arch} || exit
             \"$CROSSFILE\" qemu status {arch} || exit
             \"$CROSSFILE\" qemu register --unregister {arch} || exit
             run 2>/dev/null && echo 'ran after'
             \"$CROSSFILE\" qemu register --unregister {arch}"
        ));
        assert_eq!(run.status, 0, "{arch}: {}{}", run.stdout, run.stderr);
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert_eq!(lines[..2], ["outside", "inside"], "{arch}: {}", run.stdout);
        assert!(!run.stdout.contains("ran "), "{arch}: {}", run.stdout);
        let row = lines.iter().find(|line| line.starts_with(arch)).unwrap();
        assert!(
            row.contains("emulated") && row.contains("need nothing inside"),
            "{row}"
        );
        for said in [
            "registered /usr/",
            "runs already, by /usr/",
            "took qemu-",
            "is not registered",
        ] {
            assert!(
                run.stderr.contains(said),
                "{arch}: no {said}: {}",
                run.stderr
            );
        }
    }
}

#[test]
fn what_is_not_mounted_is_mounted() {
    let (Some(_), Some(machine)) = (foreign(), Machine::new()) else {
        return;
    };
    let run = machine.unmounted(
        "\"$CROSSFILE\" qemu status s390x; \"$CROSSFILE\" qemu register s390x && ls /proc/sys/fs/binfmt_misc",
    );
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("binfmt_misc is not mounted"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("mounted binfmt_misc\n"),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout.ends_with("qemu-s390x\nregister\nstatus\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn without_the_flag_f_containers_need_the_interpreter() {
    let (Some(_), Some(machine)) = (foreign(), Machine::new()) else {
        return;
    };
    let run = machine.run(
        "line=$(\"$CROSSFILE\" qemu register --dry-run s390x | sed \"s/^echo '//; s/:POF' > .*/:PO/\")
         echo \"$line\" > /proc/sys/fs/binfmt_misc/register || exit
         \"$CROSSFILE\" qemu status s390x
         \"$CROSSFILE\" qemu register s390x && \"$CROSSFILE\" qemu status s390x",
    );
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    let rows: Vec<&str> = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("s390x"))
        .collect();
    assert!(
        rows[0].contains("need /usr/libexec/qemu-binfmt/s390x-binfmt-P inside"),
        "{rows:?}"
    );
    assert!(rows[1].contains("need nothing inside"), "{rows:?}");
}
