//! No bytes make the reading of a layer panic or take more than it may, and the same bytes give the same answer again.
#![no_main]

use std::io::Cursor;

use crossfile::ArchMap;
use crossfile::registry::verify::{Image, Machines, Rules, Scan, machine};
use crossfile::registry::{Descriptor, Digest, Opened};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let machines = Machines::new(&ArchMap::builtin());
    if let Some(machine) = machine(bytes) {
        let _ = machines.architecture(machine);
    }
    let Ok(rules) = Rules::new(&[]) else {
        return;
    };
    // The same layer twice: what the upper one hides and what its links lead to is looked at as well.
    let layer = Descriptor::new("", Digest::of(bytes), bytes.len() as u64);
    let layers = [layer.clone(), layer];
    let platform = "linux/arm64".parse().unwrap();
    let images = [Image::new(&platform, &layers)];
    let scan = Scan::new(&machines, &rules);
    let open = |_: &Descriptor| -> Result<Opened, _> { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    assert_eq!(scan.images(&images, &open), scan.images(&images, &open));
});
