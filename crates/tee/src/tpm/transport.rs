//! How commands reach a TPM.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// The largest response.
const MAX_RESPONSE: usize = 4096;

/// Sends a command and returns its response.
pub trait Transport: Send + 'static {
    /// One command, one response, both with their headers.
    ///
    /// # Errors
    /// What the system says.
    fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>>;
}

/// The kernel's device, `/dev/tpmrm0`: one write, one read.
pub struct DeviceFile(File);

impl DeviceFile {
    /// Opens the device.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map(Self)
    }
}

impl Transport for DeviceFile {
    fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(command)?;
        let mut response = vec![0; MAX_RESPONSE];
        let length = self.0.read(&mut response)?;
        response.truncate(length);
        Ok(response)
    }
}

/// A stream of commands and responses, as software TPMs offer on a socket.
pub struct Stream<S>(pub S);

impl<S: Read + Write + Send + 'static> Transport for Stream<S> {
    fn transmit(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(command)?;
        self.0.flush()?;
        let mut header = [0; 10];
        self.0.read_exact(&mut header)?;
        let [_, _, size @ .., _, _, _, _] = header;
        let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if !(header.len()..=MAX_RESPONSE).contains(&size) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut response = header.to_vec();
        let rest = (size - header.len()) as u64;
        if (&mut self.0).take(rest).read_to_end(&mut response)? as u64 != rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(response)
    }
}
