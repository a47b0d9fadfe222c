//! The node's settings: `orderer.yaml` and its `ORDERER_...` overrides.
//!
//! [`load`] finds and reads the file; [`parse`] is the pure rest.

mod model;
pub mod reader;
mod schema;
pub mod units;
pub mod yaml;

pub use model::*;
pub use yaml::YamlError;

use reader::{Reach, Reader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use yaml::Value;

/// Where Fabric's programs look for their files last.
const SYSTEM_DIRECTORY: &str = "/etc/hyperledger/fabric";

/// Settings that can be used, and what should be said about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The file that they came from.
    pub file: PathBuf,
    /// What the log should say: defaults that were filled in.
    pub remarks: Vec<String>,
    /// What the log should warn of: values without the effect that was meant.
    pub warnings: Vec<String>,
    /// Each setting and its final value, secrets masked; one line each, `Path.To.Key = value`.
    pub listing: String,
}

/// Why there are no settings. Every text names the key and what is wrong with its value.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// There is no such file in any of the places.
    #[error(
        "Error reading configuration: no orderer.yaml in {}; set FABRIC_CFG_PATH to the directory that holds it",
        places(.searched)
    )]
    NotFound {
        /// The directories looked into.
        searched: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("Error reading configuration: open {}: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not YAML, or not a mapping.
    #[error("Error reading configuration: {}: {source}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What and where.
        source: YamlError,
    },
    /// Keys that do not exist, values that cannot be used.
    #[error("Error unmarshalling config into struct: {} error(s) decoding:\n\n{}", .problems.len(), bullets(.problems))]
    Invalid {
        /// Each with its key.
        problems: Vec<String>,
    },
    /// Values that do not go together.
    #[error("{}", .reasons.join("\n"))]
    Refused {
        /// Fabric's texts.
        reasons: Vec<String>,
    },
}

fn places(searched: &[PathBuf]) -> String {
    let shown: Vec<_> = searched.iter().map(|place| place.display().to_string()).collect();
    shown.join(", ")
}

fn bullets(problems: &[String]) -> String {
    let lines: Vec<_> = problems.iter().map(|problem| format!("* {problem}")).collect();
    lines.join("\n")
}

/// Reads the settings of this process: the first `orderer.yaml` or `orderer.yml` in
/// `FABRIC_CFG_PATH`, the working directory and `/etc/hyperledger/fabric`, and the environment.
pub fn load() -> Result<Loaded, SettingsError> {
    // Names and values that are no text cannot be meant for us.
    let environment = std::env::vars_os();
    let environment =
        environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let environment: BTreeMap<_, _> = environment.collect();
    let file = find(environment.get("FABRIC_CFG_PATH").map(Path::new))?;
    let text = std::fs::read_to_string(&file)
        .map_err(|source| SettingsError::Unreadable { file: file.clone(), source })?;
    parse(&text, &environment, &file, &|path| std::fs::read(path))
}

/// The settings file: a configured directory without one does not hide the other places.
fn find(configured: Option<&Path>) -> Result<PathBuf, SettingsError> {
    let configured = configured.filter(|path| !path.as_os_str().is_empty());
    let places = configured.into_iter().chain([Path::new("."), Path::new(SYSTEM_DIRECTORY)]);
    let searched: Vec<PathBuf> = places.map(Path::to_path_buf).collect();
    let candidates =
        searched.iter().flat_map(|place| [place.join("orderer.yaml"), place.join("orderer.yml")]);
    let found = candidates.into_iter().find(|file| file.exists());
    found.ok_or(SettingsError::NotFound { searched })
}

/// Turns the text of a settings file and an environment into settings.
///
/// `file` is where the text came from: some paths are relative to its directory. `read_file`
/// reads what `{File: path}` names.
pub fn parse(
    text: &str,
    environment: &BTreeMap<String, String>,
    file: &Path,
    read_file: &dyn Fn(&Path) -> std::io::Result<Vec<u8>>,
) -> Result<Loaded, SettingsError> {
    let malformed = |source| SettingsError::Malformed { file: file.to_path_buf(), source };
    let tree = yaml::parse(text).map_err(malformed)?;
    if !matches!(tree.value, Value::Mapping(_)) {
        let message = "expected the sections of an orderer.yaml (General, FileLedger, ...)".to_owned();
        return Err(malformed(YamlError { line: tree.line, column: 1, message }));
    }
    let directory = file.parent().unwrap_or(Path::new(""));
    let reader = Reader::new("ORDERER_", environment, directory, read_file);
    let settings = schema::settings(&reader, reader.top(&tree, Reach::AllKeys));
    let unused = reader.environment_unused();
    let mut noted = reader.into_noted();
    if !noted.problems.is_empty() {
        return Err(SettingsError::Invalid { problems: noted.problems });
    }
    if !noted.refusals.is_empty() {
        return Err(SettingsError::Refused { reasons: noted.refusals });
    }
    if !unused.is_empty() {
        noted.remarks.push(format!(
            "These environment variables name no setting that they could change: {}",
            unused.join(", ")
        ));
    }
    let lines = noted.listing.iter().map(|(path, value)| format!("{path} = {value}"));
    let listing = lines.collect::<Vec<_>>().join("\n");
    Ok(Loaded {
        settings,
        file: file.to_path_buf(),
        remarks: noted.remarks,
        warnings: noted.warnings,
        listing,
    })
}

#[cfg(test)]
mod tests;
