//! Compiles the `.proto` files in `proto/` with protox, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::Path};

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut files = Vec::new();
    collect(Path::new("proto"), &mut files)?;
    files.sort();
    let descriptors = protox::compile(&files, ["proto"])?;
    let described = FileDescriptorSet {
        file: descriptors.file.iter().filter(|file| is_fabric(file)).map(bare).collect(),
    };
    fs::write(Path::new(&env::var("OUT_DIR")?).join("fabric.descriptors"), described.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").btree_map(".").compile_fds(descriptors)?;
    Ok(())
}

/// Whether a file holds Fabric's messages as Fabric has them. The cluster's messages are not such:
/// ours have more fields.
fn is_fabric(file: &FileDescriptorProto) -> bool {
    !file.name().starts_with("raft/") && file.name() != "orderer/cluster.proto"
}

/// A file without its comments.
fn bare(file: &FileDescriptorProto) -> FileDescriptorProto {
    FileDescriptorProto { source_code_info: None, ..file.clone() }
}

fn collect(folder: &Path, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            let relative = path.strip_prefix("proto")?;
            files.push(relative.to_str().ok_or("a proto file's name is not UTF-8")?.to_owned());
        }
    }
    Ok(())
}
