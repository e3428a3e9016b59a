//! The command, with a docker and a registry of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::server::{Manner, Server};
use crate::support::{Run, Scratch, crossfile, git_identity};

/// An engine on another kernel: nothing of the machine that the test runs on shows. What is asked is noted.
const DOCKER: &str = r#"#!/bin/sh
dir=$(dirname "$0")
echo "$*" >>"$dir/log"
[ ! -e "$dir/hook" ] || . "$dir/hook"
case "$*" in
    --version) echo 'Docker version 20.10.24, build 297e128' ;;
    context*) echo tcp://engine:2375 ;;
    info*) printf '{"ServerVersion":"20.10.24","OSType":"linux","Architecture":"x86_64","KernelVersion":"1.0-test","Name":"engine","SystemTime":"%s","DockerRootDir":"/var/lib/docker"}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" ;;
    *) echo "docker: '$1' is not a docker command." >&2; exit 1 ;;
esac
"#;

/// Its base image is nothing, so that no registry is asked for it.
fn project(host: &str) -> Scratch {
    let scratch = Scratch::with(&[
        (
            "project/crossfile.toml",
            &format!("image = \"{host}/acme/nginx\"\narches = [\"amd64\"]\n"),
        ),
        (
            "project/Dockerfile.cross",
            "FROM scratch\nCOPY a.__DOCKER_ARCH__ /\n",
        ),
        ("project/a.amd64", "a\n"),
    ]);
    program(&scratch, "docker", DOCKER);
    scratch
}

fn program(scratch: &Scratch, name: &str, text: &str) {
    let path = format!("bin/{name}");
    scratch.write(&path, text);
    fs::set_permissions(scratch.join(&path), fs::Permissions::from_mode(0o755)).unwrap();
}

fn command(scratch: &Scratch, args: &[&str]) -> Command {
    let mut command = crossfile();
    let system = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{system}", scratch.join("bin").display());
    command
        .arg("doctor")
        .args(args)
        .current_dir(scratch.join("project"))
        .env("PATH", path)
        .env("HOME", scratch.join("home"));
    command
}

fn run(scratch: &Scratch, args: &[&str]) -> Run {
    Run::from(command(scratch, args).output().unwrap())
}

/// The line of a part.
#[track_caller]
fn line<'a>(run: &'a Run, part: &str) -> &'a str {
    let mut lines = run.stdout.lines();
    let found = lines.find(|line| line.split_whitespace().nth(1) == Some(part));
    found.unwrap_or_else(|| panic!("no {part} in\n{}{}", run.stdout, run.stderr))
}

#[test]
fn a_machine_that_is_ready() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    let run = run(&scratch, &[]).succeeds();
    assert!(run.stdout.lines().all(|line| !line.starts_with("FAIL")));
    assert!(line(&run, "daemon").contains("Engine 20.10.24, linux/amd64"));
    assert!(line(&run, "emulation").contains("it builds amd64"));
    assert!(line(&run, "space").starts_with("skip"));
    assert!(line(&run, "write").contains("begun and taken back"));
    assert_eq!(run.stderr, "ready for a release with docker\n");
    assert_eq!(
        server.asked(),
        [
            "DELETE /v2/acme/nginx/blobs/uploads/1?_state=x",
            "GET /v2/",
            "POST /v2/acme/nginx/blobs/uploads/",
        ]
    );
    // It only looks.
    assert!(!scratch.exists("project/Dockerfile.amd64"));
    assert!(!scratch.exists("home"));
    let log = scratch.read("bin/log");
    let changes = [
        "build", "push", "run", "create", "prune", "rm", "pull", "login",
    ];
    for asked in log.lines() {
        let verb = asked.split(' ').next().unwrap();
        // Its help says who would build.
        let asks = asked == "build --help";
        assert!(asks || !changes.contains(&verb), "{log}");
    }
}

#[test]
fn the_result_as_json() {
    let server = Server::new(Manner::ReadOnly);
    let scratch = project(&server.host);
    let run = run(&scratch, &["--format", "json"]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    let json: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["ready"], false);
    assert_eq!(json["backend"], "docker");
    let parts = json["parts"].as_array().unwrap();
    let failed: Vec<&Json> = parts
        .iter()
        .filter(|part| part["state"] == "failure")
        .collect();
    assert_eq!(failed.len(), 1, "{json}");
    assert_eq!(failed[0]["part"], "write");
    assert_eq!(failed[0]["name"], format!("{}/acme/nginx", server.host));
    let mend = failed[0]["mend"]["text"].as_str().unwrap();
    assert!(mend.contains("read-only"), "{mend}");
}

#[test]
fn registries_that_take_nothing() {
    for (manner, state, seen) in [
        (Manner::Keeps, "ok", "which it forgets by itself"),
        (Manner::ReadOnly, "FAIL", "with 405"),
        (Manner::Denies, "FAIL", "denies POST"),
    ] {
        let server = Server::new(manner);
        let run = run(&project(&server.host), &[]);
        let write = line(&run, "write");
        assert!(
            write.starts_with(state) && write.contains(seen),
            "{manner:?}: {write}"
        );
        assert_eq!(run.status, i32::from(state == "FAIL"), "{manner:?}");
    }
}

#[test]
fn no_registry_leaves_the_rest_as_it_is() {
    let scratch = project("127.0.0.1:1");
    let run = run(&scratch, &[]);
    assert_eq!(run.status, 1);
    assert!(line(&run, "registry").starts_with("FAIL"));
    assert!(line(&run, "daemon").starts_with("ok"));
    assert!(
        run.stdout
            .contains("      mend: is the name right, the registry running")
    );
    assert!(run.stdout.lines().all(|line| !line.contains("write 127")));
    // To log in is of no use there.
    assert!(
        line(&run, "credentials").starts_with("skip"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("docker login"), "{}", run.stdout);
}

#[test]
fn a_wrong_clock_is_a_failure() {
    let server = Server::new(Manner::Late);
    let run = run(&project(&server.host), &[]);
    assert_eq!(run.status, 1);
    let clocks = run.stdout.lines().filter(|line| line.contains(" clock "));
    let clocks: Vec<&str> = clocks.collect();
    assert!(clocks[0].starts_with("ok"), "{clocks:?}");
    assert!(
        clocks[1].starts_with("FAIL") && clocks[1].contains("behind this machine"),
        "{clocks:?}"
    );
}

#[test]
fn what_hangs_is_not_waited_for() {
    let server = Server::new(Manner::Silent);
    let scratch = project(&server.host);
    scratch.write("bin/hook", "case \"$*\" in info*) sleep 300;; esac\n");
    let run = run(&scratch, &[]);
    assert_eq!(run.status, 1);
    assert!(line(&run, "daemon").contains("gave no answer in 10 seconds"));
    assert!(
        line(&run, "registry").contains("no answer in time"),
        "{}",
        run.stdout
    );
}

#[test]
fn ctrl_c_ends_programs() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    let hook = "case \"$*\" in info*) echo $$ >\"$dir/pid\"; exec sleep 300;; esac\n";
    scratch.write("bin/hook", hook);
    let mut child = command(&scratch, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = loop {
        let text = fs::read_to_string(scratch.join("bin/pid")).unwrap_or_default();
        if text.ends_with('\n') {
            break text.trim().to_string();
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    };
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.is_empty());
    let alive = Command::new("kill")
        .args(["-0", &pid])
        .stderr(Stdio::null())
        .status();
    assert!(!alive.unwrap().success(), "docker still runs");
}

#[test]
fn an_upload_that_was_begun_is_taken_back_after_ctrl_c() {
    let server = Server::new(Manner::Slow);
    let scratch = project(&server.host);
    let mut child = command(&scratch, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !server.asked().iter().any(|asked| asked.starts_with("POST")) {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let asked = server.asked();
    let number = |method: &str| {
        asked
            .iter()
            .filter(|asked| asked.starts_with(method))
            .count()
    };
    assert_eq!((number("POST"), number("DELETE")), (1, 1), "{asked:?}");
}

#[test]
fn a_program_that_prints_without_end_is_ended() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    for flood in ["yes", "yes | tr -d '\\n'"] {
        scratch.write(
            "bin/hook",
            format!("case \"$*\" in info*) {flood};; esac\n"),
        );
        let run = run(&scratch, &[]);
        assert_eq!(run.status, 1);
        let daemon = line(&run, "daemon");
        assert!(
            daemon.contains("printed more than 1048576 bytes"),
            "{daemon}"
        );
    }
}

#[test]
fn a_project_that_is_elsewhere_is_told_of() {
    let scratch = project("127.0.0.1:1");
    scratch.write("project/sub/a", "");
    fs::create_dir(scratch.join("project/.git")).unwrap();
    let mut below = command(&scratch, &[]);
    let below = below.current_dir(scratch.join("project/sub")).output();
    let below = Run::from(below.unwrap()).succeeds();
    assert!(line(&below, "project").starts_with("skip"));
    assert!(
        below
            .stdout
            .contains("look: ../Dockerfile.cross: there is a template here"),
        "{}",
        below.stdout
    );
}

#[test]
fn secrets_are_not_shown() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    // `somebody:hunter2`
    let config = format!(
        r#"{{"auths":{{"{}":{{"auth":"c29tZWJvZHk6aHVudGVyMg=="}}}}}}"#,
        server.host
    );
    scratch.write("home/.docker/config.json", config);
    for args in [&[][..], &["--format", "json"], &["-v", "--all"]] {
        let run = run(&scratch, args).succeeds();
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(".docker/config.json has some"), "{said}");
        for secret in ["hunter2", "somebody", "c29tZWJvZHk6aHVudGVyMg"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_helper_that_is_not_there() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    scratch.write("home/.docker/config.json", r#"{"credsStore":"of-nobody"}"#);
    let run = run(&scratch, &[]);
    assert_eq!(run.status, 1);
    let credentials = line(&run, "credentials");
    assert!(
        credentials.starts_with("FAIL") && credentials.contains("docker-credential-of-nobody"),
        "{credentials}"
    );
    assert!(run.stdout.contains("install the helper"));
}

#[test]
fn files_are_looked_at_and_brought_up_to_date() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    let first = run(&scratch, &[]).succeeds();
    assert!(line(&first, "files").contains("1 file to be generated"));
    let generate = crossfile()
        .arg("generate")
        .current_dir(scratch.join("project"))
        .output();
    assert!(generate.unwrap().status.success());
    let good = scratch.read("project/Dockerfile.amd64");
    assert!(line(&run(&scratch, &[]).succeeds(), "files").starts_with("ok"));
    let edited = format!("{good}RUN more\n");
    scratch.write("project/Dockerfile.amd64", &edited);
    assert!(line(&run(&scratch, &[]).succeeds(), "files").starts_with("warn"));
    // Where nothing would have what somebody wrote there, it is left alone.
    let left = run(&scratch, &["--fix"]).succeeds();
    assert!(
        left.stdout.contains("what was edited by hand is lost"),
        "{}",
        left.stdout
    );
    assert_eq!(scratch.read("project/Dockerfile.amd64"), edited);
    scratch.write("project/Dockerfile.amd64", &good);
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["commit", "-qm", "all"],
    ] {
        let mut git = Command::new("git");
        git.args(args).current_dir(scratch.join("project"));
        git.envs(git_identity());
        assert!(git.status().unwrap().success(), "{args:?}");
    }
    scratch.write("project/Dockerfile.amd64", &edited);
    let fixed = run(&scratch, &["--fix", "--format", "json"]).succeeds();
    assert!(
        fixed.stderr.contains("fix: crossfile generate"),
        "{}",
        fixed.stderr
    );
    assert!(
        fixed.stderr.contains("held is in no commit: git show "),
        "{}",
        fixed.stderr
    );
    let json: Json = serde_json::from_str(&fixed.stdout).unwrap();
    assert_eq!(json["fixed"], serde_json::json!(["crossfile generate"]));
    assert_eq!(scratch.read("project/Dockerfile.amd64"), good);
    // A second time there is nothing to do.
    let again = run(&scratch, &["--fix"]).succeeds();
    assert!(!again.stderr.contains("fix:"), "{}", again.stderr);
    // What is not ours stops a release, and is not ours to mend.
    scratch.write("project/Dockerfile.amd64", "FROM mine\n");
    let foreign = run(&scratch, &["--fix"]);
    assert_eq!(foreign.status, 1);
    assert!(line(&foreign, "files").starts_with("FAIL"));
    assert_eq!(scratch.read("project/Dockerfile.amd64"), "FROM mine\n");
}

#[test]
fn handlers_that_are_not_there_fail_a_build() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    let settings = format!(
        "image = \"{}/acme/nginx\"\narches = [\"arm32v7\"]\n",
        server.host
    );
    scratch.write("project/crossfile.toml", settings);
    let template = "FROM scratch\n__CROSS_COPY qemu-__QEMU_ARCH__-static /usr/bin/\nCOPY b /\n";
    scratch.write("project/Dockerfile.cross", template);
    let lacks = run(&scratch, &[]);
    assert_eq!(lacks.status, 1);
    let handlers = line(&lacks, "handlers");
    assert!(handlers.contains("does not hold the handler"), "{handlers}");
    scratch.write("project/qemu-arm-static", "");
    let path = scratch.join("project/qemu-arm-static");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!run(&scratch, &[]).stdout.contains("handlers"));
    // One that is hidden from the build is there, and fetching it is of no use.
    scratch.write("project/.dockerignore", "qemu-*\n");
    let hidden = run(&scratch, &[]);
    assert_eq!(hidden.status, 1);
    assert!(line(&hidden, "handlers").contains(".dockerignore: this leaves `qemu-arm-static` out"));
    assert!(
        hidden.stdout.contains("add below it: `!qemu-*-static`"),
        "{}",
        hidden.stdout
    );
    assert!(
        !hidden.stdout.contains("crossfile qemu fetch"),
        "{}",
        hidden.stdout
    );
    fs::remove_file(scratch.join("project/.dockerignore")).unwrap();
    let lock = format!(
        "schema = 1\n\n[qemu.amd64]\narm = {{ sha256 = \"{}\", size = 1, source = \"machine\", from = \"/usr/bin/qemu-arm-static\" }}\n",
        "0".repeat(64)
    );
    scratch.write("project/crossfile.lock", lock);
    let other = run(&scratch, &[]);
    assert_eq!(other.status, 1, "{}{}", other.stdout, other.stderr);
    assert!(line(&other, "handlers").contains("is not the handler that crossfile.lock has"));
    assert!(
        other
            .stdout
            .contains("`crossfile qemu fetch --force arm32v7`"),
        "{}",
        other.stdout
    );
}

#[test]
fn without_a_project_the_machine_is_looked_at() {
    let scratch = project("127.0.0.1:1");
    fs::remove_file(scratch.join("project/Dockerfile.cross")).unwrap();
    fs::remove_file(scratch.join("project/crossfile.toml")).unwrap();
    let alone = run(&scratch, &[]).succeeds();
    assert!(line(&alone, "project").starts_with("skip"));
    assert!(!alone.stdout.contains("registry"));
    assert_eq!(alone.stderr, "ready for docker; there is no project here\n");
    // The engine is elsewhere: what else it runs cannot be told.
    let asked = run(&scratch, &["--arch", "amd64,s390x"]).succeeds();
    assert!(asked.stdout.contains("it builds amd64"), "{}", asked.stdout);
    assert!(
        asked
            .stdout
            .contains("whether s390x runs there cannot be asked"),
        "{}",
        asked.stdout
    );
    let buildah = run(&scratch, &["--backend", "buildctl"]);
    assert_eq!(buildah.status, 1, "{}", buildah.stdout);
    assert!(line(&buildah, "program").contains("no program `buildctl`"));
}

#[test]
fn what_is_wrong_with_settings_is_an_error() {
    let scratch = project("127.0.0.1:1");
    for (args, said) in [
        (&["--backend", "dokcer"][..], "did you mean `docker`?"),
        (&["--arch", "armhf"], "choose one of `arm32v7`, `arm32v6`"),
        (&["--plain-http", "--tls"], "cannot be used with"),
    ] {
        let run = run(&scratch, args);
        assert_eq!(run.status, 2, "{args:?}{}", run.stdout);
        assert!(
            run.stdout.is_empty() && run.stderr.contains(said),
            "{}",
            run.stderr
        );
        if said != "cannot be used with" {
            let json = self::run(&scratch, &[args, &["--format", "json"]].concat());
            assert_eq!(json.status, 2);
            let json: Json = serde_json::from_str(&json.stdout).unwrap();
            assert_eq!(json["ready"], false);
            assert!(json["diagnostics"].to_string().contains(said), "{json}");
        }
    }
    scratch.write("project/crossfile.toml", "image = 1\n");
    let wrong = run(&scratch, &[]);
    assert_eq!(wrong.status, 2, "{}", wrong.stdout);
    // A name that is missing is for a release to need: the machine is looked at all the same.
    scratch.write("project/crossfile.toml", "arches = [\"amd64\"]\n");
    let nameless = run(&scratch, &[]);
    assert_eq!(nameless.status, 1);
    assert!(line(&nameless, "plan").contains("nothing says the image's name"));
    assert!(line(&nameless, "daemon").starts_with("ok"));
}

#[test]
fn what_a_backend_cannot_do_is_told_before() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    let settings = scratch.read("project/crossfile.toml") + "cache-to = [\"type=inline\"]\n";
    scratch.write("project/crossfile.toml", settings);
    let run = run(&scratch, &[]);
    assert_eq!(run.status, 1);
    assert!(
        line(&run, "plan").contains("docker cannot put its cache somewhere"),
        "{}",
        run.stdout
    );
}

#[test]
fn asked_to_be_quiet_it_says_what_fails() {
    let scratch = project("127.0.0.1:1");
    let quiet = run(&scratch, &["-q"]);
    assert_eq!(quiet.status, 1);
    let lines: Vec<&str> = quiet.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", quiet.stdout);
    assert!(lines[0].starts_with("FAIL  registry"));
    assert_eq!(quiet.stderr, "");
}

#[test]
fn what_a_build_does_not_find_is_told_before() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    let good = scratch.read("project/crossfile.toml");
    let wrong = [
        ("context = \"nope\"\n", "context", "`nope` is not there"),
        ("context = \"a.amd64\"\n", "context", "is no folder"),
        ("target = \"nope\"\n", "target", "has no stage `nope`"),
        (
            "secrets = [\"id=t,src=nofile\"]\n",
            "secrets",
            "in `nofile`, which is not there",
        ),
        (
            "secrets = [\"id=of-nobody\"]\n",
            "secrets",
            "in `of-nobody`",
        ),
    ];
    for (more, part, seen) in wrong {
        scratch.write("project/crossfile.toml", format!("{good}{more}"));
        let run = run(&scratch, &[]);
        assert_eq!(run.status, 1, "{more}{}", run.stdout);
        let line = line(&run, part);
        assert!(line.starts_with("FAIL") && line.contains(seen), "{line}");
        // What may be left out fails nothing.
        let optional = format!("{good}{more}[arch.amd64]\noptional = true\n");
        scratch.write("project/crossfile.toml", optional);
        let spared = self::run(&scratch, &[]);
        assert!(
            self::line(&spared, part).starts_with("warn"),
            "{more}{}",
            spared.stdout
        );
    }
    // docker makes an empty secret of a variable that is not set.
    scratch.write(
        "project/crossfile.toml",
        format!("{good}secrets = [\"id=t,env=OF_NOBODY\"]\n"),
    );
    let empty = run(&scratch, &[]).succeeds();
    assert!(line(&empty, "secrets").contains("OF_NOBODY, which is not set"));
    scratch.write("project/token", "t\n");
    scratch.write(
        "project/Dockerfile.cross",
        "FROM scratch AS Base\nCOPY a.__DOCKER_ARCH__ /\n",
    );
    for right in [
        "context = \".\"\n",
        "target = \"base\"\n",
        "target = \"0\"\n",
        "secrets = [\"id=t,src=token\", \"id=token\", \"id=p,env=PATH\", \"id=PATH\"]\n",
    ] {
        scratch.write("project/crossfile.toml", format!("{good}{right}"));
        let run = run(&scratch, &[]).succeeds();
        for part in ["context", "target", "secrets"] {
            assert!(
                !run.stdout.contains(&format!("  {part} ")),
                "{right}{}",
                run.stdout
            );
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_to() {
    let server = Server::new(Manner::Takes);
    let scratch = project(&server.host);
    let settings = scratch.read("project/crossfile.toml") + "output = \"there/Dockerfile\"\n";
    scratch.write("project/crossfile.toml", settings);
    // A file in the place of a folder is so for root, too.
    scratch.write("project/there", "");
    let stuck = run(&scratch, &["--fix"]);
    assert_eq!(stuck.status, 1, "{}", stuck.stdout);
    assert!(
        line(&stuck, "files").contains("is to be generated, and cannot be"),
        "{}",
        stuck.stdout
    );
    fs::remove_file(scratch.join("project/there")).unwrap();
    run(&scratch, &[]).succeeds();
    // Whoever is root may write all the same.
    let folder = scratch.join("project/there");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::write(folder.join("probe"), "").is_ok();
    let run = run(&scratch, &[]);
    assert_eq!(run.status, i32::from(!is_root), "{}", run.stdout);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_proxy_that_does_not_answer_is_named() {
    let scratch = project("registry.example.com");
    let mut command = command(&scratch, &[]);
    let command = command
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.status, 1);
    let registry = line(&run, "registry");
    assert!(
        registry.contains("by way of the proxy that HTTPS_PROXY names"),
        "{registry}"
    );
}
