//! What the kernel runs, for real: `binfmt_misc` of a user namespace, where what is registered touches nothing else on the machine.
//!
//! Since Linux 6.7 each user namespace may have one. The foreign programs are Debian's busybox-static, which `tests/engines/provision`
//! fetches; without these, and on older kernels, the tests say that they are skipped. The last one changes what the machine itself runs, and
//! puts it back: it wants `CROSSFILE_KERNEL=alone`, and nothing beside it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot set up its folder should panic, and says when it is skipped"
)]

#[path = "engines/lab.rs"]
mod lab;
mod support;

use std::collections::BTreeMap;
use std::env::var;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crossfile::emulation::Registration;
use lab::{Docker, Lab};
use support::page::{Page, Stage};
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
        Run::from(output)
    }

    /// With nothing registered.
    fn run(&self, script: &str) -> Run {
        self.unmounted(&format!(
            "mount -t binfmt_misc b /proc/sys/fs/binfmt_misc || exit 99\n{script}"
        ))
    }

    /// The same as long as it is held, for programs that enter it.
    fn open(&self) -> Namespace {
        let script = "mount -t tmpfs t /proc/sys/fs/binfmt_misc
             mount -t binfmt_misc b /proc/sys/fs/binfmt_misc && echo ready && exec sleep 120";
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-uc", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Namespace(child)
    }

    fn root(&self, name: &str, package: &Path) {
        root(&self.scratch, name, package);
    }
}

struct Namespace(Child);

impl Drop for Namespace {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A folder with a program for another architecture and nothing else in it.
fn root(scratch: &Scratch, name: &str, package: &Path) {
    let unpacked = scratch.join("unpacked");
    let done = Command::new("dpkg-deb")
        .arg("-x")
        .arg(package)
        .arg(&unpacked)
        .status();
    assert!(done.unwrap().success());
    let found = ["bin/busybox", "usr/bin/busybox"].map(|path| unpacked.join(path));
    let found = found.iter().find(|path| path.is_file()).unwrap();
    let bin = scratch.join(&format!("{name}/bin"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::copy(found, bin.join("busybox")).unwrap();
    std::fs::remove_dir_all(&unpacked).unwrap();
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
            "mipsel" => "mipsle",
            "mips64el" => "mips64le",
            "ppc64el" => "ppc64le",
            "s390x" => "s390x",
            "riscv64" => "riscv64",
            // These run without.
            "amd64" | "i386" => continue,
            other => panic!("{other}"),
        };
        found.push((arch, path));
    }
    // One comes from another release than the rest, and is not always to be had.
    assert!(found.len() >= 7, "{found:?}");
    if !found.iter().any(|(name, _)| *name == "riscv64") {
        eprintln!("skipped: no busybox-static for riscv64");
    }
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

#[test]
fn all_is_taken_away_by_nobody_and_no_qemu_is_no_success() {
    let (Some(_), Some(machine)) = (foreign(), Machine::new()) else {
        return;
    };
    // One entry serves three architectures, and has QEMU's name for all of them.
    let run = machine.run(
        "\"$CROSSFILE\" qemu register arm && \"$CROSSFILE\" qemu register --unregister
         [ $? = 2 ] && [ -e /proc/sys/fs/binfmt_misc/qemu-arm ] || exit 9
         mount -t tmpfs t /usr/libexec && mount -t tmpfs t /usr/bin && \"$CROSSFILE\" qemu register",
    );
    assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
    for said in [
        "arm: registered /usr/",
        "nothing says which",
        "there is no QEMU on this machine\n  help: on Debian",
    ] {
        assert!(run.stderr.contains(said), "no {said}: {}", run.stderr);
    }
}

#[test]
fn what_is_switched_off_is_switched_on() {
    let (Some(_), Some(machine)) = (foreign(), Machine::new()) else {
        return;
    };
    let run = machine.run(
        "\"$CROSSFILE\" qemu register s390x && echo 0 > /proc/sys/fs/binfmt_misc/status
         \"$CROSSFILE\" qemu status s390x; \"$CROSSFILE\" qemu register s390x
         echo 0 > /proc/sys/fs/binfmt_misc/qemu-s390x
         \"$CROSSFILE\" qemu status s390x; \"$CROSSFILE\" qemu register s390x; \"$CROSSFILE\" qemu status s390x",
    );
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    let rows = || run.stdout.lines().filter(|line| line.starts_with("s390x"));
    let words: Vec<&str> = rows()
        .map(|row| row.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(words, ["no", "no", "emulated"], "{}", run.stdout);
    assert!(
        run.stdout.contains("which is switched off"),
        "{}",
        run.stdout
    );
    for said in [
        "binfmt_misc is switched off: `echo 1",
        "switched binfmt_misc on",
    ] {
        assert!(run.stderr.contains(said), "no {said}: {}", run.stderr);
    }
}

#[test]
fn without_root_it_says_so() {
    let (Some(_), Some(machine)) = (foreign(), Machine::new()) else {
        return;
    };
    // The machine's own kernel this time, which belongs to root. The program may lie where nobody else may look.
    let program = machine.scratch.join("crossfile");
    std::fs::copy(env!("CARGO_BIN_EXE_crossfile"), &program).unwrap();
    std::fs::set_permissions(machine.scratch.path(), Permissions::from_mode(0o755)).unwrap();
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let args = ["qemu", "register", "sparc64"];
    let mut command = Command::new("setpriv");
    command.args(user).arg(program).args(args).current_dir("/");
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr
            .contains("this needs root\n  help: run it with sudo; or `--with docker`"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_page_about_it_says_what_is_printed() {
    let (Some(_), Some(machine)) = (foreign(), Machine::new()) else {
        return;
    };
    let namespace = machine.open();
    let sudo = machine.scratch.join("bin/sudo");
    std::fs::create_dir(machine.scratch.join("bin")).unwrap();
    std::fs::write(&sudo, "#!/bin/sh\nexec \"$@\"\n").unwrap();
    std::fs::set_permissions(&sudo, Permissions::from_mode(0o755)).unwrap();
    let target = format!("--target={}", namespace.0.id());
    let before = [
        "nsenter",
        &target,
        "--user",
        "--mount",
        "--preserve-credentials",
    ];
    let page = Page::open("docs/emulation.md");
    let played = page.play_on(&Stage {
        has: "kernel",
        before: before.map(str::to_string).to_vec(),
        path: vec![machine.scratch.join("bin")],
        ..Stage::default()
    });
    if var("CROSSFILE_BLESS").is_ok() {
        std::fs::write(Page::top().join("docs/emulation.md"), played.text).unwrap();
        return;
    }
    assert!(
        played.differences.is_empty(),
        "{}",
        played.differences.join("\n")
    );
}

const MISC: &str = "/proc/sys/fs/binfmt_misc";

/// The machine's own entries with what they say, put back at the end.
struct Kernel(BTreeMap<String, String>);

impl Kernel {
    fn entries() -> BTreeMap<String, String> {
        let mut entries = BTreeMap::new();
        for entry in std::fs::read_dir(MISC).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if !["register", "status"].contains(&&*name) {
                entries.insert(name, std::fs::read_to_string(entry.path()).unwrap());
            }
        }
        entries
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let now = Kernel::entries();
        let own = |name: &String| self.0.get(name) == now.get(name);
        for name in now.keys().filter(|name| !own(name)) {
            std::fs::write(format!("{MISC}/{name}"), "-1").unwrap();
        }
        for (name, text) in self.0.iter().filter(|(name, _)| !own(name)) {
            let line = Registration::parse(name, text).unwrap().line().unwrap();
            std::fs::write(format!("{MISC}/register"), line).unwrap();
        }
    }
}

#[test]
fn containers_of_the_machine_run_what_is_registered() {
    if var("CROSSFILE_KERNEL").as_deref() != Ok("alone") {
        eprintln!(
            "skipped: CROSSFILE_KERNEL=alone does not say that this machine is the test's own"
        );
        return;
    }
    let foreign = foreign().unwrap();
    let lab = Lab::new("emulation").unwrap();
    let kernel = Kernel(Kernel::entries());
    let mut seen = 0;
    for (arch, package) in foreign {
        root(&lab.scratch, arch, &package);
        let resolved = |scheme| {
            let run = lab.scratch.run(&["arch", "resolve", arch, "--to", scheme]);
            run.succeeds().stdout.trim().to_string()
        };
        let (platform, qemu) = (resolved("platform"), resolved("qemu"));
        let registered = format!("qemu-{qemu}");
        for docker in [Docker::Old, Docker::New] {
            let name = format!("emulation/{arch}:{}", std::process::id());
            // 20.10 forgets the variant of what it imports.
            let asked = match docker {
                Docker::Old => String::new(),
                Docker::New => format!("--platform {platform}"),
            };
            let script = format!(
                "tar -C {arch} -c . | docker import --platform {platform} - {name} >/dev/null || exit
                 inside() {{ docker run --rm {asked} --network none {name} /bin/busybox uname -m; }}
                 trap 'docker image rm -f {name} >/dev/null' EXIT
                 \"$CROSSFILE\" qemu register --unregister {arch} || exit
                 {arch}/bin/busybox true 2>/dev/null && echo 'ran outside before'
                 inside 2>/dev/null && echo 'ran inside before'
                 \"$CROSSFILE\" qemu register {arch} || exit
                 echo \"$({arch}/bin/busybox uname -m) $(inside)\""
            );
            let mut command = lab.command(docker, "sh");
            command.args(["-uc", &script]);
            command.env("CROSSFILE", env!("CARGO_BIN_EXE_crossfile"));
            let run = Run::from(command.output().unwrap());
            assert_eq!(run.status, 0, "{arch}: {}{}", run.stdout, run.stderr);
            let words: Vec<&str> = run.stdout.split_whitespace().collect();
            assert_eq!(words.len(), 2, "{arch}: {}{}", run.stdout, run.stderr);
            assert_eq!(words[0], words[1], "{arch}");
            assert_ne!(words[0], std::env::consts::ARCH);
            seen += 1;
        }
        assert!(Kernel::entries().contains_key(&registered));
    }
    assert!(seen >= 14);
    let before = kernel.0.clone();
    drop(kernel);
    assert_eq!(Kernel::entries(), before);
}
