//! What writing costs by itself: the lower bound that `tree.sh` holds `crossfile generate` against.
//!
//! `bare_write LIST FROM TO THREADS` reads every file of LIST (one relative path per line) below FROM, then writes all
//! of them below TO, each to a temporary name and renamed, and prints the microseconds that the writing took.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs, thread};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [list, from, to, threads] = args.as_slice() else {
        return Err("usage: bare_write LIST FROM TO THREADS".into());
    };
    let read = |path: &str| {
        Ok((
            Path::new(to).join(path),
            fs::read(Path::new(from).join(path))?,
        ))
    };
    let files: Vec<(PathBuf, Vec<u8>)> = fs::read_to_string(list)?
        .lines()
        .map(read)
        .collect::<io::Result<_>>()?;
    let share = files.len().div_ceil(threads.parse()?).max(1);

    let start = Instant::now();
    thread::scope(|scope| {
        let writers = files
            .chunks(share)
            .map(|files| scope.spawn(|| write(files)));
        let writers: Vec<_> = writers.collect();
        writers.into_iter().try_for_each(|writer| {
            let panicked = |_| io::Error::other("a thread panicked");
            writer.join().map_err(panicked)?
        })
    })?;
    let spent = start.elapsed();

    writeln!(io::stdout(), "{}", spent.as_micros())?;
    Ok(())
}

fn write(files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
    for (path, bytes) in files {
        let temporary = path.with_extension("temporary");
        fs::write(&temporary, bytes)?;
        fs::rename(&temporary, path)?;
    }
    Ok(())
}
