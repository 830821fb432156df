//! What must hold before anything is started: checked first, so that nothing is left half-made.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Something that stands in the way, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Obstacle {
    /// Namespaces, mounts and cgroups need root.
    #[error("running pods needs root: run it with sudo")]
    NotRoot,
    /// A program is missing.
    #[error(
        "`{program}` is not installed: run `scripts/deps.sh run`, or `apt-get install {package}`"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The data directory can't be used.
    #[error("the data directory {} is not writable ({why}): choose another with --data-dir", path.display())]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Something else listens there.
    #[error(
        "{address} is in use ({part}): stop what listens there, or choose another with --{flag}"
    )]
    PortInUse {
        /// The address.
        address: SocketAddr,
        /// Whose it is to be.
        part: &'static str,
        /// The flag that changes it.
        flag: &'static str,
    },
    /// Something in the address is impossible here.
    #[error("{address} can't be listened on ({why}): choose another with --{flag}")]
    BadAddress {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
        /// The flag that changes it.
        flag: &'static str,
    },
}

/// Where Debian and most others put the CNI plugins.
pub(crate) const CNI_DIRECTORIES: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Where programs are looked for instead of `PATH` and root's directories.
const PROGRAM_PATH_VARIABLE: &str = "DAAS_PROGRAM_PATH";

const PROGRAMS: [(&str, &str); 4] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
];

/// Checks user and programs.
///
/// # Errors
/// The first [`Obstacle`].
pub(crate) fn machine() -> Result<(), Obstacle> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Obstacle::NotRoot);
    }
    for (program, package) in PROGRAMS {
        if find_program(program).is_none() {
            return Err(Obstacle::Missing { program, package });
        }
    }
    if !CNI_DIRECTORIES
        .iter()
        .any(|d| Path::new(d).join("bridge").exists())
    {
        return Err(Obstacle::Missing {
            program: "bridge (a CNI plugin)",
            package: "containernetworking-plugins",
        });
    }
    Ok(())
}

/// Makes the data directory if need be and writes to it once.
///
/// # Errors
/// [`Obstacle::NotWritable`].
pub(crate) fn data_dir(path: &Path) -> Result<(), Obstacle> {
    let probe = path.join(".writable");
    std::fs::create_dir_all(path)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|why| Obstacle::NotWritable {
            path: path.to_owned(),
            why,
        })
}

/// Checks that nothing listens on `address`.
///
/// # Errors
/// [`Obstacle::PortInUse`], [`Obstacle::BadAddress`].
pub(crate) fn port(
    address: SocketAddr,
    part: &'static str,
    flag: &'static str,
) -> Result<(), Obstacle> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => Err(Obstacle::PortInUse {
            address,
            part,
            flag,
        }),
        Err(why) => Err(Obstacle::BadAddress { address, why, flag }),
    }
}

/// The program's path, looked up in `PATH` and where root's programs are.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(PROGRAM_PATH_VARIABLE) {
        return std::env::split_paths(&path)
            .map(|d| d.join(name))
            .find(|p| p.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|d| d.join(name))
        .find(|p| p.is_file())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = port(address, "the ledger", "ledger-listen").unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&address.to_string()), "{text}");
        assert!(text.contains("--ledger-listen"), "{text}");
        drop(taken);
        port(address, "the ledger", "ledger-listen").unwrap();
    }

    #[test]
    fn a_file_in_the_way_of_the_data_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = data_dir(&file.join("data")).unwrap_err().to_string();
        assert!(text.contains("--data-dir"), "{text}");
    }
}
