//! `crossfile schema`: JSON Schemas, by which editors complete, explain and check keys.

use std::io;

use clap::ValueEnum;
use crossfile::schema::File;

use crate::output::{Exit, Output};

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// The file that it is about
    #[arg(value_enum, default_value_t)]
    pub(crate) file: SchemaFile,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFile {
    /// crossfile.toml
    #[default]
    Config,
    /// arch-map.toml, and what a project lays over it
    ArchMap,
}

pub(crate) fn run(args: &SchemaArgs, output: &Output) -> io::Result<Exit> {
    let file = match args.file {
        SchemaFile::Config => File::Config,
        SchemaFile::ArchMap => File::ArchMap,
    };
    output.result(file.json_schema())?;
    Ok(Exit::Clean)
}
