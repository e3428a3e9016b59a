//! Entries of `binfmt_misc`.

use std::fmt::Write as _;

/// The most bytes of a program that the kernel compares.
///
/// Source: Linux, `BINPRM_BUF_SIZE`.
const HEAD: usize = 256;

/// How the first bytes of a program have to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Where the bytes begin.
    pub offset: usize,
    /// The bytes.
    pub magic: Vec<u8>,
    /// Which bits of them count; as many bytes.
    pub mask: Vec<u8>,
}

impl Pattern {
    /// Reads magic and mask as the kernel takes them: bytes as they are, or as `\x7f`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(magic: &str, mask: &str) -> Result<Pattern, String> {
        let (magic, mask) = (unescaped(magic)?, unescaped(mask)?);
        if magic.is_empty() || magic.len() > HEAD {
            return Err(format!(
                "a magic has 1 to {HEAD} bytes, and this has {}",
                magic.len()
            ));
        }
        if magic.len() != mask.len() {
            return Err(format!(
                "the magic has {} bytes and the mask {}",
                magic.len(),
                mask.len()
            ));
        }
        Ok(Pattern {
            offset: 0,
            magic,
            mask,
        })
    }

    /// Whether a program that begins so fits.
    pub fn fits(&self, head: &[u8]) -> bool {
        let bytes = head.get(self.offset..self.offset + self.magic.len());
        bytes.is_some_and(|bytes| {
            let pairs = bytes.iter().zip(&self.magic).zip(&self.mask);
            pairs
                .into_iter()
                .all(|((byte, magic), mask)| byte & mask == magic & mask)
        })
    }

    /// The beginning of a program that fits.
    pub fn example(&self) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        head[self.offset..self.offset + self.magic.len()].copy_from_slice(&self.magic);
        head
    }
}

fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = rest.strip_prefix("\\x").map(|digits| digits.get(..2));
        match digits {
            Some(digits) => {
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let byte =
                    byte.ok_or_else(|| format!("`{text}` has a `\\x` without two digits"))?;
                bytes.push(byte);
                rest = &rest[4..];
            }
            None if first.is_ascii() && first != '\\' => {
                bytes.push(rest.as_bytes()[0]);
                rest = &rest[1..];
            }
            None => return Err(format!("`{text}` has `{first}`: write bytes as `\\x7f`")),
        }
    }
    Ok(bytes)
}

/// An entry by magic. Entries by extension are none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What it is called: `qemu-arm`.
    pub name: String,
    /// The interpreter, by its complete path.
    pub interpreter: String,
    /// `F`: the kernel has opened the interpreter already, so that containers need none inside. `P`: it gets the program's own name,
    /// too. `O`, `C`: it gets the open file, and the program's rights.
    pub flags: String,
    /// The programs that it is for.
    pub pattern: Pattern,
    /// Whether it is switched on.
    pub enabled: bool,
}

impl Registration {
    /// Reads the file of an entry; nothing where it is by extension, or in no form that is known.
    pub fn parse(name: &str, text: &str) -> Option<Registration> {
        let mut lines = text.lines();
        let enabled = match lines.next()? {
            "enabled" => true,
            "disabled" => false,
            _ => return None,
        };
        let (mut interpreter, mut flags) = (String::new(), String::new());
        let (mut offset, mut magic, mut mask) = (0, None, None);
        for line in lines {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "interpreter" => interpreter = value.to_string(),
                "flags:" => flags = value.trim().to_string(),
                "offset" => offset = value.parse().ok()?,
                "magic" => magic = Some(from_hex(value)?),
                "mask" => mask = Some(from_hex(value)?),
                _ => {}
            }
        }
        let magic = magic?;
        let mask = mask.unwrap_or_else(|| vec![0xff; magic.len()]);
        (mask.len() == magic.len() && offset + magic.len() <= HEAD).then_some(Registration {
            name: name.to_string(),
            interpreter,
            flags,
            pattern: Pattern {
                offset,
                magic,
                mask,
            },
            enabled,
        })
    }

    /// Whether the kernel has opened the interpreter already.
    pub fn is_fixed(&self) -> bool {
        self.flags.contains('F')
    }

    /// The line that makes this entry when it is written to `register`.
    ///
    /// # Errors
    /// The kernel would not take it.
    pub fn line(&self) -> Result<String, String> {
        let is_plain = |text: &str| !text.is_empty() && !text.contains([':', '\n']);
        if !is_plain(&self.name) || self.name.contains('/') || [".", ".."].contains(&&*self.name) {
            return Err(format!("`{}` cannot be the name of an entry", self.name));
        }
        if !is_plain(&self.interpreter) || !self.interpreter.starts_with('/') {
            let what = "an interpreter is a complete path without a colon";
            return Err(format!("`{}`: {what}", self.interpreter));
        }
        // Source: fs/binfmt_misc.c, `BINPRM_BUF_SIZE` before Linux 4.20 bounds the path with its zero.
        if self.interpreter.len() > 127 {
            return Err(format!("`{}` is longer than 127 bytes", self.interpreter));
        }
        let line = format!(
            ":{}:M:{}:{}:{}:{}:{}",
            self.name,
            self.pattern.offset,
            escaped(&self.pattern.magic),
            escaped(&self.pattern.mask),
            self.interpreter,
            self.flags
        );
        // Source: fs/binfmt_misc.c, `MAX_REGISTER_LENGTH`.
        match line.len() > 1920 {
            true => Err(format!("the entry {} has more than 1920 bytes", self.name)),
            false => Ok(line),
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok())?
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian 12's kernel shows what Debian's qemu-user-static registered.
    const ARM: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/arm-binfmt-P\nflags: POF\noffset 0\n\
                       magic 7f454c4601010100000000000000000002002800\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn an_entry_is_read_and_written() {
        let arm = Registration::parse("qemu-arm", ARM).unwrap();
        assert!(arm.enabled && arm.is_fixed());
        assert_eq!(
            arm.line().unwrap(),
            r":qemu-arm:M:0:\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/libexec/qemu-binfmt/arm-binfmt-P:POF"
        );
        let own = Pattern::new(
            r"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00",
            r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff",
        );
        assert_eq!(own.unwrap(), arm.pattern);
    }

    #[test]
    fn a_shared_object_fits_as_a_program_does_and_another_machine_does_not() {
        let arm = Registration::parse("qemu-arm", ARM).unwrap().pattern;
        let mut head = arm.example();
        head[16] = 3;
        assert!(arm.fits(&head));
        head[18] = 0xb7;
        assert!(!arm.fits(&head));
        assert!(!arm.fits(&head[..12]));
    }

    #[test]
    fn what_is_no_entry_by_magic_is_left_alone() {
        assert_eq!(
            Registration::parse("a", "enabled\ninterpreter /a\nflags: \nextension .jar\n"),
            None
        );
        assert_eq!(Registration::parse("a", "what\n"), None);
        assert_eq!(Registration::parse("a", "enabled\nmagic 7f4\n"), None);
        assert_eq!(
            Registration::parse("a", "enabled\noffset 250\nmagic 7f454c4601010100\n"),
            None
        );
    }

    #[test]
    fn what_the_kernel_would_not_take_is_an_error() {
        let arm = Registration::parse("qemu-arm", ARM).unwrap();
        for (name, interpreter) in [
            ("a/b", "/a"),
            ("..", "/a"),
            ("", "/a"),
            ("a", "a"),
            ("a", "/a:b"),
            ("a", &*format!("/{}", "a".repeat(127))),
        ] {
            let wrong = Registration {
                name: name.to_string(),
                interpreter: interpreter.to_string(),
                ..arm.clone()
            };
            assert!(wrong.line().is_err(), "{name} {interpreter}");
        }
        assert!(Pattern::new(r"\x7f", r"\xff\xff").is_err());
        assert!(Pattern::new(r"\x7", r"\xf").is_err());
        assert!(Pattern::new("é", "é").is_err());
        assert!(Pattern::new("", "").is_err());
    }
}
