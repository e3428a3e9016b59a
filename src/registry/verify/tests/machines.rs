//! What a file is made for, and who runs it.

use super::*;
use crate::registry::verify::{Machine, machine};

fn is_foreign(platform: &str, file: &[u8]) -> bool {
    let machine = machine(file).expect("a program");
    machines().is_foreign(&platform.parse().unwrap(), machine)
}

#[test]
fn executables_and_shared_libraries_are_programs_and_nothing_else() {
    let said = |file: &[u8]| machine(file).map(|machine| machine.to_string());
    assert_eq!(
        said(&arm64()).unwrap(),
        "ELF 64-bit little-endian machine 183"
    );
    assert_eq!(
        said(&elf(32, true, 8)).unwrap(),
        "ELF 32-bit big-endian machine 8"
    );
    assert_eq!(
        said(&elf_of(32, true, 8, 3, 0x20)).unwrap(),
        "ELF 32-bit big-endian machine 8, n32"
    );
    assert_eq!(said(&pe(0x8664)).unwrap(), "PE machine 0x8664");
    // Object files and core dumps; a header that is cut off; a class and a byte order that there are not.
    assert_eq!(machine(&elf_of(64, false, 62, 1, 0)), None);
    assert_eq!(machine(&elf_of(64, false, 62, 4, 0)), None);
    assert_eq!(machine(&arm64()[..63]), None);
    assert_eq!(machine(&elf(96, false, 62)), None);
    assert!(machine(&arm64()[..64]).is_some());
    assert!(machine(&elf(32, false, 40)[..52]).is_some());
    // A header beyond what is there, or that is none.
    let mut beyond = pe(0x8664);
    beyond[0x3c..0x40].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(machine(&beyond), None);
    assert_eq!(machine(&pe(0x8664)[..0x80]), None);
    let mut dos = pe(0x8664);
    dos[0x80] = b'N';
    assert_eq!(machine(&dos), None);
    for other in [
        b"#!/bin/sh\n".as_slice(),
        b"",
        b"MZ",
        b"\x7fELF",
        b"\xcf\xfa\xed\xfe",
    ] {
        assert_eq!(machine(other), None, "{other:?}");
    }
}

/// Each row of the table has a machine, is run by its own platform, and by no other than those said here.
#[test]
fn every_linux_architecture_of_the_table_runs_its_own_programs() {
    let map = ArchMap::builtin();
    let linux = map
        .entries()
        .iter()
        .filter(|entry| entry.platform.os == "linux");
    let rows: Vec<(Platform, Machine)> = linux
        .map(|entry| {
            let number = |scheme| entry.get(scheme).unwrap().parse::<u16>().unwrap();
            let big_endian = entry.get("endian").unwrap() == "big";
            let bits = u8::try_from(number("bits")).unwrap();
            let file = elf(bits, big_endian, number("elf-machine"));
            (entry.platform.clone(), machine(&file).unwrap())
        })
        .collect();
    assert!(rows.len() >= 20, "{rows:?}");
    let machines = machines();
    for (platform, _) in &rows {
        assert!(machines.knows(platform), "{platform}");
        for (other, machine) in &rows {
            let (one, two) = (&*platform.architecture, &*other.architecture);
            let also = [("amd64", "386"), ("mips64", "mips"), ("mips64le", "mipsle")];
            let runs = one == two || also.contains(&(one, two));
            let is_foreign = machines.is_foreign(platform, *machine);
            assert_eq!(is_foreign, !runs, "{other} on {platform}");
        }
    }
}

#[test]
fn further_calling_conventions_are_right_where_distributions_have_them() {
    let n32 = |big_endian| elf_of(32, big_endian, 8, 3, 0x20);
    for (platform, file) in [
        ("linux/amd64", elf(32, false, 62)),
        ("linux/arm64", elf(32, false, 183)),
        ("linux/mips64", n32(true)),
        ("linux/mips64le", n32(false)),
        ("linux/ppc64", elf(32, true, 20)),
        ("linux/s390x", elf(32, true, 22)),
        ("linux/sparc64", elf(32, true, 18)),
        ("linux/amd64/v3", amd64()),
        ("freebsd/amd64", amd64()),
        // Processors of no platform: Xtensa, AMD's graphics cards, 32-bit RISC-V, ARM of the other byte order.
        ("linux/amd64", elf(32, false, 94)),
        ("linux/amd64", elf(64, false, 224)),
        ("linux/amd64", elf(32, false, 243)),
        ("linux/amd64", elf(32, true, 40)),
    ] {
        assert!(!is_foreign(platform, &file), "{platform}");
    }
    for (platform, file) in [
        ("linux/386", elf(32, false, 62)),
        ("linux/386", amd64()),
        ("linux/mips", n32(true)),
        ("linux/mips64", n32(false)),
        ("linux/arm64", elf(32, false, 40)),
        ("linux/ppc64le", elf(32, true, 20)),
        ("linux/arm/v7", arm64()),
        ("freebsd/amd64", arm64()),
    ] {
        assert!(is_foreign(platform, &file), "{platform}");
    }
}

#[test]
fn windows_is_judged_by_pe_files_and_the_others_by_elf_files() {
    const X86: u16 = 0x14c;
    const X64: u16 = 0x8664;
    const ARM64: u16 = 0xaa64;
    for (platform, right, wrong) in [
        ("windows/amd64", &[X64, X86][..], &[ARM64, 0x1c4][..]),
        ("windows/386", &[X86], &[X64, ARM64]),
        (
            "windows/arm64",
            &[ARM64, 0xa641, 0xa64e, X86, 0x1c4],
            &[X64],
        ),
        // A machine of no platform: EFI byte code, and none at all.
        ("windows/amd64", &[0xebc, 0], &[]),
        ("linux/amd64", &[X64, X86, ARM64], &[]),
    ] {
        for number in right {
            assert!(
                !is_foreign(platform, &pe(*number)),
                "{platform} {number:#x}"
            );
        }
        for number in wrong {
            assert!(is_foreign(platform, &pe(*number)), "{platform} {number:#x}");
        }
    }
    assert!(!is_foreign("windows/amd64", &arm64()));
    // Nothing is known of these.
    for platform in ["darwin/arm64", "wasip1/wasm", "linux/riscv32"] {
        assert!(!machines().knows(&platform.parse().unwrap()), "{platform}");
        assert!(!is_foreign(platform, &amd64()), "{platform}");
    }
}

#[test]
fn machines_are_named_after_the_architecture_that_they_are_of() {
    let name = |file: &[u8]| {
        let machine = machine(file).unwrap();
        machines().architecture(machine).map(str::to_string)
    };
    assert_eq!(name(&elf(32, false, 3)).unwrap(), "386");
    assert_eq!(name(&elf(32, false, 62)).unwrap(), "amd64");
    assert_eq!(name(&elf(32, false, 40)).unwrap(), "arm");
    assert_eq!(name(&pe(0x14c)).unwrap(), "386");
    assert_eq!(name(&pe(0xa641)).unwrap(), "arm64");
    assert_eq!(name(&elf(32, false, 94)), None);
}

#[test]
fn an_architecture_that_a_project_adds_is_known() {
    let own = "[arch.riscv32]\nplatform = \"linux/riscv32\"\nbits = 32\nendian = \"little\"\nelf-machine = 243\n";
    let own = crate::diagnostic::Source::new("own.toml", own);
    let map = ArchMap::builtin().with_overlay(&own).unwrap();
    let machines = Machines::new(&map);
    let riscv32 = machine(&elf(32, false, 243)).unwrap();
    assert!(!machines.is_foreign(&"linux/riscv32".parse().unwrap(), riscv32));
    assert!(machines.is_foreign(&"linux/amd64".parse().unwrap(), riscv32));
}

/// A program that somebody else made: the one that runs this test.
#[test]
fn a_real_program_of_this_machine_is_known() {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    if os != "linux" || !matches!(architecture, "x86_64" | "aarch64") {
        println!("skipped: no program of {os} on {architecture} is expected here");
        return;
    }
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(!is_foreign(&format!("linux/{architecture}"), &file));
    assert!(is_foreign("linux/s390x", &file));
}
