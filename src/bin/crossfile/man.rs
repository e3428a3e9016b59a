//! `crossfile man`: manual pages, made from the same declarations as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use crossfile::{Diagnostic, write};

use crate::args::{Args, EXIT_CODES, FILES};
use crate::output::{Exit, Output, count};

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Where to write crossfile.1, crossfile-generate.1 and the others; pages that are there are replaced
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(crate) fn run(args: &ManArgs, output: &Output) -> io::Result<Exit> {
    let folder = output.complete(&args.folder);
    let pages = pages()?;
    for (name, text) in &pages {
        if let Err(problem) = replace(&folder.join(name), text) {
            output.diagnostics(&[problem]);
            return Ok(Exit::Error);
        }
    }
    let pages = count(pages.len(), "page");
    output.progress(&format!("{pages} in {}", output.show(&folder)));
    Ok(Exit::Clean)
}

/// A page that is right already is not touched: packagers look at times.
fn replace(path: &Path, text: &str) -> Result<(), Diagnostic> {
    match std::fs::read(path) {
        Ok(bytes) if bytes == text.as_bytes() => Ok(()),
        _ => write::write(path, text),
    }
}

/// Every page by its name, the command's own first.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    let mut names = Vec::new();
    list(&command, &mut names);
    let mut pages = Vec::new();
    collect(&command, &names, &mut pages)?;
    Ok(pages)
}

fn list(command: &clap::Command, names: &mut Vec<String>) {
    names.push(page_name(command));
    command
        .get_subcommands()
        .for_each(|command| list(command, names));
}

/// `crossfile-arch-list`: clap knows it by its whole command line.
fn page_name(command: &clap::Command) -> String {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    name.replace(' ', "-")
}

fn collect(
    command: &clap::Command,
    names: &[String],
    pages: &mut Vec<(String, String)>,
) -> io::Result<()> {
    let name = page_name(command);
    let man = Man::new(command.clone());
    // No date, so that the same program makes the same pages. clap_mangen would leave the empty field out, and what follows
    // would be read as the date.
    let title = name.to_uppercase();
    let source = concat!("crossfile ", env!("CARGO_PKG_VERSION"));
    let mut page = format!(".TH \"{title}\" \"1\" \"\" \"{source}\" \"crossfile\"\n").into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::default();
    section(&mut roff, "EXIT STATUS", EXIT_CODES);
    section(&mut roff, "FILES", FILES);
    roff.control("SH", ["SEE ALSO"]);
    let others = names.iter().filter(|other| **other != name);
    let mut line = Vec::new();
    for (index, other) in others.enumerate() {
        if index > 0 {
            line.push(roman(", "));
        }
        line.extend([bold(other.as_str()), roman("(1)")]);
    }
    roff.text(line);
    roff.to_writer(&mut page)?;
    let text = String::from_utf8_lossy(&page).into_owned();
    pages.push((format!("{name}.1"), text));
    for command in command.get_subcommands() {
        collect(command, names, pages)?;
    }
    Ok(())
}

fn section(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, meaning) in entries {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*meaning)]);
    }
}
