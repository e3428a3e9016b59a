//! Where foreign programs are ordinary.

use super::*;
use crate::registry::verify::rules::ORDINARY;

fn rules(further: &[&str]) -> Rules {
    let further: Vec<String> = further.iter().map(|text| text.to_string()).collect();
    Rules::new(&further).unwrap()
}

/// For each glob: paths that it means, and paths like them that it does not.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (
        "**/qemu-*-static",
        &[
            "usr/bin/qemu-arm-static",
            "qemu-arm-static",
            "opt/x/qemu-s390x-static",
        ],
        &["opt/qemu-arm", "opt/qemu-arm-static2"],
    ),
    (
        "{usr,usr/local}/{bin,libexec}/{qemu,buildkit-qemu}-*",
        &[
            "usr/bin/qemu-arm",
            "usr/local/bin/qemu-aarch64",
            "usr/bin/buildkit-qemu-arm",
        ],
        &["usr/bin/qemu", "bin/app", "home/usr/bin/qemu-arm"],
    ),
    (
        "usr/libexec/qemu-binfmt",
        &["usr/libexec/qemu-binfmt/arm-binfmt-P"],
        &["usr/libexec/app"],
    ),
    (
        "{lib,usr/lib}/firmware",
        &["lib/firmware/qcom/a.mbn", "usr/lib/firmware/x"],
        &["opt/lib/firmware/x", "lib/firmware2/x"],
    ),
    (
        "usr/share/{qemu,openbios,opensbi,seabios,slof,skiboot}",
        &[
            "usr/share/qemu/openbios-ppc",
            "usr/share/openbios/openbios-sparc32",
        ],
        &["usr/share/app/tool"],
    ),
    (
        "usr/lib/{grub,u-boot,opensbi}",
        &[
            "usr/lib/grub/powerpc-ieee1275/kernel.img",
            "usr/lib/u-boot/rpi_4/u-boot",
        ],
        &["usr/lib/grub.so"],
    ),
    (
        "{lib,usr/lib}/*-linux-*/opensbi",
        &["usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf"],
        &[
            "usr/lib/riscv64-linux-gnu/libc.so.6",
            "usr/lib/aarch64-linux-gnu/libssl.so.3",
        ],
    ),
    (
        "usr/lib/box{64,86}-*",
        &[
            "usr/lib/box64-x86_64-linux-gnu/libstdc++.so.6",
            "usr/lib/box86-i386-linux-gnu/libm.so",
        ],
        &["usr/lib/box.so"],
    ),
    (
        "usr/*-linux-*/{lib,lib32,lib64,libx32,sys-root}",
        &[
            "usr/aarch64-linux-gnu/lib/libc.so.6",
            "usr/x86_64-linux-gnu/sys-root/lib/ld.so",
        ],
        // The tools of a cross toolchain are the machine's own.
        &["usr/aarch64-linux-gnu/bin/ld"],
    ),
    (
        "usr/lib/gcc-cross",
        &["usr/lib/gcc-cross/aarch64-linux-gnu/12/libasan.so"],
        &["usr/lib/gcc/aarch64-linux-gnu/12/cc1"],
    ),
    (
        "**/lib/rustlib/*/lib",
        &[
            "usr/local/rustup/toolchains/stable/lib/rustlib/aarch64-unknown-linux-gnu/lib/libstd-1.so",
        ],
        &[
            "usr/local/rustup/toolchains/stable/lib/librustc_driver-1.so",
            "usr/local/rustup/toolchains/stable/lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld",
        ],
    ),
    (
        "**/lib/clang/*/lib",
        &["opt/ndk/lib/clang/17/lib/linux/libclang_rt.asan-aarch64-android.so"],
        &["usr/lib/clang/17/bin/clang"],
    ),
    (
        "**/sysroot/{lib,usr/lib}",
        &[
            "opt/ndk/toolchains/llvm/prebuilt/linux-x86_64/sysroot/usr/lib/aarch64-linux-android/libc.so",
        ],
        &["sysroot/ostree/deploy/os/bin/sh", "sysroot/bin/sh"],
    ),
    (
        "**/testdata",
        &[
            "usr/local/go/src/debug/elf/testdata/gcc-386-freebsd-exec",
            "testdata/x",
        ],
        &[
            "usr/local/go/pkg/tool/linux_amd64/compile",
            "opt/mytestdata/x",
        ],
    ),
    (
        "**/{test,tests}/{data,fixtures,inputs,Inputs,resources,test_data}",
        &[
            "opt/app/tests/fixtures/hello-arm",
            "src/test/resources/x.so",
        ],
        &["opt/test/bin/runner", "home/test/app", "tests/run"],
    ),
    (
        "**/node_modules/**/prebuilds",
        &[
            "app/node_modules/bufferutil/prebuilds/linux-x64/node.napi.node",
            "app/node_modules/@serialport/bindings-cpp/prebuilds/linux-arm/a.node",
        ],
        &[
            "app/prebuilds/x.node",
            "app/node_modules/better-sqlite3/build/Release/better_sqlite3.node",
        ],
    ),
    (
        "**/node_modules/{7zip-bin,app-builder-bin}/linux",
        &["app/node_modules/7zip-bin/linux/arm64/7za"],
        &[
            "app/node_modules/@esbuild/linux-x64/bin/esbuild",
            "app/node_modules/@img/sharp-linux-x64/lib/a.node",
        ],
    ),
    (
        "**/node_modules/onnxruntime-node/bin/napi-*",
        &["app/node_modules/onnxruntime-node/bin/napi-v3/linux/arm64/libonnxruntime.so.1"],
        &["app/node_modules/cwebp-bin/vendor/cwebp"],
    ),
    (
        "**/runtimes/*/native",
        &["app/runtimes/linux-arm64/native/libSkiaSharp.so"],
        &["app/runtimes/libcoreclr.so", "usr/share/dotnet/dotnet"],
    ),
    (
        "**/pydevd_attach_to_process/attach_linux_*.so",
        &[
            "usr/lib/python3/site-packages/debugpy/_vendored/pydevd/pydevd_attach_to_process/attach_linux_amd64.so",
        ],
        &["usr/lib/python3/site-packages/numpy/core/_multiarray.so"],
    ),
];

#[test]
fn every_ordinary_place_is_met_and_its_neighbours_are_not() {
    let globs: Vec<&str> = CASES.iter().map(|(glob, _, _)| *glob).collect();
    assert_eq!(globs, ORDINARY);
    for (glob, met, missed) in CASES {
        for path in *met {
            let others = ORDINARY.iter().filter(|other| other != &glob);
            let one = globset::GlobBuilder::new(glob)
                .literal_separator(true)
                .build();
            let one = one.unwrap().compile_matcher();
            let folders = path.match_indices('/').map(|(slash, _)| &path[..slash]);
            let meets = folders.chain([*path]).any(|part| one.is_match(part));
            assert!(meets, "{glob} does not meet {path}; {others:?}");
            assert!(rules(&[]).allows(path), "{path}");
        }
        for path in *missed {
            assert!(!rules(&[]).allows(path), "{path}");
        }
    }
}

#[test]
fn a_project_adds_places_of_its_own_from_the_root() {
    let own = rules(&[
        "/opt/agents/*/",
        "./srv/plugins/**/*.so",
        "data",
        "usr/app/*.so",
    ]);
    assert!(own.allows("opt/agents/linux-arm64/agent"));
    assert!(own.allows("srv/plugins/a/b/c.so"));
    assert!(own.allows("data/x/y"));
    assert!(own.allows("usr/bin/qemu-arm-static"));
    assert!(!own.allows("opt/agents"));
    assert!(!own.allows("home/opt/agents/a/b"));
    assert!(!own.allows("srv/plugins/a/b"));
    assert!(!own.allows("app/data/x"));
    assert!(own.allows("usr/app/a.so"));
    assert!(!own.allows("usr/app/a/b.so"));
}

#[test]
fn what_is_no_glob_is_refused_with_the_reason() {
    let refused = |text: &str| Rules::new(&[text.to_string()]).unwrap_err();
    let (pattern, why) = refused("opt/[a");
    assert_eq!(pattern, "opt/[a");
    assert!(why.contains("character class"), "{why}");
    assert_eq!(refused("/").1, "it is empty");
    assert_eq!(refused("").1, "it is empty");
}
