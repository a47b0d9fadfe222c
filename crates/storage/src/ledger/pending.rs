//! Operations that were begun and are not finished: `pendingops/join` and `pendingops/remove`.

use super::{StoreError, check_name};
use crate::durable::{
    FileError, create_directory, names_in, read_file, remove_file, remove_transient_files, replace_file,
};
use bytes::Bytes;
use std::path::{Path, PathBuf};

/// The blocks that channels were joined with, kept until the channel no longer needs them. Each file
/// is a marshaled `common.Block`, as Fabric's.
#[derive(Debug)]
pub struct JoinBlocks {
    markers: Markers,
}

impl JoinBlocks {
    pub(super) fn open(location: &Path) -> Result<Self, FileError> {
        Ok(Self { markers: Markers::open(location, "join")? })
    }

    /// Keeps a channel's join block durably, in place of an earlier one.
    pub fn save(&self, channel: &str, block: &[u8]) -> Result<(), StoreError> {
        check_name(channel)?;
        Ok(replace_file(&self.markers.path(channel), block)?)
    }

    /// The channel's join block, `None` when there is none.
    pub fn load(&self, channel: &str) -> Result<Option<Bytes>, StoreError> {
        check_name(channel)?;
        Ok(read_file(&self.markers.path(channel))?.map(Bytes::from))
    }

    /// Removes it durably; none is no error.
    pub fn remove(&self, channel: &str) -> Result<(), StoreError> {
        check_name(channel)?;
        Ok(remove_file(&self.markers.path(channel))?)
    }

    /// The channels that have one, sorted.
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.markers.list()?)
    }
}

/// The files `pendingops/<kind>/<channel>.<kind>`: operations that were begun and are not finished.
#[derive(Debug)]
pub(super) struct Markers {
    directory: PathBuf,
    kind: &'static str,
}

impl Markers {
    /// Makes the directory and drops what a crash left half-written in it.
    pub(super) fn open(location: &Path, kind: &'static str) -> Result<Self, FileError> {
        let directory = location.join("pendingops").join(kind);
        create_directory(&directory)?;
        remove_transient_files(&directory)?;
        Ok(Self { directory, kind })
    }

    /// The file of a channel.
    pub(super) fn path(&self, channel: &str) -> PathBuf {
        self.directory.join(format!("{channel}.{}", self.kind))
    }

    /// The channels that have a file, sorted.
    pub(super) fn list(&self) -> Result<Vec<String>, FileError> {
        let suffix = format!(".{}", self.kind);
        let names = names_in(&self.directory)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(&suffix)).map(str::to_owned).collect())
    }
}
