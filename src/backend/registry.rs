//! What is asked of registries directly, as data, and the backend that leaves indexes to crossfile's own client.

use serde::{Deserialize, Serialize};

use super::{Action, Backend, Capabilities, Command, Unsupported, Value, source};
use crate::plan::{Step, Target, Task};

/// Something to do with a registry, without any program. It prints as the `crossfile` command that does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RegistryAction {
    /// Makes an index. It yields its `digest`.
    Index(IndexAction),
    /// Proves an index.
    Verify(VerifyAction),
}

/// An index to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct IndexAction {
    /// The references that it gets; where `to` says a folder, names in there.
    pub tags: Vec<String>,
    /// A folder in the OCI image layout, as `oci:DIR`, in the place of the tags' registries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What is in it.
    pub sources: Vec<SourceAction>,
    /// Annotations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<(String, String)>,
    /// Whether attestations of the images are left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_attestations: bool,
    /// Whether the index is proved before the tags move, programs in the layers included.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prove: bool,
    /// Paths where programs of other architectures are ordinary, besides those that are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

/// An image of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct SourceAction {
    /// Where it is: a reference, or `oci:DIR:NAME`.
    pub reference: Value,
    /// The platform that it is for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Whether the index may go out without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

impl SourceAction {
    /// An image that has to be there, for the platform that it says itself.
    pub fn new(reference: impl Into<Value>) -> SourceAction {
        SourceAction {
            reference: reference.into(),
            platform: None,
            optional: false,
        }
    }
}

/// An index to prove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct VerifyAction {
    /// The index.
    pub reference: String,
    /// The platforms that it has to have; with none here and below any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// Platforms that it may have, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_have: Vec<String>,
    /// Whether the programs in its layers are left unread.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_programs: bool,
    /// Paths where programs of other architectures are ordinary, besides those that are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

impl RegistryAction {
    /// The command that does it.
    pub fn command(&self) -> Command {
        match self {
            RegistryAction::Index(index) => index.command(),
            RegistryAction::Verify(verify) => verify.command(),
        }
    }
}

impl IndexAction {
    fn command(&self) -> Command {
        let mut command = Command::new("crossfile", ["manifest"]);
        if let Some(to) = &self.to {
            command.flag("--to", to);
        }
        for tag in &self.tags {
            command.flag("--tag", tag);
        }
        for (name, value) in &self.annotations {
            command.flag("--annotation", format!("{name}={value}"));
        }
        if self.without_attestations {
            command.arg("--no-attestations");
        }
        if self.prove {
            command.arg("--verify");
        }
        for pattern in &self.allow {
            command.flag("--allow", pattern);
        }
        for source in &self.sources {
            let platform = source
                .platform
                .as_ref()
                .map(|platform| format!("{platform}="));
            let value = match (platform, &source.reference) {
                (None, reference) => reference.clone(),
                (Some(platform), Value::Text(reference)) => Value::Text(platform + reference),
                (Some(platform), reference) => {
                    Value::Joined(vec![platform.into(), reference.clone()])
                }
            };
            match source.optional {
                true => command.flag("--optional", value),
                false => command.arg(value),
            };
        }
        command
    }
}

impl VerifyAction {
    fn command(&self) -> Command {
        let mut command = Command::new("crossfile", ["verify"]);
        if !self.needed.is_empty() {
            command.flag("--expect", self.needed.join(","));
        }
        if !self.may_have.is_empty() {
            command.flag("--may-have", self.may_have.join(","));
        }
        if self.skip_programs {
            command.arg("--skip-programs");
        }
        for pattern in &self.allow {
            command.flag("--allow", pattern);
        }
        command.arg(&self.reference);
        command
    }
}

/// A backend whose indexes are made and proved by crossfile's own client. The rest it does itself.
pub struct WithRegistry<B> {
    backend: B,
}

impl<B: Backend> WithRegistry<B> {
    /// The same backend with indexes of our own.
    pub fn new(backend: B) -> WithRegistry<B> {
        WithRegistry { backend }
    }
}

impl<B: Backend> Backend for WithRegistry<B> {
    fn name(&self) -> &str {
        self.backend.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            indexes: true,
            verifies: true,
            shapes_indexes: true,
            ..self.backend.capabilities()
        }
    }

    fn lower(&self, step: &Step) -> Result<Vec<Action>, Unsupported> {
        let platforms = |targets: &[Target]| {
            targets
                .iter()
                .map(|target| target.platform.clone())
                .collect()
        };
        let action = match &step.task {
            Task::Index(index) => {
                let sources = index.sources.iter().map(|image| SourceAction {
                    reference: source(image),
                    platform: image.target.as_ref().map(|target| target.platform.clone()),
                    optional: image.optional,
                });
                RegistryAction::Index(IndexAction {
                    tags: index.tags.clone(),
                    sources: sources.collect(),
                    annotations: index.annotations.clone().into_iter().collect(),
                    to: index.to.clone(),
                    without_attestations: index.without_attestations,
                    prove: index.proof.is_some(),
                    allow: index
                        .proof
                        .as_ref()
                        .map_or(Vec::new(), |proof| proof.allow.clone()),
                })
            }
            Task::Verify(verify) => RegistryAction::Verify(VerifyAction {
                reference: verify.reference.clone(),
                needed: platforms(&verify.targets),
                may_have: platforms(&verify.may_have),
                skip_programs: !verify.programs,
                allow: verify.allow.clone(),
            }),
            _ => return self.backend.lower(step),
        };
        Ok(vec![action.into()])
    }
}
