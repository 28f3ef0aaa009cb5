//! The Worker's build: Rust to wasm, wasm-bindgen's JavaScript for it, and `src/entry.js`
//! around both; and the pages that it serves.
//!
//! Cargo decides what has to be compiled; the rest takes a second and is done each time. wasm-bindgen is linked in, so
//! Cargo.lock determines its version and nothing has to be installed. wrangler bundles and minifies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::repository::Repository;
use crate::setup::TARGET;
use crate::{console, paths, step};

/// The module that the runtime loads, next to the Rust code.
const ENTRY: &str = "src/entry.js";

/// The name of wasm-bindgen's module, and the stem of the wasm file it imports.
const BINDINGS: &str = "bindings";

/// The profile of what is deployed.
const PROFILE: &str = "worker";

/// The description of the interface, and the module that holds its text.
const DESCRIPTION: &str = "src/openapi.json";
const DESCRIPTION_MODULE: &str = "openapi.js";

/// What to build.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Features of the root package, as for cargo
    #[arg(long, value_delimiter = ',')]
    pub(crate) features: Vec<String>,
    /// The profile of Cargo.toml
    #[arg(long, default_value = PROFILE)]
    pub(crate) profile: String,
    /// The directory that gets the result
    #[arg(long, default_value = "build")]
    pub(crate) out: PathBuf,
}

/// The build that is deployed.
impl Default for Options {
    fn default() -> Self {
        Self {
            features: Vec::new(),
            profile: PROFILE.to_owned(),
            out: "build".into(),
        }
    }
}

/// Builds the Worker.
pub(crate) fn build(repository: &Repository, options: &Options) -> Result<()> {
    // Builds with other features put their result in the same place.
    let _lock = repository.lock()?;
    let out = &options.out;
    compile(repository, options)?;

    let wasm = repository
        .target()
        .join(TARGET)
        .join(&options.profile)
        .join("tagpost.wasm");
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    console::build(repository, out)?;
    bind(&wasm, out)?;
    fs::copy(ENTRY, out.join("entry.js")).with_context(|| format!("cannot copy {ENTRY}"))?;
    let description = serde_json::to_string(&fs::read_to_string(DESCRIPTION)?)?;
    fs::write(
        out.join(DESCRIPTION_MODULE),
        format!("export default {description};\n"),
    )
    .with_context(|| format!("cannot write {DESCRIPTION_MODULE}"))
}

/// Where a build has its wasm.
pub(crate) fn wasm(options: &Options) -> PathBuf {
    options.out.join(format!("{BINDINGS}_bg.wasm"))
}

fn compile(repository: &Repository, options: &Options) -> Result<()> {
    let mut command = repository.cargo();
    command.args([
        "build",
        "--profile",
        &options.profile,
        "--lib",
        "--package=tagpost",
        "--target",
        TARGET,
    ]);
    command.args(paths::remap(TARGET)?);
    let mut name = "compile the Worker".to_owned();
    if !options.features.is_empty() {
        let features = options.features.join(",");
        command.args(["--features", &features]);
        name = format!("{name} ({features})");
    }
    step::run(&name, command)
}

/// Writes the JavaScript through which the runtime and the wasm call each other.
fn bind(wasm: &Path, out: &Path) -> Result<()> {
    let mut output = Bindgen::new()
        .module(true)?
        .input_path(wasm)
        .out_name(BINDINGS)
        .typescript(false)
        // Half of the file; nothing that the runtime needs.
        .remove_name_section(true)
        .remove_producers_section(true)
        // A panic ends the wasm instance: these give it a successor.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate_output()
        .with_context(|| format!("wasm-bindgen cannot process {}", wasm.display()))?;
    output.emit(out)?;
    // The runtime gives a compiled module to a plain import, and does not know source imports.
    let path = out.join(format!("{BINDINGS}.js"));
    let script = fs::read_to_string(&path)?;
    let plain = script.replacen("import source ", "import ", 1);
    if plain == script {
        bail!("{} has no source import of its wasm", path.display());
    }
    fs::write(&path, plain).with_context(|| format!("cannot write {}", path.display()))
}
