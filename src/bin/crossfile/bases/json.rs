//! The result of `bases` for programs.

use std::path::Path;

use crossfile::bases::Base;
use serde::Serialize;

use super::Report;
use crate::output::Output;

impl Report {
    /// Every base with its status, what was done, and what there is to say.
    pub(super) fn json(&self, output: &Output) -> impl Serialize {
        let show = |path: &Path| output.show(path);
        JsonBases {
            version: 1,
            bases: self
                .survey
                .bases
                .iter()
                .map(|base| JsonBase::new(base, &show))
                .collect(),
            changes: self
                .changes
                .iter()
                .map(|(path, change)| JsonChange {
                    lock: show(path),
                    reference: change.reference.clone(),
                    arch: change.arch.clone(),
                    change: change.kind.as_str(),
                    was: change.was.as_ref().map(|pin| pin.digest.clone()),
                    now: change.now.as_ref().map(|pin| pin.digest.clone()),
                })
                .collect(),
            locks: self
                .locks
                .iter()
                .map(|(path, written)| JsonLock {
                    path: show(path),
                    written: *written,
                })
                .collect(),
            diagnostics: self
                .diagnostics
                .iter()
                .map(|found| found.to_json(&show))
                .collect::<Vec<_>>(),
        }
    }
}

#[derive(Serialize)]
struct JsonBases<D> {
    version: u32,
    bases: Vec<JsonBase>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<JsonChange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locks: Vec<JsonLock>,
    diagnostics: Vec<D>,
}

#[derive(Serialize)]
struct JsonBase {
    reference: String,
    arch: String,
    platform: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<String>,
    /// What the image is for, where that is not what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<JsonInstead>,
    uses: Vec<JsonUse>,
}

#[derive(Serialize)]
struct JsonInstead {
    reference: String,
    arch: String,
}

#[derive(Serialize)]
struct JsonUse {
    file: String,
    line: usize,
}

#[derive(Serialize)]
struct JsonChange {
    lock: String,
    reference: String,
    arch: String,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<String>,
}

#[derive(Serialize)]
struct JsonLock {
    path: String,
    written: bool,
}

impl JsonBase {
    fn new(base: &Base, show: &dyn Fn(&Path) -> String) -> JsonBase {
        let image = base.image.as_ref();
        let found = image.map(|image| image.platform.to_string());
        let instead = image.and_then(|image| image.instead.as_ref());
        let mut uses: Vec<JsonUse> = Vec::new();
        for used in &base.uses {
            let file = show(used.place.source().path());
            let (line, _) = used.place.line_column();
            if !uses
                .iter()
                .any(|known| (&known.file, known.line) == (&file, line))
            {
                uses.push(JsonUse { file, line });
            }
        }
        JsonBase {
            reference: base.reference.clone(),
            arch: base.arch.clone(),
            platform: base.platform.to_string(),
            status: base.status(),
            digest: image.map(|image| image.digest.clone()),
            index: base.index.clone(),
            found: found.filter(|found| *found != base.platform.to_string()),
            instead: instead.map(|(reference, arch)| JsonInstead {
                reference: reference.clone(),
                arch: arch.clone(),
            }),
            uses,
        }
    }
}
