//! The repository checks itself: who may know whom, module heads, file and function length, one TLS
//! provider, one version per crate. Each check also proves on a made-up offender that it can fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Who may have whom as a dependency. Everything may know `model`; the root may know everything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("declare", &[]),
    ("state", &[]),
    ("outbound", &[]),
    ("inbound", &[]),
    ("store", &[]),
    ("collector", &["declare", "inbound", "outbound", "store"]),
    ("early", &[]),
    ("rules", &["declare", "early", "inbound", "state", "store"]),
    ("alerting", &["declare", "inbound", "state", "outbound"]),
    (
        "scenarios",
        &["declare", "state", "outbound", "store", "rules", "alerting"],
    ),
    ("loadtest", &["declare"]),
    (
        "dashboards",
        &[
            "inbound",
            "store",
            "collector",
            "rules",
            "alerting",
            "scenarios",
            "loadtest",
        ],
    ),
    ("demo", &[]),
    ("fakes", &[]),
];

/// Crates that the tree holds in more than one version, each with who keeps the older ones. None of
/// them is a type that our own crates exchange.
const SEVERAL_VERSIONS: &[(&str, &str)] = &[
    (
        "base64",
        "ours and reqwest's 0.22; arrow, datafusion and email-encoding moved on",
    ),
    ("block-buffer", "follows digest"),
    ("cpufeatures", "sha2 0.10 and sha2 0.11"),
    ("crypto-common", "follows digest"),
    (
        "digest",
        "ours and sqlx-postgres's 0.11; sqlx-core and object_store are not there yet",
    ),
    ("foldhash", "follows hashbrown"),
    ("getrandom", "ring 0.2, rand 0.9 0.3, tempfile 0.4"),
    (
        "hashbrown",
        "dashmap, petgraph, sqlx and indexmap each have their own",
    ),
    (
        "itertools",
        "prometheus-parse (tests only), object_store, datafusion",
    ),
    ("md-5", "follows digest"),
    ("num-bigint", "the tests' jsonschema, and arrow"),
    ("phf", "cron's 0.11, chrono-tz's own"),
    ("phf_shared", "follows phf"),
    ("r-efi", "not built on Linux; follows getrandom"),
    ("rand", "ours and proptest's"),
    ("rand_core", "follows rand"),
    ("sha2", "follows digest"),
    ("syn", "proc macros at build time"),
    ("windows-sys", "not built on Linux"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn crate_folders() -> Vec<PathBuf> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest
        .split_once("members = [")
        .unwrap()
        .1
        .split_once(']')
        .unwrap()
        .0;
    members
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty())
        .map(|member| root().join(member))
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file of every crate, tests and benches left out.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in crate_folders().into_iter().chain([root()]) {
        rust_files(&folder.join("src"), &mut files);
    }
    assert!(
        files.len() > 50,
        "the walk found only {} files",
        files.len()
    );
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

fn without_test_modules(source: &str) -> String {
    match source.find("#[cfg(test)]\nmod tests {") {
        Some(at) => source[..at].to_owned(),
        None => source.to_owned(),
    }
}

/// The names under `[dependencies]` of a manifest, in the forms this workspace uses.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let Some((_, after)) = manifest.split_once("[dependencies]\n") else {
        return BTreeSet::new();
    };
    let section = after.split("\n[").next().unwrap_or("");
    section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn forbidden_edges(name: &str, manifest: &str) -> Vec<String> {
    let rooms: BTreeSet<&str> = ALLOWED.iter().map(|(room, _)| *room).collect();
    let allowed = ALLOWED
        .iter()
        .find(|(room, _)| *room == name)
        .unwrap_or_else(|| panic!("the crate {name} has no row in ALLOWED"))
        .1;
    dependencies(manifest)
        .into_iter()
        .filter(|dependency| {
            rooms.contains(dependency.as_str())
                && dependency != "model"
                && !allowed.contains(&dependency.as_str())
        })
        .map(|dependency| format!("{name} -> {dependency}"))
        .collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    let mut wrong = Vec::new();
    for folder in crate_folders() {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name}: the package is named after its folder"
        );
        wrong.extend(forbidden_edges(&name, &manifest));
    }
    assert_eq!(
        wrong,
        Vec::<String>::new(),
        "edges that the architecture does not allow"
    );
    assert_eq!(
        forbidden_edges(
            "rules",
            "[dependencies]\nalerting.workspace = true\nmodel.workspace = true\n"
        ),
        ["rules -> alerting"]
    );
}

#[test]
fn datafusion_is_known_to_the_store_alone() {
    let knowing: Vec<_> = crate_folders()
        .into_iter()
        .chain([root()])
        .filter(|folder| {
            dependencies(&fs::read_to_string(folder.join("Cargo.toml")).unwrap())
                .contains("datafusion")
        })
        .collect();
    assert_eq!(knowing, [root().join("store")]);
}

fn lacks_head(source: &str) -> bool {
    !source.trim_start().starts_with("//!")
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, source)| lacks_head(source))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(silent, Vec::<PathBuf>::new(), "files without a `//!` head");
    assert!(lacks_head("use std::fmt;"));
    for folder in crate_folders() {
        let lib = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        for part in ["Owns:", "Never:", "Entry point:"] {
            assert!(
                lib.contains(part),
                "{}/src/lib.rs: its head lacks `{part}`",
                folder.display()
            );
        }
    }
}

#[test]
fn files_stay_short() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| !is_test_file(path))
        .map(|(path, source)| (path, without_test_modules(&source).lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .collect();
    assert_eq!(
        long,
        Vec::new(),
        "files over {FILE_LINES_MAX} lines: split them by role"
    );
}

#[derive(Default)]
struct Functions {
    long: Vec<(String, usize)>,
}

impl Functions {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (
            signature.fn_token.span.start().line,
            block.brace_token.span.close().end().line,
        );
        let (name, lines) = (&signature.ident, last - first + 1);
        if lines > FUNCTION_LINES_MAX {
            self.long.push((name.to_string(), lines));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let for_tests = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .meta
                    .require_list()
                    .is_ok_and(|list| list.tokens.to_string() == "test")
        });
        if !for_tests {
            syn::visit::visit_item_mod(self, module);
        }
    }
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }
    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

fn long_functions(source: &str) -> Vec<(String, usize)> {
    let mut functions = Functions::default();
    functions.visit_file(&syn::parse_file(source).unwrap());
    functions.long
}

#[test]
fn functions_stay_short() {
    let mut long = BTreeMap::new();
    for (path, source) in sources()
        .into_iter()
        .filter(|(path, _)| !is_test_file(path))
    {
        let found = long_functions(&source);
        if !found.is_empty() {
            long.insert(path, found);
        }
    }
    assert_eq!(
        long,
        BTreeMap::new(),
        "functions over {FUNCTION_LINES_MAX} lines"
    );
    let offender = format!(
        "fn long() {{\n{}}}\n",
        "    step();\n".repeat(FUNCTION_LINES_MAX)
    );
    assert_eq!(long_functions(&offender).len(), 1);
}

fn locked_packages() -> BTreeMap<String, BTreeSet<String>> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            package
                .lines()
                .find_map(|line| {
                    line.strip_prefix(&format!("{name} = \""))?
                        .strip_suffix('"')
                })
                .unwrap()
                .to_owned()
        };
        packages
            .entry(field("name"))
            .or_default()
            .insert(field("version"));
    }
    packages
}

#[test]
fn one_tls_provider_and_no_unkept_yaml() {
    let packages = locked_packages();
    assert!(packages.contains_key("ring"));
    for unwanted in ["openssl", "native-tls", "aws-lc-rs", "serde_yaml"] {
        assert!(
            !packages.contains_key(unwanted),
            "{unwanted} came into the tree"
        );
    }
}

#[test]
fn one_version_of_each_crate_but_for_named_exceptions() {
    let several: Vec<String> = locked_packages()
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, _)| name)
        .collect();
    let named: Vec<&str> = SEVERAL_VERSIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        several, named,
        "crates in several versions against the named exceptions"
    );
}

/// Comments speak of the product: no unfinished marks and no silent skips.
#[test]
fn nothing_is_left_half_done() {
    let marks = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "todo".to_owned() + "!(",
        "unimplemented".to_owned() + "!(",
        "#[ig".to_owned() + "nore",
    ];
    let mut files = Vec::new();
    rust_files(&root().join("tests"), &mut files);
    let tests = files
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    let mut found = Vec::new();
    for (path, source) in sources().into_iter().chain(tests) {
        found.extend(
            marks
                .iter()
                .filter(|mark| source.contains(mark.as_str()))
                .map(|mark| format!("{}: {mark}", path.display())),
        );
    }
    assert_eq!(found, Vec::<String>::new());
}
