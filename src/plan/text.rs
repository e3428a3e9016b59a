//! A plan for people: a line for each step.

use std::fmt::Write;

use super::{Destination, Plan, Step, Task};

/// A line for each step, in columns: what is done, for what, and with what.
pub fn text(plan: &Plan) -> String {
    let rows: Vec<(&str, &Step, String)> = plan.steps.iter().map(row).collect();
    let width = rows
        .iter()
        .map(|(_, step, _)| step.label.chars().count())
        .max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for (verb, step, what) in rows {
        let mut line = format!("{verb:<6}  {:<width$}  {what}", step.label);
        if let Some(builder) = &step.builder {
            // Writing to a text cannot fail.
            let _ = write!(line, "  on {builder}");
        }
        if step.optional {
            line.push_str("  (optional)");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(step: &Step) -> (&'static str, &Step, String) {
    match &step.task {
        Task::Build(build) => {
            let platforms: Vec<&str> = build
                .targets
                .iter()
                .map(|target| target.platform.as_str())
                .collect();
            let pushed = match build.destination {
                Destination::Registry => ", pushed",
                Destination::Digest => ", pushed by digest",
                Destination::Store => "",
            };
            let tags = build.tags.join(", ");
            let what = format!(
                "{} for {} as {tags}{pushed}",
                build.dockerfile,
                platforms.join(", ")
            );
            ("build", step, what)
        }
        Task::Push(push) => ("push", step, push.tags.join(", ")),
        Task::Index(index) => {
            let sources: Vec<&str> = index
                .sources
                .iter()
                .map(|source| source.reference.as_str())
                .collect();
            let what = format!("{} from {}", index.tags.join(", "), sources.join(", "));
            ("index", step, what)
        }
        Task::Verify(verify) => {
            let needed = verify.targets.iter().map(|target| target.platform.clone());
            let optional = verify.may_have.iter();
            let optional = optional.map(|target| format!("{} (optional)", target.platform));
            let platforms: Vec<String> = needed.chain(optional).collect();
            let what = format!("{} has {}", verify.reference, platforms.join(", "));
            ("verify", step, what)
        }
    }
}
