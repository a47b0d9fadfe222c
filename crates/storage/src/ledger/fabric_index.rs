//! Fabric's own block index: the LevelDB in `index/`, shared by all channels.
//!
//! Nothing in it is needed: Fabric makes it again from the block files, and so do we with ours. Three
//! things are taken from it. Its lock file tells whether Fabric's orderer is running. Its format marker
//! tells a peer's directory. Its checkpoint tells what Fabric had written, so that a block file that
//! lost its tail is noticed.
//!
//! Before the first block of ours is written the index is removed. A Fabric orderer that opens the
//! directory later would take an old one for true, and miss the files that were begun in between.

use super::{StoreError, record::read_varint};
use crate::durable::{self, Context, FileError, flush_directory, names_in, parent_of};
use parking_lot::Mutex;
use rusty_leveldb::{DB, Options};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

const LOCK: &str = "LOCK";
const CURRENT: &str = "CURRENT";

/// Up to where Fabric's orderer had written a channel's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The last block file.
    pub(super) file: u32,
    /// Its size, bytes.
    pub(super) size: u64,
}

/// The index directory; locked, if it is there, for as long as this lives.
#[derive(Debug)]
pub(super) struct FabricIndex {
    directory: PathBuf,
    /// Whether Fabric's files may still be there.
    present: Mutex<bool>,
    _lock: Option<File>,
}

impl FabricIndex {
    /// Looks whether there is an index, and keeps Fabric's orderer from opening it.
    pub(super) fn open(location: &Path) -> Result<Self, StoreError> {
        let directory = location.join("index");
        for left_over in [copy_of(&directory), discarded(&directory)] {
            remove_directory(&left_over)?;
        }
        let path = directory.join(LOCK);
        let lock =
            path.exists().then(|| File::open(&path).during("open the lock file", &path)).transpose()?;
        if let Some(lock) = &lock
            && !durable::lock(lock, &path)?
        {
            return Err(StoreError::InUse { location: location.to_path_buf() });
        }
        Ok(Self { directory, present: Mutex::new(true), _lock: lock })
    }

    /// The index directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The checkpoints of `channels`, as far as Fabric has them. Refuses a peer's index.
    pub(super) fn checkpoints(
        &self,
        channels: &[String],
    ) -> Result<BTreeMap<String, Checkpoint>, StoreError> {
        if !self.directory.join(CURRENT).exists() {
            return Ok(BTreeMap::new());
        }
        let copy = self.copy()?;
        // The LevelDB library panics on some kinds of damage; its state is dropped in every case.
        let read = catch_unwind(AssertUnwindSafe(|| read_index(&copy, channels)));
        remove_directory(&copy)?;
        let unreadable = |reason| StoreError::FabricIndex { index: self.directory.clone(), reason };
        let (format, checkpoints) =
            read.unwrap_or_else(|_| Err("its files contradict each other".to_owned())).map_err(unreadable)?;
        if !format.is_empty() {
            return Err(StoreError::Format {
                index: self.directory.clone(),
                found: String::from_utf8_lossy(&format).into_owned(),
            });
        }
        Ok(checkpoints)
    }

    /// Removes the index, durably; none is no error. A part of one would keep Fabric's orderer from
    /// starting, so it is moved away first.
    pub(super) fn discard(&self) -> Result<(), FileError> {
        let mut present = self.present.lock();
        if *present {
            if self.directory.exists() {
                let away = discarded(&self.directory);
                fs::rename(&self.directory, &away).during("move away the directory", &self.directory)?;
                flush_directory(&parent_of(&self.directory))?;
                remove_directory(&away)?;
            }
            *present = false;
        }
        Ok(())
    }

    /// A copy that can be opened, because opening changes files. Tables are never changed: links do.
    fn copy(&self) -> Result<PathBuf, FileError> {
        let copy = copy_of(&self.directory);
        fs::create_dir(&copy).during("create the directory", &copy)?;
        for name in names_in(&self.directory)?.iter().filter(|n| *n != LOCK) {
            let (from, to) = (self.directory.join(name), copy.join(name));
            let is_table = name.ends_with(".ldb") || name.ends_with(".sst");
            if !(is_table && fs::hard_link(&from, &to).is_ok()) {
                fs::copy(&from, &to).during("copy", &from)?;
            }
        }
        Ok(copy)
    }
}

fn copy_of(directory: &Path) -> PathBuf {
    directory.with_extension("copy~")
}

fn discarded(directory: &Path) -> PathBuf {
    directory.with_extension("discarded~")
}

fn remove_directory(directory: &Path) -> Result<(), FileError> {
    if directory.exists() {
        fs::remove_dir_all(directory).during("remove the directory", directory)
    } else {
        Ok(())
    }
}

type Contents = (Vec<u8>, BTreeMap<String, Checkpoint>);

fn read_index(directory: &Path, channels: &[String]) -> Result<Contents, String> {
    let options = Options { create_if_missing: false, ..Options::default() };
    let mut database = DB::open(directory, options).map_err(|e| e.to_string())?;
    let format = database.get(b"_\x00f").map(|v| v.to_vec()).unwrap_or_default();
    let mut checkpoints = BTreeMap::new();
    for channel in channels {
        let Some(value) = database.get(format!("{channel}\0blkMgrInfo").as_bytes()) else { continue };
        let checkpoint =
            decode(&value).ok_or_else(|| format!("the checkpoint of channel {channel} is damaged"))?;
        checkpoints.insert(channel.clone(), checkpoint);
    }
    Ok((format, checkpoints))
}

fn decode(value: &[u8]) -> Option<Checkpoint> {
    let (file, read) = read_varint(value)?;
    let (size, _) = read_varint(&value[read..])?;
    Some(Checkpoint { file: u32::try_from(file).ok()?, size })
}
