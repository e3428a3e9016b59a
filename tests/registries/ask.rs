//! Registries, asked without crossfile and without any other client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crossfile::registry::Digest;

const INDEXES: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// What a registry says.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One request in plain HTTP: `/v2/acme/nginx/manifests/1`, of a type that is sent.
pub(crate) fn ask(host: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(host).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let length = body.len();
    // In this version answers end with the connection.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAccept: {INDEXES}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap();
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        body: bytes[end + 4..].to_vec(),
    }
}

pub(crate) fn get_manifest(host: &str, repository: &str, which: &str) -> Answer {
    ask(
        host,
        "GET",
        &format!("/v2/{repository}/manifests/{which}"),
        "",
        b"",
    )
}

/// The digest of what a tag names now; nothing where there is no such tag.
pub(crate) fn tagged(host: &str, repository: &str, tag: &str) -> Option<String> {
    let answer = get_manifest(host, repository, tag);
    (answer.status == 200).then(|| Digest::of(&answer.body).to_string())
}

#[track_caller]
pub(crate) fn put_manifest(
    host: &str,
    repository: &str,
    which: &str,
    kind: &str,
    json: &serde_json::Value,
) -> String {
    let bytes = json.to_string().into_bytes();
    let path = format!("/v2/{repository}/manifests/{which}");
    let answer = ask(host, "PUT", &path, kind, &bytes);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 201, "{text}");
    Digest::of(&bytes).to_string()
}

#[track_caller]
pub(crate) fn delete(host: &str, path: &str) {
    assert_eq!(ask(host, "DELETE", path, "", b"").status, 202, "{path}");
}
