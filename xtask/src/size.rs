//! The compressed size of the built Worker, checked against a limit.
//!
//! Every new instance of the runtime fetches and compiles it before it answers the first request, and one careless
//! dependency can double it.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

/// How large the wasm may be, in bytes, compressed with gzip at its best.
const LIMIT: usize = 704_000;

/// Refuses a wasm file that has grown beyond the limit.
pub(crate) fn check(wasm: &Path) -> Result<()> {
    let code = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let size = compressed(&code)?;
    if size > LIMIT {
        bail!(
            "{} is {size} bytes compressed with gzip; the limit is {LIMIT}",
            wasm.display()
        );
    }
    eprintln!(
        "{} is {size} of at most {LIMIT} bytes, compressed",
        wasm.display()
    );
    Ok(())
}

fn compressed(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wasm_beyond_the_limit_is_refused_with_its_size_and_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large.wasm");
        // Numbers of a linear congruence: nothing that gzip could shorten much.
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(LIMIT + 1_000)
        .collect();
        fs::write(&path, &noise).unwrap();
        let error = check(&path).unwrap_err().to_string();
        assert!(error.contains("large.wasm is "), "{error}");
        assert!(error.ends_with(&format!("the limit is {LIMIT}")), "{error}");

        fs::write(&path, &noise[..LIMIT / 2]).unwrap();
        check(&path).unwrap();
    }
}
