//! A folder in the OCI image layout, as a repository.
//!
//! Source: OCI image specification 1.1, image-layout.md; the names of its images as `docker buildx` writes and `skopeo` reads them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::write::Held;

use super::{
    Descriptor, Digest, Document, ErrorKind, ImageIndex, MediaType, Opened, RegistryError,
    Repository, Verified, Which,
};

/// What a reader may find at most of a manifest, in bytes: as much as registries have to take.
pub(super) const MOST_OF_A_MANIFEST: u64 = 4 << 20;

/// The name of an image among those of a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

const VERSION: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";

/// A layout. Files are written whole or not at all, and `index.json` last.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    /// The folder as messages have it.
    shown: String,
}

impl Layout {
    /// A layout that is there.
    ///
    /// # Errors
    /// There is none, or it is of another version.
    pub fn open(folder: &Path) -> Result<Layout, RegistryError> {
        Layout::open_as(folder, &folder.display().to_string())
    }

    /// The same, called `shown` in messages.
    pub(super) fn open_as(folder: &Path, shown: &str) -> Result<Layout, RegistryError> {
        let layout = Layout::new(folder, shown);
        let said = layout.read(Path::new("oci-layout"), 1 << 16)?;
        let Some(said) = said else {
            let what = format!("{shown} is no OCI layout: it has no file `oci-layout`");
            return Err(layout.error("open", ErrorKind::Malformed(what)));
        };
        let fields: Value = serde_json::from_slice(&said).unwrap_or_default();
        match fields.get("imageLayoutVersion").and_then(Value::as_str) {
            Some(version) if version.starts_with("1.") => Ok(layout),
            _ => Err(layout.error(
                "open",
                ErrorKind::Malformed("`oci-layout` says no version 1".to_string()),
            )),
        }
    }

    /// A layout to write to, made where there is none.
    ///
    /// # Errors
    /// It cannot be made, or the folder holds something else.
    pub fn create(folder: &Path) -> Result<Layout, RegistryError> {
        Layout::create_as(folder, &folder.display().to_string())
    }

    /// The same, called `shown` in messages.
    pub(super) fn create_as(folder: &Path, shown: &str) -> Result<Layout, RegistryError> {
        let layout = Layout::new(folder, shown);
        let system = |error: io::Error| layout.system("create", &error);
        fs::create_dir_all(folder).map_err(system)?;
        let _held = Held::of(folder).map_err(system)?;
        if folder.join("oci-layout").exists() {
            return Layout::open_as(folder, shown);
        }
        if fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()) {
            let what = format!("{shown} is no OCI layout, and not empty");
            return Err(layout.error("create", ErrorKind::System(what)));
        }
        // First what says that it is one: whoever ends in the midst of this leaves a layout without images.
        layout.write(Path::new("oci-layout"), VERSION.as_bytes())?;
        fs::create_dir_all(folder.join("blobs/sha256")).map_err(system)?;
        layout.write(Path::new("index.json"), &to_bytes(&no_images()))?;
        Ok(layout)
    }

    /// The names of its images, and the images without one.
    ///
    /// # Errors
    /// Its index cannot be read.
    pub fn images(&self) -> Result<Vec<(Option<String>, Descriptor)>, RegistryError> {
        let entries = self.top::<ImageIndex>()?.map(|index| index.manifests);
        let named = entries
            .unwrap_or_default()
            .into_iter()
            .map(|entry| (entry.annotations.get(NAME).cloned(), entry));
        Ok(named.collect())
    }

    fn new(folder: &Path, shown: &str) -> Layout {
        Layout {
            folder: folder.to_path_buf(),
            shown: shown.to_string(),
        }
    }

    fn error(&self, request: &str, kind: ErrorKind) -> RegistryError {
        RegistryError::new(self.name(), request, kind)
    }

    fn system(&self, request: &str, error: &io::Error) -> RegistryError {
        self.error(request, ErrorKind::System(error.to_string()))
    }

    fn path(digest: &Digest) -> PathBuf {
        let (algorithm, digits) = digest.parts();
        Path::new("blobs").join(algorithm).join(digits)
    }

    /// A file of bounded size; nothing where there is none.
    fn read(&self, path: &Path, most: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let request = format!("read {}", path.display());
        let file = match open_file(&self.folder.join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.system(&request, &error)),
        };
        let mut bytes = Vec::new();
        let read = file.take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.system(&request, &error))?;
        match bytes.len() as u64 > most {
            true => Err(self.error(
                &request,
                ErrorKind::Malformed(format!("it has more than {most} bytes")),
            )),
            false => Ok(Some(bytes)),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
        self.write_from(path, &mut &bytes[..])
    }

    /// Writes a file beside its place, and puts it there when it is whole.
    fn write_from(&self, path: &Path, content: &mut dyn Read) -> Result<(), RegistryError> {
        let request = format!("write {}", path.display());
        let system = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                self.error(&request, ErrorKind::Content(error.to_string()))
            }
            _ => self.system(&request, &error),
        };
        let path = self.folder.join(path);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(system)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o644));
        }
        let mut file = builder
            .prefix(".crossfile-")
            .tempfile_in(folder)
            .map_err(system)?;
        io::copy(content, &mut file).map_err(system)?;
        file.flush().map_err(system)?;
        file.persist(&path).map_err(|error| system(error.error))?;
        Ok(())
    }

    /// Points a name of `index.json` at an image, and leaves the rest of it as it is, fields that nobody here knows included.
    fn point(&self, name: &str, mut entry: Descriptor) -> Result<(), RegistryError> {
        // What nobody could read afterwards is not written.
        self.top::<ImageIndex>()?;
        let mut index = self.top()?.unwrap_or_else(no_images);
        if index["manifests"].is_null() {
            index["manifests"] = json!([]);
        }
        let Some(entries) = index["manifests"].as_array_mut() else {
            let what = "it has no list `manifests`".to_string();
            return Err(self.error("read index.json", ErrorKind::Malformed(what)));
        };
        let name_of =
            |known: &Value| Some(known.get("annotations")?.get(NAME)?.as_str()?.to_string());
        let digest = entry.digest.to_string();
        entries.retain(|known| match name_of(known) {
            None => !name.is_empty() || known["digest"] != digest.as_str(),
            Some(known) => known != name,
        });
        if !name.is_empty() {
            entry.annotations.insert(NAME.to_string(), name.to_string());
        }
        entries.push(json!(entry));
        self.write(Path::new("index.json"), &to_bytes(&index))
    }

    /// Its `index.json`, where there is one.
    fn top<T: DeserializeOwned>(&self) -> Result<Option<T>, RegistryError> {
        let Some(bytes) = self.read(Path::new("index.json"), MOST_OF_A_MANIFEST)? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&bytes).map(Some);
        read.map_err(|error| self.error("read index.json", ErrorKind::Malformed(error.to_string())))
    }

    /// The entry of a name; without one the only image.
    fn named(&self, name: &str) -> Result<Option<Descriptor>, RegistryError> {
        let mut images = self.images()?;
        if let Some(at) = images
            .iter()
            .position(|(known, _)| known.as_deref() == Some(name))
        {
            return Ok(Some(images.swap_remove(at).1));
        }
        match (name, images.len()) {
            ("", 1) => Ok(images.pop().map(|(_, image)| image)),
            ("", 2..) => {
                let names: Vec<String> =
                    images.iter().filter_map(|(name, _)| name.clone()).collect();
                let what = format!(
                    "it holds several images: say which, as `oci:DIR:NAME` ({})",
                    names.join(", ")
                );
                Err(self.error("read index.json", ErrorKind::Malformed(what)))
            }
            _ => Ok(None),
        }
    }
}

/// Opens a file. A pipe of that name would be waited for without end.
fn open_file(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    File::open(path)
}

/// The `index.json` of a layout that holds nothing yet.
fn no_images() -> Value {
    json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [] })
}

fn to_bytes(index: &Value) -> Vec<u8> {
    // Texts and numbers alone cannot fail.
    serde_json::to_vec_pretty(index).unwrap_or_default()
}

impl Repository for Layout {
    fn name(&self) -> String {
        format!("oci:{}", self.shown)
    }

    fn manifest(&self, which: &Which) -> Result<Option<Document>, RegistryError> {
        let request = format!("read {which}");
        let (digest, media_type) = match which {
            Which::Digest(digest) => (digest.clone(), String::new()),
            Which::Tag(name) => match self.named(name)? {
                Some(entry) => (entry.digest, entry.media_type),
                None => return Ok(None),
            },
        };
        let Some(bytes) = self.read(&Layout::path(&digest), MOST_OF_A_MANIFEST)? else {
            return Ok(None);
        };
        if !digest.is_of(&bytes) {
            let what = format!("the file of {digest} holds something else");
            return Err(self.error(&request, ErrorKind::Content(what)));
        }
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let said = said.get("mediaType").and_then(Value::as_str);
        let guessed = || Document::new("", bytes.clone()).kind();
        let media_type = match (said, media_type.as_str()) {
            (Some(said), _) => said.to_string(),
            (None, "") if guessed() == Some(super::Kind::Index) => MediaType::OCI_INDEX.to_string(),
            (None, "") => MediaType::OCI_MANIFEST.to_string(),
            (None, known) => known.to_string(),
        };
        Ok(Some(Document::with_digest(media_type, bytes, digest)))
    }

    fn has_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        Ok(self.blob_size(digest)?.is_some())
    }

    fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        match fs::metadata(self.folder.join(Layout::path(digest))) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.system(&format!("look for {digest}"), &error)),
        }
    }

    fn blob(&self, blob: &Descriptor) -> Result<Opened, RegistryError> {
        let request = format!("read {}", blob.digest);
        match open_file(&self.folder.join(Layout::path(&blob.digest))) {
            Ok(file) => Ok(Box::new(Verified::new(file, &blob.digest, blob.size))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.error(&request, ErrorKind::NotFound))
            }
            Err(error) => Err(self.system(&request, &error)),
        }
    }

    fn put_manifest(&self, which: &Which, document: &Document) -> Result<(), RegistryError> {
        self.write(&Layout::path(&document.digest), &document.bytes)?;
        let Which::Tag(name) = which else {
            return Ok(());
        };
        let _held =
            Held::of(&self.folder).map_err(|error| self.system("lock the folder", &error))?;
        self.point(name, document.descriptor())
    }

    fn put_blob(
        &self,
        blob: &Descriptor,
        open: &dyn Fn() -> Result<Opened, RegistryError>,
    ) -> Result<(), RegistryError> {
        if self.blob_size(&blob.digest)? == Some(blob.size) {
            return Ok(());
        }
        let mut content = Verified::new(open()?, &blob.digest, blob.size);
        self.write_from(&Layout::path(&blob.digest), &mut content)
    }

    fn mount(&self, _: &Descriptor, _: &dyn Repository) -> Result<bool, RegistryError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_put_side_by_side_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..16).map(|number| number.to_string()).collect();
        crate::parallel::side_by_side(&names, |name| {
            let layout = Layout::create(folder.path()).unwrap();
            let document = Document::new(MediaType::OCI_INDEX, name.clone().into_bytes());
            layout
                .put_manifest(&Which::Tag(name.clone()), &document)
                .unwrap();
        });
        let layout = Layout::open(folder.path()).unwrap();
        assert_eq!(layout.images().unwrap().len(), names.len());
    }

    #[test]
    fn a_list_that_is_nothing_is_an_empty_one_and_what_is_no_index_stays() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path()).unwrap();
        let index = folder.path().join("index.json");
        let document = Document::new(MediaType::OCI_INDEX, b"ours".to_vec());
        let put = || layout.put_manifest(&Which::Tag("new".to_string()), &document);
        fs::write(&index, r#"{"schemaVersion":2,"manifests":null}"#).unwrap();
        put().unwrap();
        assert_eq!(layout.images().unwrap().len(), 1);
        for wrong in ["[]", "{}", r#"{"manifests":[1]}"#, r#"{"manifests":{}}"#] {
            fs::write(&index, wrong).unwrap();
            assert!(put().is_err(), "{wrong}");
            assert_eq!(fs::read_to_string(&index).unwrap(), wrong);
        }
    }

    #[test]
    fn what_other_programs_wrote_of_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path()).unwrap();
        let other = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"a/b","digest":"{}","size":1,"x-theirs":{{"a":1}}}}],"x-ours":[2]}}"#,
            Digest::of(b"theirs")
        );
        fs::write(folder.path().join("index.json"), &other).unwrap();
        let document = Document::new(MediaType::OCI_INDEX, b"ours".to_vec());
        layout
            .put_manifest(&Which::Tag("new".to_string()), &document)
            .unwrap();
        let written = fs::read(folder.path().join("index.json")).unwrap();
        let mut written: Value = serde_json::from_slice(&written).unwrap();
        let added = written["manifests"].as_array_mut().unwrap().pop().unwrap();
        assert_eq!(added["annotations"][NAME], "new");
        assert_eq!(written, serde_json::from_str::<Value>(&other).unwrap());
    }

    #[test]
    fn what_is_put_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Layout::open(folder.path())
                .unwrap_err()
                .to_string()
                .contains("is no OCI layout")
        );
        let layout = Layout::create(folder.path()).unwrap();
        let content = b"some content".to_vec();
        let blob = Descriptor::new("", Digest::of(&content), content.len() as u64);
        let open = || Ok(Box::new(io::Cursor::new(content.clone())) as Opened);
        layout.put_blob(&blob, &open).unwrap();
        let mut read = Vec::new();
        layout.blob(&blob).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, content);

        let document = Document::new(
            MediaType::OCI_INDEX,
            br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(),
        );
        let tag = |name: &str| Which::Tag(name.to_string());
        layout.put_manifest(&tag("1.27"), &document).unwrap();
        layout.put_manifest(&tag("1.27"), &document).unwrap();
        let layout = Layout::create(folder.path()).unwrap();
        assert_eq!(layout.images().unwrap().len(), 1);
        assert_eq!(
            layout.manifest(&tag("1.27")).unwrap(),
            Some(document.clone())
        );
        assert_eq!(layout.manifest(&tag("")).unwrap(), Some(document.clone()));
        assert_eq!(layout.manifest(&tag("2")).unwrap(), None);
        layout.put_manifest(&tag("2"), &document).unwrap();
        assert!(
            layout
                .manifest(&tag(""))
                .unwrap_err()
                .to_string()
                .contains("1.27, 2")
        );
    }

    #[test]
    fn other_content_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path()).unwrap();
        let blob = Descriptor::new("", Digest::of(b"right"), 5);
        let open = || Ok(Box::new(io::Cursor::new(b"wrong".to_vec())) as Opened);
        let error = layout.put_blob(&blob, &open).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Content(_)), "{error}");
        assert_eq!(layout.blob_size(&blob.digest), Ok(None));
        let files: Vec<_> = fs::read_dir(folder.path().join("blobs/sha256"))
            .unwrap()
            .collect();
        assert_eq!(files.len(), 0, "{files:?}");
    }
}
