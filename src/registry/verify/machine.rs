//! What a program is made for, read from the head of its file, and which platforms run it.

use std::fmt;

use object::elf::{self, FileHeader32, FileHeader64};
use object::pe::{self, ImageDosHeader};
use object::read::elf::FileHeader;
use object::{Endian as _, Endianness, LittleEndian, ReadRef, U32};

use crate::arch::{ArchMap, Platform};

/// So much of a file is looked at, at most. Linkers write the PE header within the first kilobyte.
pub(super) const HEAD: usize = 4096;

/// No program is shorter: the size of a 32-bit ELF header.
pub(super) const SHORTEST: usize = 52;

/// What a program or a shared library is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Machine {
    /// An ELF file. Source: System V ABI, "ELF Header".
    #[non_exhaustive]
    Elf {
        /// The class, 32 or 64 bits.
        bits: u8,
        /// Whether the most significant byte comes first.
        big_endian: bool,
        /// `e_machine`.
        number: u16,
        /// Whether a 32-bit MIPS file has the n32 calling convention, which needs a 64-bit processor.
        n32: bool,
    },
    /// A PE file, by its `Machine`. Source: Microsoft, "PE Format", "Machine Types".
    Pe(u16),
}

impl Machine {
    const fn elf(bits: u8, big_endian: bool, elf::Machine(number): elf::Machine) -> Machine {
        Machine::Elf {
            bits,
            big_endian,
            number,
            n32: false,
        }
    }

    const fn n32(big_endian: bool) -> Machine {
        Machine::Elf {
            bits: 32,
            big_endian,
            number: elf::EM_MIPS.0,
            n32: true,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Machine::Elf {
                bits,
                big_endian,
                number,
                n32,
            } => {
                let endian = if *big_endian { "big" } else { "little" };
                let n32 = if *n32 { ", n32" } else { "" };
                write!(f, "ELF {bits}-bit {endian}-endian machine {number}{n32}")
            }
            Machine::Pe(number) => write!(f, "PE machine {number:#x}"),
        }
    }
}

/// What a file is made for, by its first bytes: an ELF executable or shared library, or a PE file. Nothing for others: object
/// files (`ET_REL`, also kernel modules and BPF), core dumps, Mach-O, scripts.
///
/// 4096 bytes are enough. A PE file whose header begins later is not known.
pub fn machine(head: &[u8]) -> Option<Machine> {
    if head.starts_with(&elf::ELFMAG) {
        return match head.get(4).copied().map(elf::FileClass)? {
            elf::ELFCLASS32 => elf_machine::<FileHeader32<Endianness>>(head, 32),
            elf::ELFCLASS64 => elf_machine::<FileHeader64<Endianness>>(head, 64),
            _ => None,
        };
    }
    let offset = u64::from(ImageDosHeader::parse(head).ok()?.nt_headers_offset());
    let signature = head.read_at::<U32<LittleEndian>>(offset).ok()?;
    let header = head.read_at::<pe::ImageFileHeader>(offset + 4).ok()?;
    (signature.get(LittleEndian) == pe::IMAGE_NT_SIGNATURE)
        .then(|| Machine::Pe(header.machine.get(LittleEndian).0))
}

fn elf_machine<H: FileHeader<Endian = Endianness>>(head: &[u8], bits: u8) -> Option<Machine> {
    let header = H::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let kind = header.e_type(endian);
    let machine = header.e_machine(endian);
    let abi2 = header.e_flags(endian).0 & elf::EF_MIPS_ABI2.0 != 0;
    (kind == elf::ET_EXEC || kind == elf::ET_DYN).then(|| Machine::Elf {
        bits,
        big_endian: endian.is_big_endian(),
        number: machine.0,
        n32: bits == 32 && machine == elf::EM_MIPS && abi2,
    })
}

/// Which machines the platforms run.
///
/// An architecture's own machine is read from the table (`bits`, `endian`, `elf-machine`), so a project that adds an architecture to
/// it need say nothing more. What a processor runs besides is not a name of an architecture and stands here, as do the machines of
/// PE, of which the table has none.
#[derive(Clone, Debug)]
pub struct Machines {
    /// The machines of each architecture that has ELF files; its own is the first.
    elf: Vec<(String, Vec<Machine>)>,
}

/// Systems whose programs are ELF files. Their kernels run the machines of the architecture alike.
const ELF_SYSTEMS: &[&str] = &[
    "android",
    "dragonfly",
    "freebsd",
    "illumos",
    "linux",
    "netbsd",
    "openbsd",
    "solaris",
];

/// Architectures whose programs another one runs as well, as distributions install them side by side: Debian's multiarch i386 and
/// `gcc-multilib` for mips64. 32-bit ARM on arm64 is none of them: many of its processors cannot (Apple's, Ampere's, Cortex-A510 on).
const ALSO: &[(&str, &str)] = &[("amd64", "386"), ("mips64", "mips"), ("mips64le", "mipsle")];

/// Further calling conventions of an architecture, with a machine of their own. Source: Debian's packages `libc6-x32`,
/// `libc6-mipsn32-mips64*`, `libc6-powerpc-ppc64`, `libc6-s390-s390x` and `libc6-sparc-sparc64`; the AArch64 ELF ABI for ILP32.
const CONVENTIONS: &[(&str, Machine)] = &[
    ("amd64", Machine::elf(32, false, elf::EM_X86_64)),
    ("arm64", Machine::elf(32, false, elf::EM_AARCH64)),
    ("mips64", Machine::n32(true)),
    ("mips64le", Machine::n32(false)),
    ("ppc64", Machine::elf(32, true, elf::EM_PPC)),
    ("s390x", Machine::elf(32, true, elf::EM_S390)),
    ("sparc64", Machine::elf(32, true, elf::EM_SPARC)),
    ("sparc64", Machine::elf(32, true, elf::EM_SPARC32PLUS)),
];

/// What Windows runs on each architecture; its own machine is the first. 32-bit x86 runs everywhere by WOW64, and assemblies of
/// .NET for any processor bear its number. x86-64 on arm64 is not accepted, though Windows 11 emulates it: an image that holds
/// nothing else would pass.
///
/// Source: Microsoft, "PE Format", "Machine Types"; "WOW64 Implementation Details"; "Arm64X PE files".
const PE: &[(&str, &[u16])] = &[
    (
        "amd64",
        &[
            pe::IMAGE_FILE_MACHINE_AMD64.0,
            pe::IMAGE_FILE_MACHINE_I386.0,
        ],
    ),
    ("386", &[pe::IMAGE_FILE_MACHINE_I386.0]),
    (
        "arm64",
        &[
            pe::IMAGE_FILE_MACHINE_ARM64.0,
            pe::IMAGE_FILE_MACHINE_ARM64EC.0,
            pe::IMAGE_FILE_MACHINE_ARM64X.0,
            pe::IMAGE_FILE_MACHINE_ARMNT.0,
            pe::IMAGE_FILE_MACHINE_I386.0,
        ],
    ),
    (
        "arm",
        &[
            pe::IMAGE_FILE_MACHINE_ARMNT.0,
            pe::IMAGE_FILE_MACHINE_THUMB.0,
            pe::IMAGE_FILE_MACHINE_I386.0,
        ],
    ),
];

impl Machines {
    /// The machines of a table's architectures.
    pub fn new(map: &ArchMap) -> Machines {
        let mut elf: Vec<(String, Vec<Machine>)> = Vec::new();
        for entry in map.entries() {
            let number = |scheme| entry.get(scheme)?.parse::<u16>().ok();
            let (Some(bits), Some(machine), Some(endian)) = (
                number("bits").and_then(|bits| u8::try_from(bits).ok()),
                number("elf-machine").map(elf::Machine),
                entry.get("endian"),
            ) else {
                continue;
            };
            let machine = Machine::elf(bits, endian == "big", machine);
            let architecture = entry.platform.normalize().architecture;
            match elf.iter_mut().find(|(known, _)| *known == architecture) {
                Some((_, machines)) if machines.contains(&machine) => {}
                Some((_, machines)) => machines.push(machine),
                None => elf.push((architecture, vec![machine])),
            }
        }
        let own = elf.clone();
        for (architecture, machines) in &mut elf {
            for (_, other) in ALSO.iter().filter(|(host, _)| host == architecture) {
                let other = own.iter().filter(|(known, _)| known == other);
                machines.extend(other.flat_map(|(_, machines)| machines));
            }
            let conventions = CONVENTIONS.iter().filter(|(host, _)| host == architecture);
            machines.extend(conventions.map(|(_, machine)| machine));
        }
        Machines { elf }
    }

    /// Whether it is known what a platform runs. Darwin's programs, WebAssembly and the like are not looked at.
    pub fn knows(&self, platform: &Platform) -> bool {
        let platform = platform.normalize();
        let architecture = &platform.architecture;
        match platform.os.as_str() {
            "windows" => PE.iter().any(|(known, _)| known == architecture),
            os if ELF_SYSTEMS.contains(&os) => {
                self.elf.iter().any(|(known, _)| known == architecture)
            }
            _ => false,
        }
    }

    /// Whether a program is another platform's, and not one that this platform runs.
    ///
    /// Windows is judged by its PE files alone and the others by their ELF files: a Linux image holds PE files for the firmware
    /// (systemd-boot) and for whom its tools package for (Python's `distlib`). Machines of no platform at all, such as those of
    /// micro-controllers and graphics cards, are never foreign: nobody built them for the wrong platform.
    pub fn is_foreign(&self, platform: &Platform, machine: Machine) -> bool {
        let platform = platform.normalize();
        let runs = |architecture: &str| match machine {
            Machine::Elf { .. } => {
                let mut rows = self.elf.iter();
                rows.any(|(known, own)| known == architecture && own.contains(&machine))
            }
            Machine::Pe(number) => {
                let mut rows = PE.iter();
                rows.any(|(known, own)| *known == architecture && own.contains(&number))
            }
        };
        let judged = match machine {
            Machine::Elf { .. } => platform.os != "windows",
            Machine::Pe(_) => platform.os == "windows",
        };
        judged
            && self.knows(&platform)
            && !runs(&platform.architecture)
            && self.architecture(machine).is_some()
    }

    /// The architecture that a machine is of: `arm64`. Nothing where it is no platform's.
    pub fn architecture(&self, machine: Machine) -> Option<&str> {
        match machine {
            // Its own before what it runs besides: 386 and not amd64.
            Machine::Elf { .. } => {
                let own =
                    |(_, machines): &&(String, Vec<Machine>)| machines.first() == Some(&machine);
                let any = |(_, machines): &&(String, Vec<Machine>)| machines.contains(&machine);
                let row = self.elf.iter().find(own);
                row.or_else(|| self.elf.iter().find(any))
                    .map(|(architecture, _)| architecture.as_str())
            }
            Machine::Pe(number) => {
                let row = PE.iter().find(|(_, own)| own.first() == Some(&number));
                row.or_else(|| PE.iter().find(|(_, own)| own.contains(&number)))
                    .map(|(architecture, _)| *architecture)
            }
        }
    }
}
