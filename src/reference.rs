//! References of images, as texts.

use std::net::IpAddr;
use std::str::FromStr;

/// Checks that a text is a reference of an image.
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &str) -> Result<(), String> {
    // Docker takes a first part in capitals for a registry, though none of that name is on any network.
    let first = text.split('/').next().unwrap_or_default();
    if text.contains('/') && !first.contains(['.', ':']) && first.to_lowercase() != first {
        return Err(format!(
            "`{text}` is not a reference of an image: `{first}` is not lower case"
        ));
    }
    let name = text.rsplit('/').next().unwrap_or_default();
    if name.contains(':') && name.contains('@') {
        return Err(format!(
            "`{text}` has a tag and a digest: it takes one of them"
        ));
    }
    match oci_spec::distribution::Reference::from_str(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`{text}` is not a reference of an image: {error}")),
    }
}

/// Whether a registry is on this machine: it is spoken to in plain HTTP.
pub fn is_loopback(reference: &str) -> bool {
    let host = reference.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
