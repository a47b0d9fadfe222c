//! Where profiles come from: `configtx.yaml`, read when the first one is asked for.

use std::{cell::OnceCell, path::PathBuf};

use tracing::{debug, info, warn};

use super::{
    LOG, Stop,
    file::{self, Configuration},
    model::{Profile, TopLevel},
};

/// Fabric's logger for what is loaded.
const LOAD_LOG: &str = "common.tools.configtxgen.localconfig";

pub(super) struct Source {
    /// The directory to look into; `None`: those of Fabric's programs.
    directory: Option<PathBuf>,
    configuration: OnceCell<Configuration>,
}

impl Source {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, configuration: OnceCell::new() }
    }

    /// A profile, complete.
    pub(super) fn profile(&self, name: &str) -> Result<Profile, Stop> {
        let configuration = self.configuration("Error loading config from config cache")?;
        let profiles = &configuration.top_level.profiles;
        let Some(mut profile) = profiles.get(name).cloned() else {
            let known = profiles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let file = configuration.file.display();
            return Err(Stop::NoProfile(format!(
                "Could not find profile: {name}. Please make sure that FABRIC_CFG_PATH or -configPath is set to a path which contains configtx.yaml with the specified profile; {file} has these: {known}"
            )));
        };
        profile.complete(configuration.directory()).map_err(|error| Stop::Unusable(error.to_string()))?;
        info!(target: LOAD_LOG, "Loaded configuration: {}", configuration.file.display());
        Ok(profile)
    }

    /// What stands outside of profiles, complete.
    pub(super) fn top_level(&self) -> Result<TopLevel, Stop> {
        let configuration = self.configuration("failed to load configCache")?;
        let mut top_level = configuration.top_level.clone();
        top_level.complete(configuration.directory()).map_err(|error| Stop::Unusable(error.to_string()))?;
        info!(target: LOAD_LOG, "Loaded configuration: {}", configuration.file.display());
        Ok(top_level)
    }

    /// The file's contents; `failure` is what Fabric says first when there is something wrong with them.
    fn configuration(&self, failure: &str) -> Result<&Configuration, Stop> {
        if let Some(configuration) = self.configuration.get() {
            return Ok(configuration);
        }
        let configuration = file::read(self.directory.as_deref()).map_err(|error| match error {
            file::FileError::Invalid(_) => Stop::Unusable(format!("{failure}: {error}")),
            error => Stop::Unusable(error.to_string()),
        })?;
        debug!(target: LOAD_LOG, "Using config file: {}", configuration.file.display());
        if !configuration.unused_variables.is_empty() {
            warn!(
                target: LOG,
                "These environment variables name no key that {} has, and change nothing: {}",
                configuration.file.display(),
                configuration.unused_variables.join(", ")
            );
        }
        Ok(self.configuration.get_or_init(|| configuration))
    }
}
