//! A page of Markdown whose code blocks are run: its blocks, and its `console` blocks played as a reader would type them.
//!
//! In what a command is said to print, `…` stands for what differs from run to run, and a line of it alone for any lines. Where names
//! of the page stand for others, columns may be wider or narrower.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Scratch;

/// A fenced block.
pub struct Block {
    pub language: String,
    /// The line of its first line, from 1.
    pub line: usize,
    pub text: String,
}

/// One command with what it is said to print.
struct Step {
    line: usize,
    /// The lines as the page has them, with their prompts.
    typed: String,
    command: String,
    output: String,
}

/// A page of this repository.
pub struct Page {
    /// Its path from the top of the repository.
    pub name: String,
    pub text: String,
}

impl Page {
    pub fn open(name: &str) -> Page {
        let text = fs::read_to_string(Page::top().join(name)).unwrap();
        let fences = text.lines().filter(|line| line.starts_with("```"));
        assert!(fences.count() % 2 == 0, "{name}: a block is not closed");
        Page {
            name: name.to_string(),
            text,
        }
    }

    pub fn top() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    /// Its fenced blocks in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block {
                        language: language.to_string(),
                        line: index + 2,
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        blocks
    }

    pub fn blocks_in(&self, language: &str) -> Vec<Block> {
        let blocks = self.blocks().into_iter();
        blocks.filter(|b| b.language == language).collect()
    }

    /// Plays the `console` blocks in order, in one scratch folder, and says what prints something else. A `cd` lasts until
    /// the end of the page, as in a terminal; nothing else of a shell outlives its command.
    pub fn play(&self) -> Played {
        self.play_on(&Stage::default())
    }

    /// The same where there is more than anywhere, for blocks that ask for it.
    pub fn play_on(&self, stage: &Stage) -> Played {
        let scratch = Scratch::new();
        let mut played = Played {
            text: String::new(),
            commands: 0,
            differences: Vec::new(),
        };
        let home = scratch.join("home");
        fs::create_dir(&home).unwrap();
        let temporary = scratch.join("temporary");
        fs::create_dir(&temporary).unwrap();
        let shell = Shell {
            folder_file: scratch.join("folder"),
            home,
            temporary,
            stage,
        };
        let mut folder = scratch.join("work");
        fs::create_dir(&folder).unwrap();
        let mut rest = self.text.lines().enumerate();
        while let Some((index, line)) = rest.next() {
            let _ = writeln!(played.text, "{line}");
            let Some(language) = line.strip_prefix("```") else {
                continue;
            };
            let body = rest
                .by_ref()
                .take_while(|(_, line)| !line.starts_with("```"));
            let body: Vec<&str> = body.map(|(_, line)| line).collect();
            match language {
                _ if stage.plays(language) => {
                    for step in self.steps(index + 2, &body) {
                        let printed = shell.run(&step.command, &mut folder);
                        played.text.push_str(&step.typed);
                        played.commands += 1;
                        if stage.fits(&step.output, &printed) {
                            played.text.push_str(&step.output);
                        } else {
                            played.text.push_str(&printed);
                            played.differences.push(format!(
                                "{}:{}: $ {}\n--- the page says\n{}--- it prints\n{printed}",
                                self.name, step.line, step.command, step.output
                            ));
                        }
                    }
                }
                _ => body.iter().for_each(|line| {
                    let _ = writeln!(played.text, "{line}");
                }),
            }
            played.text.push_str("```\n");
        }
        played
    }

    fn steps(&self, first: usize, block: &[&str]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (index, line) in block.iter().enumerate() {
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step {
                    line: first + index,
                    typed: format!("{line}\n"),
                    command: command.to_string(),
                    output: String::new(),
                });
                continue;
            }
            let step = steps.last_mut().unwrap_or_else(|| {
                panic!("{}:{}: output before a command", self.name, first + index)
            });
            let more = line.strip_prefix("> ").or((*line == ">").then_some(""));
            match more {
                Some(more) if step.output.is_empty() => {
                    let _ = writeln!(step.typed, "{line}");
                    let _ = write!(step.command, "\n{more}");
                }
                _ => {
                    let _ = writeln!(step.output, "{line}");
                }
            }
        }
        steps
    }
}

/// What playing a page gave.
pub struct Played {
    /// The page with what its commands print.
    pub text: String,
    pub commands: usize,
    pub differences: Vec<String>,
}

/// What there is for the blocks of a page beside the command.
#[derive(Default)]
pub struct Stage {
    /// What blocks may ask for: the word after `console`.
    pub has: &'static str,
    /// Words before each shell, as of a program that runs it elsewhere.
    pub before: Vec<String>,
    /// Folders before all others on PATH.
    pub path: Vec<PathBuf>,
    pub env: Vec<(String, String)>,
    /// Names of the page that stand for others here.
    pub names: Vec<(&'static str, String)>,
}

impl Stage {
    fn plays(&self, language: &str) -> bool {
        match language.strip_prefix("console") {
            Some("") => true,
            Some(word) => !self.has.is_empty() && word.trim_start() == self.has,
            None => false,
        }
    }

    /// Whether this was printed as the page says.
    fn fits(&self, page: &str, printed: &str) -> bool {
        let (page, printed) = match self.names.is_empty() {
            true => (page.to_string(), printed.to_string()),
            false => (narrow(page), narrow(printed)),
        };
        let page: Vec<&str> = page.lines().collect();
        let printed: Vec<&str> = printed.lines().collect();
        lines_fit(&page, &printed)
    }

    fn real(&self, text: &str) -> String {
        let one = |text: String, (name, real): &(&str, String)| text.replace(name, real);
        self.names.iter().fold(text.to_string(), one)
    }

    fn of_page(&self, text: &str) -> String {
        let one = |text: String, (name, real): &(&str, String)| text.replace(real, name);
        self.names.iter().fold(text.to_string(), one)
    }
}

/// With each gap between columns as wide as any other.
fn narrow(text: &str) -> String {
    let mut text = text.to_string();
    while text.contains("   ") {
        text = text.replace("   ", "  ");
    }
    text
}

fn lines_fit(page: &[&str], printed: &[&str]) -> bool {
    match page.split_first() {
        None => printed.is_empty(),
        Some((&"…", rest)) => (0..=printed.len()).any(|skip| lines_fit(rest, &printed[skip..])),
        Some((line, rest)) => match printed.split_first() {
            Some((first, more)) => line_fits(line, first) && lines_fit(rest, more),
            None => false,
        },
    }
}

fn line_fits(page: &str, printed: &str) -> bool {
    let mut parts = page.split('…');
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

struct Shell<'a> {
    folder_file: PathBuf,
    home: PathBuf,
    /// Where `mktemp` makes its folders, so that they go with the page's.
    temporary: PathBuf,
    stage: &'a Stage,
}

impl Shell<'_> {
    /// Runs a command in the folder and follows it where it goes. The environment is the same on every machine, so that
    /// the names of commits are too.
    fn run(&self, command: &str, folder: &mut PathBuf) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_crossfile"));
        let inherited = std::env::var("PATH").unwrap();
        let path = self.stage.path.iter().cloned();
        let path = path
            .chain([program.parent().unwrap().to_path_buf()])
            .chain(std::env::split_paths(&inherited));
        let path = std::env::join_paths(path).unwrap();
        let command = self.stage.real(command);
        // A program before the shell may have left the folder.
        let script =
            format!("exec 2>&1\ncd -- \"$FOLDER\"\ntrap 'pwd >\"$FOLDER_FILE\"' EXIT\n{command}");
        let mut words = self.stage.before.clone();
        words.extend(["bash", "-c", &script].map(str::to_string));
        let output = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(&*folder)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.home)
            .env("TMPDIR", &self.temporary)
            .env("FOLDER", &*folder)
            .env("FOLDER_FILE", &self.folder_file)
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "init.defaultBranch")
            .env("GIT_CONFIG_VALUE_0", "main")
            .env("GIT_DEFAULT_HASH", "sha1")
            .envs(["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
                [
                    (format!("GIT_{who}_NAME"), "Ada"),
                    (format!("GIT_{who}_EMAIL"), "ada@example.com"),
                    (format!("GIT_{who}_DATE"), "2026-01-02T03:04:05Z"),
                ]
            }))
            .envs(self.stage.env.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        let went = fs::read_to_string(&self.folder_file).unwrap();
        *folder = PathBuf::from(went.trim_end_matches('\n'));
        let mut printed = self
            .stage
            .of_page(&String::from_utf8(output.stdout).unwrap());
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        let ambiguous = |line: &str| line.starts_with("$ ") || line.starts_with("```");
        assert!(
            !printed.starts_with('>') && !printed.lines().any(ambiguous),
            "a page cannot show this, it would be taken for its own: {printed}"
        );
        printed
    }
}
