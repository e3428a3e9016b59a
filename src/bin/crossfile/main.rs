//! The command `crossfile`: reads the command line, the environment and the working directory once, and prints.

mod arch;
mod args;
#[cfg(feature = "registry")]
mod bases;
mod ci;
mod complete;
mod doctor;
mod explain;
mod generate;
mod git;
mod host;
mod init;
#[cfg(feature = "registry")]
mod inspect;
mod keep;
mod lint;
mod man;
mod output;
mod progress;
mod project;
mod qemu;
#[cfg(feature = "registry")]
mod registry;
mod release;
mod schema;
mod vars;
#[cfg(feature = "registry")]
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use output::Output;

fn main() -> ExitCode {
    if complete::answer() {
        return ExitCode::SUCCESS;
    }
    let args = Args::parse();
    let output = match Output::new(args.quiet, args.verbose) {
        Ok(output) => output,
        Err(error) => {
            anstream::eprintln!("crossfile: cannot find the working directory: {error}");
            return ExitCode::from(2);
        }
    };
    let exit = match args.command {
        Command::Init(args) => init::run(&args, &output),
        Command::Generate(args) => generate::run(&args, &output),
        Command::Plan(args) => release::plan(&args, &output),
        Command::Build(args) => release::build(&args, &output),
        Command::Push(args) => release::push(&args, &output),
        Command::Manifest(args) => release::manifest(&args, &output),
        Command::Release(args) => release::release(&args, &output),
        #[cfg(feature = "registry")]
        Command::Inspect(args) => inspect::run(&args, &output),
        #[cfg(feature = "registry")]
        Command::Verify(args) => verify::run(&args, &output),
        #[cfg(feature = "registry")]
        Command::Bases(args) => bases::run(&args, &output),
        Command::Doctor(args) => doctor::run(&args, &output),
        Command::Lint(args) => lint::run(&args, &output),
        Command::Vars(args) => vars::run(&args, &output),
        Command::Explain(args) => explain::run(&args, &output),
        Command::Completions(args) => complete::run(&args, &output),
        Command::Man(args) => man::run(&args, &output),
        Command::Arch(args) => arch::run(&args, &output),
        Command::Ci(args) => ci::run(&args, &output),
        Command::Qemu(args) => qemu::run(&args, &output),
        Command::Schema(args) => schema::run(&args, &output),
    };
    match exit {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("crossfile: cannot print: {error}");
            ExitCode::from(2)
        }
    }
}
