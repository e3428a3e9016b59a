//! Adds lines to ignore files, which are bytes: nothing that is there changes.

/// A new file of these lines.
pub(super) fn new(lines: &[&str]) -> Vec<u8> {
    let mut text = lines.join("\n").into_bytes();
    text.push(b'\n');
    text
}

/// The file with the lines that it lacks behind it, and which they are. Nothing where it lacks none.
///
/// A line is there whatever blanks follow it. New lines end as the file's first line does, and a file whose last line does
/// not end gets its end first.
pub(super) fn add<'a>(bytes: &[u8], lines: &[&'a str]) -> Option<(Vec<u8>, Vec<&'a str>)> {
    let has = |line: &str| {
        let mut present = bytes.split(|byte| *byte == b'\n');
        present.any(|present| present.trim_ascii_end() == line.as_bytes())
    };
    let added: Vec<&str> = lines.iter().copied().filter(|line| !has(line)).collect();
    if added.is_empty() {
        return None;
    }
    let first = bytes.split_inclusive(|byte| *byte == b'\n').next();
    let end: &[u8] = match first.is_some_and(|line| line.ends_with(b"\r\n")) {
        true => b"\r\n",
        false => b"\n",
    };
    let mut text = bytes.to_vec();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.extend(end);
    }
    for line in &added {
        text.extend(line.as_bytes());
        text.extend(end);
    }
    Some((text, added))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(bytes: &[u8]) -> Option<Vec<u8>> {
        add(bytes, &["qemu-*-static", "x"]).map(|(bytes, _)| bytes)
    }

    #[test]
    fn only_lacking_lines_are_added() {
        assert_eq!(added(b"a\nx\n").unwrap(), b"a\nx\nqemu-*-static\n");
        assert_eq!(added(b"").unwrap(), b"qemu-*-static\nx\n");
        assert_eq!(added(b"x \t\nqemu-*-static  \n"), None);
        assert_eq!(added(b"x\nqemu-*-static"), None);
        assert_eq!(added(b"x\r\nqemu-*-static\r\n"), None);
    }

    #[test]
    fn the_files_line_ends_are_kept() {
        assert_eq!(
            added(b"a\r\nb").unwrap(),
            b"a\r\nb\r\nqemu-*-static\r\nx\r\n"
        );
        assert_eq!(added(b"a").unwrap(), b"a\nqemu-*-static\nx\n");
    }

    #[test]
    fn what_only_looks_alike_is_another_line() {
        // A comment, an exception, a pattern of one folder, leading blanks: git and docker read them as something else.
        let bytes = b"#x\n!x\n/x\n x\nqemu-*-static\n";
        assert_eq!(
            added(bytes).unwrap(),
            [bytes.as_slice(), b"x\n".as_slice()].concat()
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_stay() {
        assert_eq!(added(b"\xe4\n").unwrap(), b"\xe4\nqemu-*-static\nx\n");
    }
}
