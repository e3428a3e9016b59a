//! No text makes a template panic, and what renders once renders the same again.
#![no_main]

use crossfile::{Config, NoInputs, NoPartials, Overrides, Parsed, Source, expand};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(config) = Config::read(&[], &Overrides::default(), &NoInputs) else {
        return;
    };
    let source = Source::new("Dockerfile.cross", text);
    match expand::parse(&source, &config, &NoPartials) {
        Ok(Parsed::Template(template)) => {
            for cell in config.cells(&config.arches) {
                if let Some(context) = config.context(&cell) {
                    assert_eq!(template.render(&context), template.render(&context));
                }
            }
        }
        Ok(_) => {}
        Err(problems) => {
            for problem in problems {
                problem.render(&|path| path.display().to_string());
            }
        }
    }
});
