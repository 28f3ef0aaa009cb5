//! The command `tagpost` as a static program for Linux: an archive for each kind of processor.
//!
//! musl is linked in, so it runs on any distribution. A kind for which this machine has no C compiler is left out, and
//! that is said; the compiler is for the cryptography, and links.

use std::collections::BTreeMap;
use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::dist::{VERSION, write};
use crate::repository::Repository;
use crate::{paths, setup, step};

/// The kinds of processors, as Rust calls them.
const PROCESSORS: [&str; 2] = ["x86_64", "aarch64"];

/// The profile of Cargo.toml.
const PROFILE: &str = "command";

/// What lies beside the program.
const COPIED: [(&str, &str); 2] = [("LICENSE", "LICENSE"), ("archive/command.md", "README.md")];

/// Builds and packs it for each kind of processor that this machine can compile for.
pub(crate) fn build(repository: &Repository, out: &Path) -> Result<()> {
    for processor in PROCESSORS {
        let Some(compiler) = compiler(processor) else {
            eprintln!(
                "tagpost for {processor} is left out: it needs Linux and {processor}-linux-gnu-gcc, \
                 which is in Debian's package gcc-{}-linux-gnu",
                processor.replace('_', "-")
            );
            continue;
        };
        let target = format!("{processor}-unknown-linux-musl");
        setup::add_target(&target)?;
        let program = compile(repository, &target, &compiler)?;
        paths::check(&program)?;

        let folder = format!("tagpost-{VERSION}-{processor}-linux");
        let path = out.join(format!("{folder}.tar.gz"));
        let mut contents = BTreeMap::new();
        for (from, to) in COPIED {
            let content = fs::read(from).with_context(|| format!("cannot read {from}"))?;
            contents.insert(PathBuf::from(to), content);
        }
        let content =
            fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
        check_static(&content).with_context(|| program.display().to_string())?;
        contents.insert("tagpost".into(), content);
        write(&path, &folder, &contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", repository.relative(&path).display());
    }
    Ok(())
}

/// The C compiler for a kind of processor, if this machine has one.
fn compiler(processor: &str) -> Option<String> {
    if OS != "linux" {
        return None;
    }
    let name = if processor == ARCH {
        "cc".to_owned()
    } else {
        format!("{processor}-linux-gnu-gcc")
    };
    let mut probe = Command::new(&name);
    probe
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    probe
        .status()
        .is_ok_and(|status| status.success())
        .then_some(name)
}

/// Compiles the command; answers where it is.
fn compile(repository: &Repository, target: &str, compiler: &str) -> Result<PathBuf> {
    let variable = target.replace('-', "_");
    let mut command = repository.cargo();
    command.args([
        "build",
        "--locked",
        "--profile",
        PROFILE,
        "--package=tagpost-cli",
        "--bin=tagpost",
        "--target",
        target,
    ]);
    command.args(paths::remap(target)?);
    command.env(format!("CC_{variable}"), compiler);
    command.env(
        format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()),
        compiler,
    );
    step::run(&format!("compile tagpost for {target}"), command)?;
    Ok(repository
        .target()
        .join(target)
        .join(PROFILE)
        .join("tagpost"))
}

/// Refuses a program that asks for an interpreter (ELF, program header `PT_INTERP`): it would need the C library of
/// the machine that runs it.
fn check_static(program: &[u8]) -> Result<()> {
    const PT_INTERP: u32 = 3;
    let field = |at: usize, size: usize| -> Result<u64> {
        let bytes = at.checked_add(size).and_then(|end| program.get(at..end));
        let bytes = bytes.context("is no whole ELF file")?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    // 64 bits, little-endian.
    if program.get(..6) != Some(b"\x7fELF\x02\x01") {
        bail!("is no ELF file of 64 bits");
    }
    let start = usize::try_from(field(32, 8)?)?;
    let size = usize::try_from(field(54, 2)?)?;
    for index in 0..usize::try_from(field(56, 2)?)? {
        if field(start + index * size, 4)? == u64::from(PT_INTERP) {
            bail!("is not linked statically");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with one program header of this type.
    fn elf(header: u32) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(64, 0);
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file.extend(header.to_le_bytes());
        file.resize(120, 0);
        file
    }

    #[test]
    fn a_program_that_needs_the_machines_c_library_is_refused() {
        check_static(&elf(1)).unwrap();
        let error = check_static(&elf(3)).unwrap_err().to_string();
        assert_eq!(error, "is not linked statically");
        assert!(check_static(&elf(1)[..40]).is_err());
        assert!(check_static(b"#!/bin/sh").is_err());
    }

    #[test]
    fn the_readme_beside_the_program_links_to_no_file_that_is_not_there() {
        let readme = COPIED.iter().find(|(_, to)| *to == "README.md").unwrap().0;
        let text = fs::read_to_string(Path::new("..").join(readme)).unwrap();
        let links = text.split("](").skip(1);
        for link in links {
            assert!(link.starts_with("https://"), "{link}");
        }
        assert!(!text.contains("cargo"), "{readme} needs Rust");
    }

    #[test]
    fn a_processor_without_a_compiler_is_left_out() {
        assert_eq!(compiler("no-such-processor"), None);
    }
}
