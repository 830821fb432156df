//! Images: OCI archives made from local files, import into containerd, and what a container's
//! `imagePullPolicy` asks for.

mod archive;
mod import;

pub use archive::{ArchiveError, BuiltImage, ImageFile, OciImage};
pub use import::{ImportError, import};
