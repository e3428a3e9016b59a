//! No text makes settings or an architecture table panic.
#![no_main]

use crossfile::{ArchMap, Config, Layer, NoInputs, Overrides, Platform, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let source = Source::new("crossfile.toml", text);
    if let Ok(layer) = Layer::parse(&source) {
        if let Ok(config) = Config::read(&[layer], &Overrides::default(), &NoInputs) {
            config.cells(&config.arches);
        }
    }
    let _ = ArchMap::builtin().with_overlay(&source);
    let _ = ArchMap::builtin().resolve(text);
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.normalize(), platform.normalize().normalize());
    }
});
