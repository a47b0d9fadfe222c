//! Finding and reading `configtx.yaml`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Component, Path, PathBuf},
};

use orderer::settings::{
    reader::{Reach, Reader},
    yaml::{self, Value, YamlError},
};

use super::{model::TopLevel, schema};
use crate::failure;

/// Where Fabric's programs look for their files last.
const SYSTEM_DIRECTORY: &str = "/etc/hyperledger/fabric";

/// What the names of overriding variables begin with.
const PREFIX: &str = "CONFIGTX_";

/// Why there is nothing to work from.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(
        "Error reading configuration: no configtx.yaml in {}; set FABRIC_CFG_PATH or -configPath to the directory that holds it",
        places(.0)
    )]
    NotFound(Vec<PathBuf>),
    #[error("Error reading configuration: open {}: {}", .file.display(), failure::system_reason(.source))]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("Error reading configuration: yaml: {source} ({})", .file.display())]
    Malformed { file: PathBuf, source: YamlError },
    #[error("Error unmarshalling config into struct: {} error(s) decoding:\n\n{}", .0.len(), bullets(.0))]
    Invalid(Vec<String>),
}

fn places(searched: &[PathBuf]) -> String {
    searched.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn bullets(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("* {problem}")).collect::<Vec<_>>().join("\n")
}

/// What a `configtx.yaml` says.
pub(super) struct Configuration {
    /// The file, as the log shows it.
    pub(super) file: PathBuf,
    pub(super) top_level: TopLevel,
    /// Variables with the prefix that no key was read from.
    pub(super) unused_variables: Vec<String>,
}

impl Configuration {
    /// The file's directory, which its paths are relative to.
    pub(super) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

/// Reads the first `configtx.yaml` or `configtx.yml` of the directory, or without one of `FABRIC_CFG_PATH`,
/// the working directory and `/etc/hyperledger/fabric`; variables such as `CONFIGTX_ORDERER_ORDERERTYPE`
/// stand in front of keys that the file has.
pub(super) fn read(directory: Option<&Path>) -> Result<Configuration, FileError> {
    // Names and values that are no text cannot be meant for us.
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let file = find(directory, environment.get("FABRIC_CFG_PATH").map(Path::new))?;
    let text =
        fs::read_to_string(&file).map_err(|source| FileError::Unreadable { file: file.clone(), source })?;
    parse(&text, &environment, &file)
}

fn find(directory: Option<&Path>, from_environment: Option<&Path>) -> Result<PathBuf, FileError> {
    let from_environment = from_environment.filter(|path| !path.as_os_str().is_empty());
    let searched: Vec<PathBuf> = match directory {
        Some(directory) => vec![directory.to_owned()],
        None => {
            let defaults = [Path::new("."), Path::new(SYSTEM_DIRECTORY)];
            from_environment.into_iter().chain(defaults).map(Path::to_owned).collect()
        }
    };
    let candidates = searched
        .iter()
        .flat_map(|place| ["configtx.yaml", "configtx.yml"].map(|name| join(place, Path::new(name))));
    let found = candidates.into_iter().find(|file| file.exists());
    found.ok_or(FileError::NotFound(searched))
}

fn parse(
    text: &str,
    environment: &BTreeMap<String, String>,
    file: &Path,
) -> Result<Configuration, FileError> {
    let malformed = |source| FileError::Malformed { file: file.to_owned(), source };
    let tree = yaml::parse(text).map_err(malformed)?;
    if !matches!(tree.value, Value::Mapping(_)) {
        let message = "expected the sections of a configtx.yaml (Profiles, Organizations, ...)".to_owned();
        return Err(malformed(YamlError { line: tree.line, column: 1, message }));
    }
    let read_file = |path: &Path| fs::read(path);
    let reader = Reader::new(PREFIX, environment, Path::new(""), &read_file);
    let top_level = schema::top_level(reader.top(&tree, Reach::PresentKeys));
    let unused_variables = reader.environment_unused();
    let mut problems = reader.into_noted().problems;
    if problems.is_empty() {
        return Ok(Configuration { file: file.to_owned(), top_level, unused_variables });
    }
    problems.sort();
    problems.dedup();
    Err(FileError::Invalid(problems))
}

/// `path` as seen from `base`, without detours, as Go's `filepath.Join` puts it.
pub(super) fn join(base: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let mut joined = PathBuf::new();
    for component in base.join(path).components() {
        match (component, joined.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(joined.pop()),
            (component, _) => joined.push(component),
        }
    }
    if joined.as_os_str().is_empty() { PathBuf::from(".") } else { joined }
}
