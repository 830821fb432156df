//! The enclave image: kernel, command line and two ramdisks, and what they measure to.
//!
//! The first ramdisk has the devices that the first process needs before it has mounted anything, the second one the
//! program and its configuration. So PCR1 stays when only the program or a setting changes, and PCR2 names the
//! program alone. Same inputs give the same bytes, whatever the machine, the directory or the time.

pub mod eif;
pub mod ramdisk;

use std::io;

use eif::{EifError, Pcrs, Section, SectionKind};
use ramdisk::{Entry, Ramdisk};
use serde_json::json;

/// What the kernel is told: no PCI, stop when something goes wrong. What it doesn't know itself it would hand to the
/// first process, and so might the hypervisor: `/init` reads no arguments.
pub const CMDLINE: &str = "reboot=k panic=30 pci=off console=ttyS0 random.trust_cpu=on";

/// Where the program finds what its server is to do.
pub const SERVER_CONFIG: &str = "/etc/daas/server.yaml";
/// Where it finds the relays (see [`crate::init::Config`]).
pub const ENCLAVE_CONFIG: &str = "/etc/daas/enclave.yaml";
/// Where it finds which contracts and cluster it serves.
pub const DEPLOYMENT: &str = "/etc/daas/deployment.json";

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// A bzImage with virtio over MMIO, vsock and the NSM driver built in.
    pub kernel: Vec<u8>,
    /// This program, statically linked.
    pub program: Vec<u8>,
    /// Content of [`SERVER_CONFIG`].
    pub server_config: Vec<u8>,
    /// Content of [`ENCLAVE_CONFIG`].
    pub enclave_config: Vec<u8>,
    /// Content of [`DEPLOYMENT`].
    pub deployment: Vec<u8>,
    /// For people, in the metadata; not measured.
    pub version: String,
    /// Which source it was built from; not measured.
    pub source: String,
}

/// An image and its registers.
#[derive(Debug, Clone)]
pub struct Image {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// What an enclave that runs it has.
    pub pcrs: Pcrs,
}

/// Why no image was made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The kernel is no bzImage.
    #[error("the kernel is not a bzImage (no `HdrS` at 0x202)")]
    Kernel,
    /// The program needs a loader that the image hasn't.
    #[error("the program is not a statically linked ELF file: {0}")]
    Program(&'static str),
    /// The file format doesn't allow it.
    #[error(transparent)]
    Eif(#[from] EifError),
    /// A ramdisk could not be written.
    #[error("a ramdisk could not be made")]
    Ramdisk(#[from] io::Error),
}

const DEFAULT_MEMORY: u64 = 1 << 30;
const DEFAULT_CPUS: u64 = 2;

/// Makes an image.
///
/// # Errors
/// When an input can't serve.
pub fn build(inputs: &Inputs) -> Result<Image, ImageError> {
    // Source: Documentation/arch/x86/boot.rst of Linux
    if inputs.kernel.get(0x202..0x206) != Some(b"HdrS") {
        return Err(ImageError::Kernel);
    }
    check_program(&inputs.program)?;
    let boot = boot_ramdisk().archive()?;
    let application = application_ramdisk(inputs).archive()?;
    // Tools that describe images read these names.
    let metadata = json!({
        "ImageName": "daas",
        "ImageVersion": inputs.version,
        "BuildMetadata": {
            "BuildTime": "1970-01-01T00:00:00+00:00",
            "BuildTool": "daas enclave image",
            "BuildToolVersion": inputs.version,
            "OperatingSystem": "Linux",
            "KernelVersion": kernel_version(&inputs.kernel),
        },
        "DockerInfo": null,
        "CustomMetadata": { "Source": inputs.source },
    })
    .to_string();
    let sections: [Section<'_>; 5] = [
        (SectionKind::Kernel, &inputs.kernel),
        (SectionKind::Cmdline, CMDLINE.as_bytes()),
        (SectionKind::Metadata, metadata.as_bytes()),
        (SectionKind::Ramdisk, &boot),
        (SectionKind::Ramdisk, &application),
    ];
    Ok(Image {
        bytes: eif::write(&sections, DEFAULT_MEMORY, DEFAULT_CPUS)?,
        pcrs: Pcrs::of(&sections)?,
    })
}

/// What an image measures to.
///
/// # Errors
/// When it is none.
pub fn measure(image: &[u8]) -> Result<Pcrs, EifError> {
    Pcrs::of(&eif::read(image)?)
}

fn boot_ramdisk() -> Ramdisk {
    let mut ramdisk = Ramdisk::default();
    for directory in ["dev", "proc", "run", "sys", "tmp", "var"] {
        ramdisk.add(directory, Entry::Directory);
    }
    for (path, major, minor) in [("dev/console", 5, 1), ("dev/null", 1, 3)] {
        let mode = 0o600;
        ramdisk.add(path, Entry::Device { mode, major, minor });
    }
    ramdisk
}

fn application_ramdisk(inputs: &Inputs) -> Ramdisk {
    let mut ramdisk = Ramdisk::default();
    let mut file = |path: &str, mode, content: &[u8]| {
        let content = content.to_vec();
        ramdisk.add(path, Entry::File { mode, content });
    };
    file("daas", 0o755, &inputs.program);
    file(SERVER_CONFIG, 0o644, &inputs.server_config);
    file(ENCLAVE_CONFIG, 0o644, &inputs.enclave_config);
    file(DEPLOYMENT, 0o644, &inputs.deployment);
    ramdisk.add("init", Entry::Link("daas".to_owned()));
    ramdisk
}

/// The kernel's version, which its boot header points to.
fn kernel_version(kernel: &[u8]) -> String {
    let text = || {
        let pointer = kernel.get(0x20e..0x210)?.try_into().ok()?;
        let text = kernel.get(usize::from(u16::from_le_bytes(pointer)) + 0x200..)?;
        let text = text.split(|b| matches!(b, 0 | b' ')).next()?;
        std::str::from_utf8(text.get(..text.len().min(64))?).ok()
    };
    text().unwrap_or("unknown").to_owned()
}

/// ELF for x86-64, without a program header that asks for an interpreter.
fn check_program(program: &[u8]) -> Result<(), ImageError> {
    const INTERPRETER: u32 = 3;
    let refuse = ImageError::Program;
    if program.get(..5) != Some(b"\x7fELF\x02") {
        return Err(refuse("it is not 64-bit ELF"));
    }
    let word =
        |at: usize| -> Option<[u8; 8]> { program.get(at..at.checked_add(8)?)?.try_into().ok() };
    let half = |at: usize| -> Option<usize> {
        let bytes = program.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_le_bytes(bytes)))
    };
    let headers = || {
        let at = usize::try_from(u64::from_le_bytes(word(0x20)?)).ok()?;
        let (size, count) = (half(0x36)?, half(0x38)?);
        (0..count)
            .map(|index| {
                let kind = word(at.checked_add(index * size)?)?;
                let [a, b, c, d, ..] = kind;
                Some(u32::from_le_bytes([a, b, c, d]))
            })
            .collect::<Option<Vec<u32>>>()
    };
    match headers() {
        None => Err(refuse("its program headers are cut off")),
        Some(kinds) if kinds.contains(&INTERPRETER) => Err(refuse("it needs a dynamic loader")),
        Some(_) => Ok(()),
    }
}
