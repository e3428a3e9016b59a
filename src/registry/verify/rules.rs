//! Where programs of other platforms are ordinary.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The places in an image where programs of other platforms are ordinary: those that are so in everybody's images, and a project's own.
///
/// A place is a glob from the root of the image, such as `opt/agents/*`. `*` stays within a folder, `**` does not. It
/// means the files and folders that it fits, and all that is in those folders.
#[derive(Clone, Debug)]
pub struct Rules {
    set: GlobSet,
}

/// Places where foreign programs are ordinary in everybody's images. Only what is never run there, or ships for all platforms in one
/// piece. Not here, since each is how an image goes wrong: packages that npm chooses by platform (`@esbuild/linux-x64`,
/// `@img/sharp-…`), which are of the wrong one where `node_modules` was copied; `node_modules/*/vendor`, into which a package fetches
/// the program of the machine that installs; Go's `pkg/tool/*` and extension modules in `site-packages`, which are the toolchain's and the wheel's
/// own platform; Debian's `usr/lib/<triplet>`, where libraries land that a `COPY` took from the wrong stage.
pub(super) const ORDINARY: &[&str] = &[
    // QEMU's user emulators are of the machine that builds. Debian's and Alpine's packages, multiarch/qemu-user-static, tonistiigi/binfmt.
    "**/qemu-*-static",
    "{usr,usr/local}/{bin,libexec}/{qemu,buildkit-qemu}-*",
    "usr/libexec/qemu-binfmt",
    // Firmware that other processors of a machine run. Linux, Documentation/driver-api/firmware.
    "{lib,usr/lib}/firmware",
    // What emulated machines start: firmware and boot loaders of Debian's and Alpine's qemu-system, grub and u-boot packages.
    "usr/share/{qemu,openbios,opensbi,seabios,slof,skiboot}",
    "usr/lib/{grub,u-boot,opensbi}",
    "{lib,usr/lib}/*-linux-*/opensbi",
    // What box64 and box86 run the programs of x86 with, on ARM.
    "usr/lib/box{64,86}-*",
    // What cross compilers link with: Debian's and Fedora's cross toolchains, Rust's targets, compiler-rt, the sysroots of SDKs.
    "usr/*-linux-*/{lib,lib32,lib64,libx32,sys-root}",
    "usr/lib/gcc-cross",
    "**/lib/rustlib/*/lib",
    "**/lib/clang/*/lib",
    "**/sysroot/{lib,usr/lib}",
    // Test data. Go's tools leave folders of this name alone (`go help packages`); debug/elf has programs of many machines there.
    "**/testdata",
    // The same for other languages, in a folder of tests alone: a runner of tests is itself found in `test`.
    "**/{test,tests}/{data,fixtures,inputs,Inputs,resources,test_data}",
    // Node.js addons built for every platform and put into one package: prebuildify's folder, and packages with one of their own.
    "**/node_modules/**/prebuilds",
    "**/node_modules/{7zip-bin,app-builder-bin}/linux",
    "**/node_modules/onnxruntime-node/bin/napi-*",
    // .NET: a portable program brings the native libraries of all platforms. NuGet, "runtimes/{rid}/native".
    "**/runtimes/*/native",
    // The Python debugger's wheel for any platform has the x86 libraries (microsoft/debugpy, issue 286).
    "**/pydevd_attach_to_process/attach_linux_*.so",
];

/// Of how many folders of a path it is asked whether they are such places.
const DEEPEST: usize = 64;

impl Rules {
    /// The ordinary places and further ones.
    ///
    /// # Errors
    /// The first further one that is no glob, with the reason.
    pub fn new(further: &[String]) -> Result<Rules, (String, String)> {
        let mut set = GlobSetBuilder::new();
        let further = further.iter().map(String::as_str);
        for pattern in ORDINARY.iter().copied().chain(further) {
            let failed = |why: String| (pattern.to_string(), why);
            // Paths are from the root, however they are written.
            let from_root = pattern.strip_prefix("./").unwrap_or(pattern);
            let from_root = from_root.trim_matches('/');
            if from_root.is_empty() {
                return Err(failed("it is empty".to_string()));
            }
            let mut builder = GlobBuilder::new(from_root);
            let glob = builder.literal_separator(true).build();
            set.add(glob.map_err(|error| failed(error.kind().to_string()))?);
        }
        match set.build() {
            Ok(set) => Ok(Rules { set }),
            Err(error) => Err((
                error.glob().unwrap_or_default().to_string(),
                error.kind().to_string(),
            )),
        }
    }

    /// Whether a path, from the root of an image and without a slash in front, is in such a place.
    pub fn allows(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        // Of a path that is only deep nobody has a glob, and asking of each folder would take for ever.
        let folders = folders.take(DEEPEST);
        folders.chain([path]).any(|part| self.set.is_match(part))
    }
}
