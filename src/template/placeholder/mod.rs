//! The classic dialect: `__X__` is replaced, and a gate keeps a line for emulated architectures only.
//!
//! Text is scanned once into segments; rendering joins them. For the classic gate `__CROSS_` the result is, byte for
//! byte, what `sed "s|__X__|value|g; /__CROSS_/d"` (native) or `sed "s|__X__|value|g; s/__CROSS_//g"` (emulated) makes.

mod gates;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::context::Context;
use crate::diagnostic::{Code, Diagnostic, Place, Source};
use crate::dockerfile::lines;
use crate::template::names::{Names, Shape};
use crate::template::{Missing, RenderFailure, Traced};
use gates::{GateForm, gate_at, gates};

/// Where the placeholder that `text` begins with ends: `__[A-Z][A-Z0-9]*(_[A-Z0-9]+)*__`.
fn token_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !text.starts_with("__") || !bytes.get(2)?.is_ascii_uppercase() {
        return None;
    }
    let mut at = 2;
    loop {
        let word = bytes[at..].iter();
        at += word
            .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            .count();
        match (bytes.get(at)?, bytes.get(at + 1)?) {
            (b'_', b'_') => return Some(at + 2),
            (b'_', next) if next.is_ascii_uppercase() || next.is_ascii_digit() => at += 1,
            _ => return None,
        }
    }
}

/// Every placeholder of the text, known or not, leftmost first.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += text[at..].find("__")?;
            match token_end(&text[at..]) {
                Some(length) => {
                    at += length;
                    return Some(at - length..at);
                }
                None => at += 1,
            }
        }
    })
}

/// What is a placeholder of a built-in name but for small letters, with how it is written. A project's own names are passed
/// over: `__version__` is Python's as well.
pub(crate) fn in_small_letters<'a>(
    text: &'a str,
    names: &'a Names,
) -> impl Iterator<Item = (Range<usize>, String)> + 'a {
    text.match_indices("__").filter_map(move |(start, _)| {
        let inner = &text[start + 2..];
        let length = inner.find("__")?;
        let word = &inner[..length];
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !word.contains(|c: char| c.is_ascii_lowercase()) || !word.chars().all(good) {
            return None;
        }
        let name = names.get(&word.to_ascii_lowercase())?;
        let placeholder = name.placeholder().filter(|_| name.place.is_none())?;
        Some((start..start + 2 + length + 2, placeholder))
    })
}

/// The name that a placeholder stands for.
fn name_of(token: &str) -> String {
    token[2..token.len() - 2].to_lowercase()
}

/// The names of all placeholders, known or not.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    tokens(text).map(|token| name_of(&text[token]))
}

/// Whether the text holds a gate or a placeholder of a known name.
pub(crate) fn is_template(text: &str, names: &Names) -> bool {
    first_sign(text, names).is_some()
}

/// The first gate, else the first placeholder of a known name.
pub(crate) fn first_sign(text: &str, names: &Names) -> Option<Range<usize>> {
    let known = |token: &Range<usize>| {
        let name = names.get(&name_of(&text[token.clone()]));
        name.is_some_and(|name| name.placeholder().is_some())
    };
    let gate = gates(text).next().map(|gate| gate.marker);
    gate.or_else(|| tokens(text).find(known))
}

/// Every gate and placeholder of the text, each with whether it is one of a known name.
pub(crate) fn leftovers(text: &str, names: &Names) -> Vec<(Range<usize>, bool)> {
    let gates = gates(text).map(|gate| (gate.marker, true));
    let mut found: Vec<_> = gates.collect();
    for token in tokens(text) {
        let overlaps =
            |(other, _): &(Range<usize>, bool)| other.start < token.end && token.start < other.end;
        if !found.iter().any(overlaps) {
            let name = names.get(&name_of(&text[token.clone()]));
            found.push((token, name.is_some_and(|name| name.placeholder().is_some())));
        }
    }
    found
}

/// A run of text that stays or goes as a whole.
#[derive(Debug)]
struct Segment {
    gated: bool,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(Range<usize>),
    Name(String, Range<usize>),
}

/// A parsed template of this dialect.
#[derive(Debug)]
pub(crate) struct Placeholder {
    source: Arc<Source>,
    segments: Vec<Segment>,
}

impl Placeholder {
    /// Parses a template, leaving out the bytes of `skip`. All unknown names are reported at once.
    pub(crate) fn parse(
        source: &Arc<Source>,
        skip: Range<usize>,
        names: &Names,
        passthrough: &BTreeSet<String>,
    ) -> Result<Placeholder, Vec<Diagnostic>> {
        let mut scan = Scan {
            source,
            form: None,
            names,
            passthrough,
            problems: Vec::new(),
        };
        scan.settle_form();
        let text = source.text();
        let mut segments: Vec<Segment> = Vec::new();
        for line in lines(text) {
            if line == skip {
                continue;
            }
            let segment = scan.line(text, line);
            match segments.last_mut() {
                Some(last) if !last.gated && !segment.gated => last.append(segment),
                _ => segments.push(segment),
            }
        }
        match scan.problems.is_empty() {
            true => Ok(Placeholder {
                source: Arc::clone(source),
                segments,
            }),
            false => Err(scan.problems),
        }
    }

    /// The names that the template uses; a gate asks for `cross`.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let gated = self.segments.iter().any(|segment| segment.gated);
        let pieces = self.segments.iter().flat_map(|segment| &segment.pieces);
        pieces
            .filter_map(|piece| match piece {
                Piece::Name(name, _) => Some(name.clone()),
                Piece::Text(_) => None,
            })
            .chain(gated.then(|| "cross".to_string()))
            .collect()
    }

    /// Joins the segments for one cell.
    pub(crate) fn render(&self, context: &Context) -> Result<String, Vec<RenderFailure>> {
        let mut out = String::with_capacity(self.source.text().len() + 256);
        self.join(context, |_, _, text| out.push_str(text))?;
        Ok(out)
    }

    /// The same, with the origin of every byte.
    pub(crate) fn trace(&self, context: &Context) -> Result<Traced, Vec<RenderFailure>> {
        let mut traced = Traced::with_capacity(self.source.text().len() + 256);
        self.join(context, |range, verbatim, text| match verbatim {
            true => traced.push_verbatim(&self.source, range.clone()),
            false => traced.push_printed(&self.source, range.clone(), text),
        })?;
        Ok(traced)
    }

    /// Hands out the pieces for one cell in order: the range of the source, whether its text stands for itself, and
    /// the text.
    fn join(
        &self,
        context: &Context,
        mut add: impl FnMut(&Range<usize>, bool, &str),
    ) -> Result<(), Vec<RenderFailure>> {
        let text = self.source.text();
        let mut missing = Vec::new();
        for segment in &self.segments {
            if segment.gated && !context.is_emulated() {
                continue;
            }
            for piece in &segment.pieces {
                match piece {
                    Piece::Text(range) => add(range, true, &text[range.clone()]),
                    Piece::Name(name, range) => match context.text(name) {
                        Some(value) => add(range, false, &value),
                        None => {
                            let place = Place::new(&self.source, range.clone());
                            let name = name.clone();
                            missing.push(RenderFailure::Missing(Missing { name, place }));
                        }
                    },
                }
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(missing),
        }
    }
}

impl Segment {
    /// Adds another segment's pieces, joining text to text.
    fn append(&mut self, other: Segment) {
        for piece in other.pieces {
            match (self.pieces.last_mut(), piece) {
                (Some(Piece::Text(last)), Piece::Text(next)) if last.end == next.start => {
                    last.end = next.end;
                }
                (_, piece) => self.pieces.push(piece),
            }
        }
    }
}

struct Scan<'a> {
    source: &'a Arc<Source>,
    form: Option<GateForm>,
    names: &'a Names,
    passthrough: &'a BTreeSet<String>,
    problems: Vec<Diagnostic>,
}

impl Scan<'_> {
    /// Takes the form of the first gate for the file's and reports the first gate of another.
    fn settle_form(&mut self) {
        let text = self.source.text();
        let Some(first) = gates(text).next() else {
            return;
        };
        self.form = Some(first.form);
        if let Some(other) = gates(text).find(|gate| gate.form != first.form) {
            let (one, two) = (first.form.example(), other.form.example());
            let message = format!("gates of two forms in one file: `{one}` and `{two}`");
            let place = Place::new(self.source, other.marker);
            let first = Place::new(self.source, first.marker);
            self.problems.push(
                Diagnostic::error(Code::MixedGates, place, message)
                    .related(first, "the first gate is of another form")
                    .help(format!("write every gate as `{one}`")),
            );
        }
    }

    fn line(&mut self, text: &str, line: Range<usize>) -> Segment {
        let mut segment = Segment {
            gated: false,
            pieces: Vec::new(),
        };
        let mut plain = line.start;
        let mut at = line.start;
        let flush = |segment: &mut Segment, plain: usize, until: usize| {
            if until > plain {
                segment.pieces.push(Piece::Text(plain..until));
            }
        };
        while at < line.end {
            if !matches!(text.as_bytes()[at], b'_' | b'#' | b'C') {
                at += 1;
                continue;
            }
            if let Some(gate) = gate_at(text, at) {
                if Some(gate.form) != self.form {
                    // Reported as a gate of another form; it is no placeholder either.
                    at = gate.marker.end;
                    continue;
                }
                flush(&mut segment, plain, at);
                flush(&mut segment, gate.kept.start, gate.kept.end);
                segment.gated = true;
                at = gate.marker.end;
                plain = at;
                continue;
            }
            let Some(length) = token_end(&text[at..line.end]) else {
                at += 1;
                continue;
            };
            let token = at..at + length;
            if self.passthrough.contains(&text[token.clone()]) {
                // As sed would: what is no placeholder of ours does not hide one that begins within it.
                at += 1;
                continue;
            }
            if let Some(name) = self.token(text, token.clone()) {
                flush(&mut segment, plain, at);
                segment.pieces.push(Piece::Name(name, token.clone()));
                plain = token.end;
            }
            at = token.end;
        }
        flush(&mut segment, plain, line.end);
        segment
    }

    /// The name of a placeholder, or nothing and a problem.
    fn token(&mut self, text: &str, token: Range<usize>) -> Option<String> {
        let word = &text[token.clone()];
        let name = name_of(word);
        let place = Place::new(self.source, token.clone());
        let Some(known) = self.names.get(&name) else {
            let message = format!("`{word}` stands for nothing: `{name}` is not defined");
            let near = self
                .names
                .closest(&name)
                .and_then(|near| self.names.get(near)?.placeholder());
            let help = match near {
                // Not so near that it must be a slip: a macro of C, say.
                Some(near) if strsim::jaro_winkler(word, &near) < 0.93 => format!(
                    "did you mean `{near}`? what is no placeholder is let through with `passthrough = [\"{word}\"]`"
                ),
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "define `{name}` under [vars] or [columns] in crossfile.toml, or let it through with `passthrough = [\"{word}\"]`"
                ),
            };
            let problem = Diagnostic::error(Code::UnknownName, place, message).help(help);
            self.problems.push(problem);
            return None;
        };
        if known.shape != Shape::Scalar {
            let message = format!("`{name}` cannot be printed");
            let help = match known.shape {
                Shape::Condition => "use the gate `__CROSS_` for lines that emulation needs",
                _ => "a placeholder prints one value; lists and tables need the handlebars dialect",
            };
            self.problems
                .push(Diagnostic::error(Code::BadArgument, place, message).help(help));
            return None;
        }
        // `__A__B__` is two readings when both names are known; sed's answer depends on the order of its commands.
        let shared = token.end - 2;
        let overlap = token_end(&text[shared..]).map(|length| &text[shared..shared + length]);
        if let Some(other) = overlap.filter(|other| *other != word)
            && self.names.get(&name_of(other)).is_some()
        {
            let message = format!("`{word}` and `{other}` share their underscores");
            let place = Place::new(self.source, token.start..shared + other.len());
            self.problems.push(
                Diagnostic::error(Code::TemplateSyntax, place, message)
                    .help(format!("write both whole: `{word}{other}`")),
            );
        }
        Some(name)
    }
}
