//! Stacks of layers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn a_foreign_program_is_named_with_its_layer() {
    let base = Tar::new().folder("usr/bin").file("usr/bin/sh", &arm64());
    let app = Tar::new()
        .file("opt/app/run.py", &[b'#'; 900])
        .file("opt/app/native.so", &amd64())
        .file("usr/bin/qemu-arm-static", &amd64())
        .symlink("usr/bin/native", "/opt/app/native.so");
    let (base, app) = (gzip(&base.bytes()), gzip(&app.bytes()));
    let digest = Digest::of(&app);
    let programs = scan("linux/arm64", vec![base, app]).unwrap();
    assert!(programs.judged);
    assert_eq!(programs.seen, 3);
    let [foreign] = &*programs.foreign else {
        panic!("{programs:?}");
    };
    let short = digest.short();
    assert_eq!(
        foreign.to_string(),
        format!("`/opt/app/native.so` is for amd64, in layer 2 ({short})")
    );
    assert_eq!((foreign.layer, &foreign.digest), (2, &digest));
}

#[test]
fn a_layer_is_read_whatever_it_is_compressed_with_and_called() {
    let layer = Tar::new().file("bin/a", &amd64()).bytes();
    let two_members = [gzip(&layer[..700]), gzip(&layer[700..])].concat();
    let two_frames = [
        zstd(&layer[..700]),
        b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(),
        zstd(&layer[700..]),
    ]
    .concat();
    let skippable_first = [b"\x5f\x2a\x4d\x18\x01\0\0\0a".to_vec(), zstd(&layer)].concat();
    for bytes in [
        layer.clone(),
        gzip(&layer),
        zstd(&layer),
        two_members,
        two_frames,
        skippable_first,
        // Without the two blocks of zeros at its end.
        layer[..layer.len() - 1024].to_vec(),
    ] {
        assert_eq!(foreign(vec![bytes]), ["1 bin/a"]);
    }
    assert_eq!(foreign(vec![Vec::new()]), [""; 0]);
    let mut blobs = Blobs::default();
    for media_type in [
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "",
    ] {
        let mut descriptor = blobs.put(gzip(&layer));
        descriptor.media_type = media_type.to_string();
        let programs = scan_blobs("linux/arm64", &blobs, &[descriptor]).unwrap();
        assert_eq!(programs.foreign.len(), 1, "{media_type}");
    }
}

#[test]
fn layers_that_registries_do_not_have_are_told() {
    let mut blobs = Blobs::default();
    let base = Descriptor::new(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        Digest::of(b"base"),
        4,
    );
    let mut other = base.clone();
    other.media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".to_string();
    let mut artifact = base.clone();
    artifact.media_type = "application/vnd.in-toto+json".to_string();
    let mut secret = base.clone();
    secret.media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".to_string();
    let top = blobs.put(Tar::new().file("Files/a.exe", &pe(0xaa64)).bytes());
    let layers = [base, other, artifact, secret, top];
    let programs = scan_blobs("windows/amd64", &blobs, &layers).unwrap();
    let reasons: Vec<&str> = programs.skipped.iter().map(|(_, why)| *why).collect();
    assert_eq!(
        reasons,
        [
            "it is not for distribution, and registries have none of them",
            "it is not for distribution, and registries have none of them",
            "it is no layer of a file system",
            "it is encrypted"
        ]
    );
    // The number counts them all the same.
    assert_eq!(programs.foreign[0].layer, 5);
    // Nothing is read for a platform of which nothing is known.
    let programs = scan_blobs("darwin/arm64", &Blobs::default(), &layers).unwrap();
    assert!(!programs.judged && programs.foreign.is_empty());
}

#[test]
fn what_a_higher_layer_removes_or_replaces_is_not_in_the_image() {
    let base = || {
        let base = Tar::new().file("usr/bin/a", &amd64());
        base.file("usr/bin/sub/b", &amd64()).bytes()
    };
    let over = |tar: Tar| foreign(vec![base(), tar.bytes()]);
    let both = ["1 usr/bin/a", "1 usr/bin/sub/b"];
    assert_eq!(over(Tar::new()), both);
    let cases: Vec<(Tar, &[&str])> = vec![
        (Tar::new().file("usr/bin/.wh.a", b""), &both[1..]),
        (Tar::new().file("usr/bin/.wh.sub", b""), &both[..1]),
        (Tar::new().file("usr/.wh.bin", b""), &[]),
        (Tar::new().file("usr/bin/.wh..wh..opq", b""), &[]),
        (Tar::new().file("usr/bin/sub/.wh..wh..opq", b""), &both[..1]),
        (Tar::new().file(".wh..wh..opq", b""), &[]),
        (Tar::new().file("usr/bin/a", &arm64()), &both[1..]),
        (Tar::new().file("./usr/bin/a", b"text"), &both[1..]),
        (Tar::new().symlink("usr/bin/a", "sub/c"), &both[1..]),
        // A folder replaces a file, and a file a folder; a folder over a folder is both.
        (Tar::new().folder("usr/bin/a"), &both[1..]),
        (Tar::new().file("usr/bin/a/c", b""), &both[1..]),
        (Tar::new().file("usr/bin/sub", b""), &both[..1]),
        (Tar::new().symlink("usr/bin", "/bin"), &[]),
        (Tar::new().folder("usr/bin").folder("usr/bin/sub"), &both),
        // Not this: another name, a neighbour, no name at all.
        (Tar::new().file("usr/bin/.wh.aa", b""), &both),
        (Tar::new().file("usr/.wh.bi", b""), &both),
        (Tar::new().file("usr/bin/.wh.", b""), &both),
        (Tar::new().file("usr/bin/a.wh.", b""), &both),
    ];
    for (number, (tar, left)) in cases.into_iter().enumerate() {
        assert_eq!(over(tar), left, "case {number}");
    }
}

#[test]
fn a_whiteout_leaves_its_own_layer_alone_in_any_order() {
    let before = Tar::new().file("bin/.wh.a", b"").file("bin/a", &amd64());
    let after = Tar::new().file("bin/a", &amd64()).file("bin/.wh.a", b"");
    let opaque = Tar::new().file("bin/a", &amd64());
    let opaque = opaque.file("bin/.wh..wh..opq", b"");
    for layer in [before, after, opaque] {
        let base = Tar::new().file("bin/a", &amd64()).file("bin/b", &amd64());
        let found = foreign(vec![base.bytes(), layer.bytes()]);
        assert!(found.contains(&"2 bin/a".to_string()), "{found:?}");
        assert!(!found.contains(&"1 bin/a".to_string()), "{found:?}");
    }
}

#[test]
fn a_file_that_comes_back_is_of_the_layer_that_brings_it() {
    let a = || Tar::new().file("bin/a", &amd64()).bytes();
    let gone = Tar::new().file("bin/.wh.a", b"").bytes();
    assert_eq!(foreign(vec![a(), gone.clone(), a()]), ["3 bin/a"]);
    assert_eq!(foreign(vec![a(), gone]), [""; 0]);
    // The last of several in one layer counts.
    let twice = Tar::new().file("bin/a", &amd64()).file("bin/a", &arm64());
    assert_eq!(foreign(vec![twice.bytes()]), [""; 0]);
    let folder = Tar::new().file("bin/a/b", &amd64()).file("bin/a", b"");
    assert_eq!(foreign(vec![folder.bytes()]), [""; 0]);
}

#[test]
fn hard_links_are_one_file_and_stay_where_the_first_name_goes() {
    let linked = || {
        let linked = Tar::new()
            .file("bin/b", &amd64())
            .hard_link("bin/a", "bin/b");
        linked.hard_link("bin/c", "/bin/a").bytes()
    };
    assert_eq!(foreign(vec![linked()]), ["1 bin/b"]);
    let gone = Tar::new().file("bin/.wh.b", b"").bytes();
    assert_eq!(foreign(vec![linked(), gone]), ["1 bin/a"]);
    // A link to a file of a lower layer, which is removed by the same.
    let later = Tar::new()
        .hard_link("opt/x", "bin/b")
        .hard_link("opt/y", "opt/x");
    let later = later.file("bin/.wh..wh..opq", b"").bytes();
    assert_eq!(foreign(vec![linked(), later.clone()]), ["2 opt/x"]);
    let gone = Tar::new().file("opt/.wh.x", b"").bytes();
    assert_eq!(foreign(vec![linked(), later, gone]), ["2 opt/y"]);
    // The file of the same layer counts, and not the one that it takes the place of.
    let mended = Tar::new()
        .file("bin/b", &arm64())
        .hard_link("bin/z", "bin/b");
    let mended = mended.file("bin/.wh.a", b"").file("bin/.wh.c", b"").bytes();
    assert_eq!(foreign(vec![linked(), mended]), [""; 0]);
    // A link out of a place where foreign programs are ordinary, and into it.
    let out = Tar::new()
        .file("testdata/a", &amd64())
        .hard_link("bin/a", "testdata/a");
    assert_eq!(foreign(vec![out.bytes()]), ["1 bin/a"]);
    let into = Tar::new()
        .file("bin/a", &amd64())
        .hard_link("testdata/a", "bin/a");
    assert_eq!(foreign(vec![into.bytes(), Tar::new().bytes()]), ["1 bin/a"]);
    // A link to a right one, or to nothing.
    let right = Tar::new()
        .file("bin/d", &arm64())
        .hard_link("bin/e", "bin/d");
    let right = right.hard_link("bin/f", "bin/none").bytes();
    assert_eq!(foreign(vec![linked(), right]), ["1 bin/b"]);
}

#[test]
fn names_are_what_an_unpacker_makes_of_them() {
    let long = format!("opt/{}/a", "long".repeat(60));
    let layer = Tar::new()
        .named(b"/abs//a", &amd64())
        .named(b"x/../up/./b", &amd64())
        .named(b"../../out", &amd64())
        .named(b"bad\xff", &amd64())
        .named(b"folder/", &amd64())
        .file(&long, &amd64())
        .bytes();
    let long = format!("1 {long}");
    let mut found = foreign(vec![layer]);
    found.sort();
    assert_eq!(
        found,
        ["1 abs/a", "1 bad\u{fffd}", &long, "1 out", "1 up/b"]
    );
}

#[test]
fn what_is_said_of_a_whole_archive_is_no_file_of_it() {
    let name = "pax_global_header";
    let base = Tar::new().file(name, &amd64()).bytes();
    let global = Tar::new().add(tar::EntryType::XGlobalHeader, name, None, b"13 comment=a\n");
    assert_eq!(foreign(vec![base, global.bytes()]), [format!("1 {name}")]);
}

#[test]
fn a_layer_of_several_images_is_read_once_and_judged_for_each() {
    let mut blobs = Blobs::default();
    let shared = blobs.put(gzip(&Tar::new().file("bin/amd64", &amd64()).bytes()));
    let arm = blobs.put(zstd(&Tar::new().file("bin/arm64", &arm64()).bytes()));
    let broken = blobs.put(b"\x1f\x8b\x08broken".to_vec());
    let platforms: Vec<Platform> = ["linux/amd64", "linux/arm64", "linux/s390x", "linux/386"]
        .map(|platform| platform.parse().unwrap())
        .to_vec();
    let stacks = [
        vec![shared.clone()],
        vec![shared.clone(), arm.clone()],
        vec![arm, shared.clone(), shared.clone()],
        vec![shared, broken.clone()],
    ];
    let images: Vec<Image<'_>> = platforms
        .iter()
        .zip(&stacks)
        .map(|(platform, layers)| Image::new(platform, layers))
        .collect();
    let (machines, rules) = (machines(), Rules::new(&[]).unwrap());
    for jobs in [0, 1, 8] {
        let opened = Mutex::new(Vec::new());
        let scan = Scan::new(&machines, &rules).jobs(jobs);
        let results = scan.images(&images, &|layer| {
            opened.lock().unwrap().push(layer.digest.clone());
            blobs.open(layer)
        });
        assert_eq!(opened.lock().unwrap().len(), 3);
        let found: Vec<Vec<String>> = results[..3]
            .iter()
            .map(|result| {
                let foreign = &result.as_ref().unwrap().foreign;
                let said = foreign.iter().map(|f| format!("{} {}", f.layer, f.path));
                said.collect()
            })
            .collect();
        assert_eq!(
            found,
            [
                vec![],
                vec!["1 bin/amd64"],
                vec!["1 bin/arm64", "3 bin/amd64"]
            ]
        );
        let error = results[3].as_ref().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("layer {}: ", broken.digest)),
            "{error}"
        );
    }
}

#[test]
fn a_scan_that_is_called_off_ends() {
    let mut blobs = Blobs::default();
    let layer = [blobs.put(gzip(&vec![0; 20 << 20]))];
    let platform = "linux/amd64".parse().unwrap();
    let (machines, rules) = (machines(), Rules::new(&[]).unwrap());
    for after in [0, 1, 2, 5, 20] {
        let asked = AtomicUsize::new(0);
        let called_off = || asked.fetch_add(1, Ordering::SeqCst) >= after;
        let scan = Scan::new(&machines, &rules).called_off(&called_off);
        let images = [Image::new(&platform, &layer)];
        let results = scan.images(&images, &|layer| blobs.open(layer));
        assert_eq!(results, [Err(ScanError::Cancelled)]);
    }
}
