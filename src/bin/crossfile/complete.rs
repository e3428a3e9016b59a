//! What shells complete: architectures, schemes, names and templates of the project that the cursor stands in.
//!
//! The scripts that `crossfile completions` prints ask the program itself, by the environment variable [`VARIABLE`], so
//! completions know the project's own table and settings. A broken project completes by the built-in table: nobody wants
//! an error in the middle of a line.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

use clap::CommandFactory;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter,
};
use clap_complete::env::{Bash, CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use crossfile::arch::entry::DERIVED_SCHEMES;
use crossfile::init::STARTERS;
use crossfile::{ArchMap, Code, Config, DiskInputs, NameKind, Overrides, config_of};
use globset::Glob;

use crate::args::Args;
use crate::output::{Exit, Output};

/// By this the scripts ask: its value is the shell's name.
const VARIABLE: &str = "CROSSFILE_COMPLETE";

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete in
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    /// `source <(crossfile completions bash)`, in ~/.bashrc
    Bash,
    /// `source <(crossfile completions zsh)`, in ~/.zshrc behind `compinit`
    Zsh,
    /// `crossfile completions fish | source`, in ~/.config/fish/config.fish
    Fish,
    /// `crossfile completions powershell | Out-String | Invoke-Expression`, in $PROFILE
    #[value(alias = "pwsh")]
    Powershell,
    /// `eval (crossfile completions elvish | slurp)`, in ~/.elvish/rc.elv
    Elvish,
}

/// Answers a shell, if it was a shell that asked.
pub(crate) fn answer() -> bool {
    let environment = CompleteEnv::with_factory(Args::command).var(VARIABLE);
    let folder = std::env::current_dir().ok();
    environment
        .try_complete(std::env::args_os(), folder.as_deref())
        // Half a line that cannot be completed has no completions.
        .unwrap_or(true)
}

/// Prints the script that has a shell ask the program.
pub(crate) fn run(args: &CompletionsArgs, output: &Output) -> io::Result<Exit> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Elvish => &Elvish,
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "crossfile", "crossfile", "crossfile", &mut script)?;
    output.result(script).map(|()| Exit::Clean)
}

fn config() -> Option<Arc<Config>> {
    let folder = std::env::current_dir().ok()?;
    config_of(&folder, &Overrides::default(), &DiskInputs::default()).ok()
}

fn map() -> Arc<ArchMap> {
    config().map_or_else(ArchMap::builtin, |config| Arc::clone(&config.map))
}

fn candidates<T: AsRef<str>>(
    values: impl IntoIterator<Item = (T, String)>,
) -> Vec<CompletionCandidate> {
    let values = values.into_iter().enumerate();
    let candidate = |(order, (value, help)): (usize, (T, String))| {
        let help = Some(help).filter(|help| !help.is_empty());
        CompletionCandidate::new(value.as_ref())
            .help(help.map(Into::into))
            .display_order(Some(order))
    };
    values.map(candidate).collect()
}

/// Every architecture of the table.
pub(crate) fn arches() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let map = map();
        candidates(
            map.entries()
                .iter()
                .map(|entry| (entry.name.as_str(), entry.platform.to_string())),
        )
    })
}

/// The architectures that `--arch` may choose: the project's own where it lists them.
pub(crate) fn project_arches() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let map = map();
        let own = config().filter(|config| config.arches_are_given);
        let entries = map.entries().iter().filter(|entry| {
            own.as_ref()
                .is_none_or(|config| config.arches.contains(&entry.name))
        });
        candidates(entries.map(|entry| (entry.name.as_str(), entry.platform.to_string())))
    })
}

/// Every word that means an architecture to everybody.
pub(crate) fn arch_names() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let map = map();
        candidates(
            map.identities()
                .map(|(name, entry)| (name, entry.platform.to_string())),
        )
    })
}

/// Schemes, with those that are read off a platform.
pub(crate) fn schemes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let map = map();
        let stored = map
            .schemes()
            .iter()
            .map(|scheme| (scheme.name.clone(), scheme.title.clone()));
        let derived = DERIVED_SCHEMES
            .iter()
            .map(|name| (name.to_string(), String::new()));
        candidates(stored.chain(derived))
    })
}

/// `NAME=` for the project's variables and columns, `AXIS=VALUE` for its axes.
pub(crate) fn settings() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Some(config) = config() else {
            return Vec::new();
        };
        let own = config.names.iter().filter(|name| name.place.is_some());
        let values = own.flat_map(|name| match name.kind {
            NameKind::Axis => {
                let values = name.values.iter();
                values
                    .map(|value| (format!("{}={value}", name.name), String::new()))
                    .collect()
            }
            _ => vec![(format!("{}=", name.name), String::new())],
        });
        candidates(values)
    })
}

/// The starters of `init`.
pub(crate) fn starters() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let starters = STARTERS.iter();
        candidates(starters.map(|starter| (starter.name, starter.about().to_string())))
    })
}

/// The codes of messages.
pub(crate) fn codes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        candidates(
            Code::ALL
                .iter()
                .map(|code| (code.as_str(), code.meaning().to_string())),
        )
    })
}

/// Folders, and files that may be templates by their names.
pub(crate) fn templates() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        use clap_complete::engine::ValueCompleter;
        let patterns = config().map_or_else(
            || {
                crossfile::config::DEFAULT_TEMPLATES
                    .iter()
                    .map(|name| (*name).to_string())
                    .collect()
            },
            |config| -> Vec<String> {
                config
                    .templates
                    .iter()
                    .map(|pattern| pattern.value.clone())
                    .collect()
            },
        );
        // Which folder a pattern is about is for the command to judge.
        let globs = patterns
            .iter()
            .filter_map(|pattern| Glob::new(pattern.rsplit('/').next()?).ok());
        let globs: Vec<_> = globs.map(|glob| glob.compile_matcher()).collect();
        let wanted = move |path: &Path| {
            let name = Path::new(path.file_name().unwrap_or_default());
            path.is_dir() || globs.iter().any(|glob| glob.is_match(name))
        };
        PathCompleter::any().filter(wanted).complete(current)
    })
}
