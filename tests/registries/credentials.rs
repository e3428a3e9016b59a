//! Who asks: credentials as docker and podman keep them, and a registry that wants some.

use std::env::var;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::lab::{Docker, Lab, THREE};
use crate::sources;
use crate::support::Run;

/// `user:password` as configurations have it.
fn encoded(user: &str, password: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{user}:{password}");
    let three = text.as_bytes().chunks(3).map(|bytes| {
        let bits = |at: usize| u32::from(*bytes.get(at).unwrap_or(&0));
        let bits = bits(0) << 16 | bits(1) << 8 | bits(2);
        let letter = |at: usize| match at <= bytes.len() {
            true => char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]),
            false => '=',
        };
        (0..4).map(letter).collect::<String>()
    });
    three.collect()
}

/// A configuration that knows a registry's password.
pub(crate) fn with_password(registry: &str, user: &str, password: &str) -> String {
    let auth = encoded(user, password);
    serde_json::json!({"auths": {registry: {"auth": auth}}}).to_string()
}

/// A guarded registry, and somebody with a password or without.
struct Guarded {
    lab: Lab,
    host: String,
    user: String,
    password: String,
}

impl Guarded {
    fn new(name: &str) -> Option<Guarded> {
        let lab = Lab::new(name)?;
        let host = var("CROSSFILE_GUARDED").unwrap();
        lab.speak_tls(&host);
        let config = lab.home.join("docker").display().to_string();
        let lab = lab
            .with_env("SSL_CERT_FILE", &var("CROSSFILE_CA").unwrap())
            .with_env("DOCKER_CONFIG", &config);
        Some(Guarded {
            lab,
            host,
            user: var("CROSSFILE_USER").unwrap(),
            password: var("CROSSFILE_PASSWORD").unwrap(),
        })
    }

    fn reference(&self) -> String {
        format!("{}/{}:1", self.host, self.lab.repository())
    }

    /// Makes an index there.
    fn manifest(&self) -> Run {
        let sources = sources(&self.lab.registry, THREE);
        self.lab.manifest(&[&self.reference()], &sources)
    }

    #[track_caller]
    fn is_let_in(&self) {
        self.manifest().succeeds();
        let run = self
            .lab
            .crossfile(Docker::Old, &["inspect", "--tls", &self.reference()]);
        assert!(run.succeeds().stdout.contains("linux/s390x"));
    }
}

#[test]
fn a_password_in_dockers_configuration_is_used() {
    let Some(guarded) = Guarded::new("auths") else {
        return;
    };
    let config = with_password(&guarded.host, &guarded.user, &guarded.password);
    guarded.lab.home.write("docker/config.json", config);
    guarded.is_let_in();
}

#[test]
fn a_credential_helper_is_asked() {
    let Some(mut guarded) = Guarded::new("helper") else {
        return;
    };
    let Guarded {
        host,
        user,
        password,
        ..
    } = &guarded;
    let config = serde_json::json!({"credHelpers": {host: "of-test"}});
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] || exit 1\nread -r server\necho \"$server\" >>'{}'\n[ \"$server\" = {host} ] || exit 1\n\
         echo '{{\"ServerURL\":\"{host}\",\"Username\":\"{user}\",\"Secret\":\"{password}\"}}'\n",
        guarded.lab.home.join("asked").display()
    );
    guarded
        .lab
        .home
        .write("docker/config.json", config.to_string());
    guarded
        .lab
        .home
        .write("bin/docker-credential-of-test", script);
    let helper = guarded.lab.home.join("bin/docker-credential-of-test");
    fs::set_permissions(helper, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = guarded.lab.home.join("bin");
    guarded.lab.first.push(folder);
    guarded.manifest().succeeds();
    // It may want a fingerprint each time.
    let asked = guarded.lab.home.read("asked");
    assert_eq!(asked, format!("{}\n", guarded.host));
    guarded.is_let_in();
}

#[test]
fn podmans_file_is_used() {
    let Some(guarded) = Guarded::new("podman") else {
        return;
    };
    let config = with_password(&guarded.host, &guarded.user, &guarded.password);
    guarded.lab.home.write("auth.json", config);
    let file = guarded.lab.home.join("auth.json").display().to_string();
    let lab = guarded.lab.with_env("REGISTRY_AUTH_FILE", &file);
    Guarded { lab, ..guarded }.is_let_in();
}

#[test]
fn without_credentials_the_error_names_who_wants_them() {
    let Some(guarded) = Guarded::new("nobody") else {
        return;
    };
    let reference = guarded.reference();
    for run in [
        guarded.manifest(),
        guarded
            .lab
            .crossfile(Docker::Old, &["inspect", "--tls", &reference]),
        guarded
            .lab
            .crossfile(Docker::Old, &["verify", "--tls", &reference]),
    ] {
        assert_eq!(run.status, 2, "{}{}", run.stdout, run.stderr);
        let repository = reference.trim_end_matches(":1");
        let wanted = format!("{repository} wants credentials");
        assert!(run.stderr.contains(&wanted), "{}", run.stderr);
        let none = format!("no credentials for {} were found", guarded.host);
        assert!(run.stderr.contains(&none), "{}", run.stderr);
    }
}

#[test]
fn a_wrong_password_is_shown_nowhere() {
    let Some(guarded) = Guarded::new("wrong") else {
        return;
    };
    let wrong = "not-the-password-of-anybody";
    let config = with_password(&guarded.host, &guarded.user, wrong);
    guarded.lab.home.write("docker/config.json", config);
    let (reference, auth) = (guarded.reference(), encoded(&guarded.user, wrong));
    let source = &sources(&guarded.lab.registry, THREE)[0];
    for args in [
        &["manifest", "--tag", &reference, source][..],
        &["-v", "manifest", "--tag", &reference, source],
        &["manifest", "--format", "json", "--tag", &reference, source],
        &["inspect", "--tls", "--format", "json", &reference],
        &["-v", "verify", "--tls", "--format", "json", &reference],
        &["-v", "manifest", "--dry-run", "--tag", &reference, source],
    ] {
        let run = guarded.lab.crossfile(Docker::Old, args);
        let dry = args.contains(&"--dry-run");
        assert_eq!(
            run.status,
            if dry { 0 } else { 2 },
            "{args:?}{}",
            run.stderr
        );
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains(wrong) && !said.contains(&auth), "{said}");
        assert!(dry || said.contains(&guarded.host), "{said}");
    }
}

#[test]
fn a_server_of_an_unknown_authority_is_told_nothing() {
    let Some(guarded) = Guarded::new("unknown") else {
        return;
    };
    let config = with_password(&guarded.host, &guarded.user, &guarded.password);
    guarded.lab.home.write("docker/config.json", config);
    let mut guarded = guarded;
    guarded.lab.env.retain(|(name, _)| name != "SSL_CERT_FILE");
    let run = guarded.manifest();
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("SSL_CERT_FILE"), "{}", run.stderr);
    assert!(run.stderr.contains(&guarded.host), "{}", run.stderr);
}
