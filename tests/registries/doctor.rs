//! Doctor's questions to registries, and whether what they say holds for a push.

use std::env::var;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::credentials::with_password;
use crate::lab::{Docker, Lab};
use crate::sources;

/// The parts of a kind, with how they are.
fn parts(json: &Json, part: &str) -> Vec<(String, String)> {
    let parts = json["parts"].as_array().unwrap().iter();
    let text = |part: &Json, name: &str| part[name].as_str().unwrap().to_string();
    let own = parts.filter(|own| own["part"] == part);
    own.map(|own| (text(own, "state"), text(own, "seen")))
        .collect()
}

impl Lab {
    /// A project that pushes to a registry and takes nothing from any.
    fn pushes_to(&self, host: &str, more: &str) -> String {
        let repository = format!("{host}/{}", self.repository());
        let settings = format!("image = \"{repository}\"\narches = [\"amd64\"]\n{more}");
        self.scratch.write("crossfile.toml", settings);
        let template = "FROM scratch\nCOPY a.__DOCKER_ARCH__ /\n";
        self.scratch.write("Dockerfile.cross", template);
        self.scratch.write("a.amd64", "a\n");
        repository
    }

    #[track_caller]
    fn looks(&self, ready: bool) -> Json {
        let run = self.crossfile(Docker::Old, &["doctor", "--format", "json"]);
        let json: Json = serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
        assert_eq!(json["ready"], ready, "{json:#}");
        assert_eq!(run.status, i32::from(!ready), "{}", run.stderr);
        json
    }

    /// Whether an index can be made there.
    fn is_let_in(&self, repository: &str) -> bool {
        let sources = sources(&self.registry, &["amd64"]);
        let run = self.manifest(&[&format!("{repository}:1")], &sources);
        assert!(run.status == 0 || run.status == 2, "{}", run.stderr);
        run.status == 0
    }
}

#[test]
fn a_guarded_registry_is_told_by_who_asks() {
    let Some(lab) = Lab::new("doctor") else {
        return;
    };
    let host = var("CROSSFILE_GUARDED").unwrap();
    let config = lab.home.join("docker").display().to_string();
    let lab = lab
        .with_env("SSL_CERT_FILE", &var("CROSSFILE_CA").unwrap())
        .with_env("DOCKER_CONFIG", &config);
    let more = format!("[registry.\"{host}\"]\nplain-http = false\n");
    let repository = lab.pushes_to(&host, &more);
    let (user, password) = (
        var("CROSSFILE_USER").unwrap(),
        var("CROSSFILE_PASSWORD").unwrap(),
    );

    let nobody = lab.looks(false);
    assert_eq!(
        parts(&nobody, "registry")[0].1,
        "it answers, and asks who is there"
    );
    assert_eq!(parts(&nobody, "credentials")[0].0, "warning");
    assert_eq!(parts(&nobody, "write")[0].0, "failure");
    assert!(!lab.is_let_in(&repository));

    let wrong = "not-the-password-of-anybody";
    let config = with_password(&host, &user, wrong);
    lab.home.write("docker/config.json", config);
    let refused = lab.looks(false);
    assert_eq!(parts(&refused, "credentials")[0].0, "ok");
    let (state, seen) = &parts(&refused, "write")[0];
    assert!(
        state == "failure" && seen.contains("were refused"),
        "{seen}"
    );
    assert!(!refused.to_string().contains(wrong));
    assert!(!lab.is_let_in(&repository));

    lab.home
        .write("docker/config.json", r#"{"credsStore":"of-nobody"}"#);
    let helper = lab.looks(false);
    assert_eq!(parts(&helper, "credentials")[0].0, "failure");
    assert_eq!(parts(&helper, "write")[0].0, "skipped");
    assert!(!lab.is_let_in(&repository));

    let config = with_password(&host, &user, &password);
    lab.home.write("docker/config.json", config);
    let known = lab.looks(true);
    let (state, seen) = &parts(&known, "write")[0];
    assert!(state == "ok" && seen.contains("taken back"), "{seen}");
    for secret in [&password, &user] {
        assert!(!known.to_string().contains(secret.as_str()));
    }
    assert!(lab.is_let_in(&repository));
}

#[test]
fn podmans_credentials_are_of_no_use_to_docker() {
    let Some(lab) = Lab::new("doctor-podman") else {
        return;
    };
    let host = var("CROSSFILE_GUARDED").unwrap();
    let (user, password) = (
        var("CROSSFILE_USER").unwrap(),
        var("CROSSFILE_PASSWORD").unwrap(),
    );
    lab.home
        .write("auth.json", with_password(&host, &user, &password));
    let config = lab.home.join("docker").display().to_string();
    let file = lab.home.join("auth.json").display().to_string();
    let lab = lab
        .with_env("SSL_CERT_FILE", &var("CROSSFILE_CA").unwrap())
        .with_env("DOCKER_CONFIG", &config)
        .with_env("REGISTRY_AUTH_FILE", &file);
    lab.pushes_to(
        &host,
        &format!("[registry.\"{host}\"]\nplain-http = false\n"),
    );
    let json = lab.looks(false);
    let (state, seen) = &parts(&json, "credentials")[0];
    assert!(
        state == "failure" && seen.contains("docker does not read"),
        "{seen}"
    );
    // docker itself says the same.
    let push = ["push", &format!("{host}/nobody/nothing:1")];
    let login = lab.program(Docker::Old, "docker", &["manifest", "inspect", push[1]]);
    assert_ne!(login.status, 0, "{}", login.stdout);
}

/// A registry of the test's own, ended with it.
struct Own {
    child: Child,
    host: String,
}

impl Own {
    fn read_only(lab: &Lab) -> Own {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  inmemory: {{}}\n  maintenance:\n    readonly:\n      \
             enabled: true\nhttp:\n  addr: {host}\n"
        );
        lab.home.write("read-only.yml", config);
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(lab.home.join("read-only.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let own = Own { child, host };
        while std::net::TcpStream::connect(&own.host).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        own
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_read_only_registry_takes_nothing() {
    let Some(lab) = Lab::new("doctor-read-only") else {
        return;
    };
    let own = Own::read_only(&lab);
    let repository = lab.pushes_to(&own.host, "");
    let json = lab.looks(false);
    let (state, seen) = &parts(&json, "write")[0];
    assert!(state == "failure" && seen.contains("with 405"), "{seen}");
    assert!(!lab.is_let_in(&repository));
}

#[test]
fn a_registry_of_another_make_takes_images() {
    let Some(lab) = Lab::new("doctor-other") else {
        return;
    };
    let host = var("CROSSFILE_OTHER").unwrap();
    let repository = lab.pushes_to(&host, "");
    let json = lab.looks(true);
    assert_eq!(parts(&json, "write")[0].0, "ok", "{json:#}");
    assert!(lab.is_let_in(&repository));
}
