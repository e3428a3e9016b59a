//! `crossfile explain`: what a message's code means.

use std::io;

use crossfile::{Code, Diagnostic, Explanation, Place, Severity, explanations};
use serde::Serialize;

use crate::complete;
use crate::output::{Exit, Output, columns};

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The code in brackets at the end of a message; without one, all codes are listed
    #[arg(value_name = "CODE", add = complete::codes())]
    code: Option<String>,

    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: ExplainFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ExplainFormat {
    /// For people
    #[default]
    Text,
    /// For programs; carries `"version": 1`
    Json,
}

pub(crate) fn run(args: &ExplainArgs, output: &Output) -> io::Result<Exit> {
    let Some(word) = &args.code else {
        return list(args.format, output).map(|()| Exit::Clean);
    };
    // As it is copied from a message.
    let name = word.trim_matches(['[', ']']).to_ascii_lowercase();
    let found = explanations()
        .into_iter()
        .find(|found| found.code.as_str() == name);
    let Some(found) = found else {
        let problem: Diagnostic =
            crossfile::diagnostic::unknown_code(&name, Place::argument(word), Severity::Error);
        output.diagnostics(&[problem]);
        return Ok(Exit::Error);
    };
    match args.format {
        ExplainFormat::Text => output.result(found.text())?,
        ExplainFormat::Json => output.json(&JsonCode {
            version: 1,
            explanation: found.to_json(),
        })?,
    }
    Ok(Exit::Clean)
}

fn list(format: ExplainFormat, output: &Output) -> io::Result<()> {
    match format {
        ExplainFormat::Text => {
            let row = |code: &Code| vec![code.to_string(), code.meaning().to_string()];
            output.result(columns(&Code::ALL.iter().map(row).collect::<Vec<_>>()))
        }
        ExplainFormat::Json => {
            let all = explanations();
            output.json(&JsonCodes {
                version: 1,
                codes: all.iter().map(Explanation::to_json).collect(),
            })
        }
    }
}

#[derive(Serialize)]
struct JsonCode<T> {
    version: u32,
    #[serde(flatten)]
    explanation: T,
}

#[derive(Serialize)]
struct JsonCodes<T> {
    version: u32,
    codes: Vec<T>,
}
