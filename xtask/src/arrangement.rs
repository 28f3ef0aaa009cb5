//! The order of the functions in a wasm file, which decides how small gzip makes it.
//!
//! gzip finds what repeats within 32 KiB. Much of the code is the same function compiled for one type
//! after another, and neither the linker nor wasm-bindgen puts these copies near each other. Here each
//! function is followed by the one that is most like it. Nothing else about the module changes.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// Functions are alike by the runs of so many bytes that they share.
const RUN: usize = 6;

/// A run that is found in more functions than this makes none of them alike.
const COMMON: usize = 200;

/// Gives the functions of a wasm file the order that compresses best.
pub(crate) fn arrange(path: &Path) -> Result<()> {
    let wasm = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let arranged = arranged(&wasm).with_context(|| format!("cannot arrange {}", path.display()))?;
    fs::write(path, arranged).with_context(|| format!("cannot write {}", path.display()))
}

fn arranged(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    let mut arrangement = Arrangement::new(imported, order(&bodies));
    let mut module = Module::new();
    arrangement.parse_core_module(&mut module, Parser::new(0), wasm)?;
    Ok(module.finish())
}

/// A function that has no place yet.
struct Function<'a> {
    index: usize,
    size: usize,
    runs: HashSet<&'a [u8]>,
}

/// Each body's index, so that a body stands next to the one most like it. The largest is the first.
fn order(bodies: &[&[u8]]) -> Vec<usize> {
    let functions = bodies.iter().copied().enumerate();
    let mut rest: Vec<Function<'_>> = functions
        .map(|(index, body)| Function {
            index,
            size: body.len(),
            runs: body.windows(RUN).collect(),
        })
        .collect();
    let mut found_in: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for function in &rest {
        for run in &function.runs {
            found_in.entry(run).or_default().push(function.index);
        }
    }
    found_in.retain(|_, functions| functions.len() <= COMMON);

    let mut order = Vec::with_capacity(rest.len());
    let mut runs = HashSet::new();
    while !rest.is_empty() {
        let mut shared = vec![0_usize; bodies.len()];
        for function in runs.iter().filter_map(|run| found_in.get(run)).flatten() {
            if let Some(shared) = shared.get_mut(*function) {
                *shared += 1;
            }
        }
        // How many of the runs of both are shared; then the larger, then the first.
        let rank = |function: &Function<'_>| {
            let shared = shared.get(function.index).copied().unwrap_or(0);
            let all = runs.len() + function.runs.len() - shared;
            let likeness = shared * 1_000_000 / all.max(1);
            (likeness, function.size, Reverse(function.index))
        };
        let ranked = rest.iter().map(rank).enumerate();
        let next = ranked.max_by_key(|(_, rank)| *rank);
        let next = rest.swap_remove(next.map_or(0, |(place, _)| place));
        order.push(next.index);
        runs = next.runs;
    }
    order
}

/// Writes the module anew, with each function in its new place.
struct Arrangement {
    /// How many functions are imported: these come first, and stay.
    imported: u32,
    /// The index, among the others, of the one in each place.
    order: Vec<usize>,
    /// The new place of each.
    places: HashMap<usize, u32>,
}

impl Arrangement {
    fn new(imported: u32, order: Vec<usize>) -> Self {
        let places = order.iter().copied().zip(0..).collect();
        Self {
            imported,
            order,
            places,
        }
    }

    fn arranged<T: Clone>(&self, functions: &[T]) -> Vec<T> {
        let functions = self.order.iter().map(|index| functions.get(*index));
        functions.flatten().cloned().collect()
    }
}

type Outcome<T> = Result<T, reencode::Error<Infallible>>;

impl Reencode for Arrangement {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Outcome<u32> {
        let defined = function.checked_sub(self.imported);
        let place = defined.and_then(|index| self.places.get(&(index as usize)));
        Ok(place.map_or(function, |place| self.imported + place))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Outcome<()> {
        let types: Vec<u32> = section.into_iter().collect::<Result<_, _>>()?;
        for kind in self.arranged(&types) {
            functions.function(self.type_index(kind)?);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Outcome<()> {
        let bodies: Vec<_> = section.into_iter().collect::<Result<_, _>>()?;
        for body in self.arranged(&bodies) {
            self.parse_function_body(code, body)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        EntityType, ExportKind, ExportSection, Function, ImportSection, Instruction, TypeSection,
    };
    use wasmparser::Operator;

    use super::*;

    /// A module that imports a function and exports these.
    fn module(functions: &[(&str, &[Instruction<'_>])]) -> Vec<u8> {
        let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
        types.ty().function([], []);
        imports.import("env", "imported", EntityType::Function(0));
        let (mut kinds, mut code) = (FunctionSection::new(), CodeSection::new());
        let mut exports = ExportSection::new();
        exports.export("imported", ExportKind::Func, 0);
        for ((name, instructions), index) in functions.iter().zip(1..) {
            exports.export(name, ExportKind::Func, index);
            kinds.function(0);
            let mut body = Function::new([]);
            for instruction in *instructions {
                body.instruction(instruction);
            }
            code.function(body.instruction(&Instruction::End));
        }
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&kinds);
        module.section(&exports).section(&code);
        module.finish()
    }

    /// The names of the exports by index, and the functions that the body of each calls.
    fn read(wasm: &[u8]) -> (Vec<String>, HashMap<String, Vec<String>>) {
        let (mut exports, mut bodies) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.unwrap() {
                Payload::ExportSection(section) => {
                    exports = section.into_iter().map(Result::unwrap).collect();
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }
        exports.sort_by_key(|export| export.index);
        let names: Vec<String> = exports
            .iter()
            .map(|export| export.name.to_owned())
            .collect();
        let called = |body: &wasmparser::FunctionBody<'_>| {
            let operators = body.get_operators_reader().unwrap().into_iter();
            let called = operators.filter_map(|operator| match operator.unwrap() {
                Operator::Call { function_index } => Some(names[function_index as usize].clone()),
                _ => None,
            });
            called.collect()
        };
        let calls = bodies.iter().map(called);
        let calls = names.iter().skip(1).cloned().zip(calls).collect();
        (names, calls)
    }

    #[test]
    fn like_functions_become_neighbours_and_what_calls_what_stays() {
        let first = [1, 2, 3].map(|n| Instruction::I64Const(n * 0x1234_5678_9abc));
        let second = [4, 5, 6].map(|n| Instruction::I64Const(n * 0x1234_5678_9abc));
        let calling = |like: &[Instruction<'static>], function| {
            let drops = [Instruction::Drop, Instruction::Drop, Instruction::Drop];
            [like, &drops, &[Instruction::Call(function)]].concat()
        };
        let wasm = module(&[
            ("a1", &calling(&first, 2)),
            ("b1", &calling(&second, 0)),
            ("a2", &calling(&first, 1)),
            ("b2", &calling(&second, 3)),
        ]);
        let (before, calls_before) = read(&wasm);
        assert_eq!(before, ["imported", "a1", "b1", "a2", "b2"]);

        let (after, calls_after) = read(&arranged(&wasm).unwrap());
        assert_eq!(after, ["imported", "a1", "a2", "b1", "b2"]);
        assert_eq!(calls_after, calls_before);
        assert_eq!(calls_after["b1"], ["imported"]);
        assert_eq!(calls_after["b2"], ["a2"]);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("broken.wasm");
        fs::write(&path, b"\0asm\x01\0\0\0\x03").unwrap();
        let error = arrange(&path).unwrap_err().to_string();
        assert!(error.ends_with("broken.wasm"), "{error}");
    }
}
