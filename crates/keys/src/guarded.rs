//! Memory for keys: a page of its own, locked, left out of core dumps and of children, wiped when dropped.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use zeroize::Zeroize as _;

use crate::KeyError;

/// 32 secret bytes in a page of their own.
///
/// The page is `mlock`ed as far as the system allows ([`Guarded::is_locked`]: a limit on locked memory is no reason
/// not to run), `MADV_DONTDUMP`, `MADV_WIPEONFORK`, and zeroed before it is given back. No `Debug`, no `Clone`.
pub struct Guarded {
    page: NonNull<[u8; 32]>,
    length: usize,
    locked: bool,
}

// SAFETY: the page belongs to this value alone, and is only written before it is shared.
unsafe impl Send for Guarded {}
// SAFETY: as above; `&Guarded` only reads.
unsafe impl Sync for Guarded {}

impl Guarded {
    /// Fills a new page in place, so that the secret is nowhere else.
    ///
    /// # Errors
    /// [`KeyError::System`] when there is no memory, or that of `fill`.
    pub fn fill(
        fill: impl FnOnce(&mut [u8; 32]) -> Result<(), KeyError>,
    ) -> Result<Self, KeyError> {
        let failed = KeyError::System("getting memory for a key");
        // SAFETY: no arguments but a constant.
        let length = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let length = usize::try_from(length).map_err(|_| failed.clone())?;
        // SAFETY: an anonymous mapping at an address of the system's choice touches nothing that exists.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(failed);
        }
        // SAFETY: advice on, and locking of, the page just mapped; its content is not affected.
        let (advised, locked) = unsafe {
            (
                libc::madvise(page, length, libc::MADV_DONTDUMP) == 0
                    && libc::madvise(page, length, libc::MADV_WIPEONFORK) == 0,
                libc::mlock(page, length) == 0,
            )
        };
        let page = NonNull::new(page.cast::<[u8; 32]>()).ok_or_else(|| failed.clone())?;
        let mut guarded = Self {
            page,
            length,
            locked,
        };
        if !advised {
            return Err(failed);
        }
        // SAFETY: a page is longer than 32 bytes, aligned, zeroed, and nobody else's.
        fill(unsafe { guarded.page.as_mut() })?;
        Ok(guarded)
    }

    /// A copy of `bytes`, which the caller wipes.
    ///
    /// # Errors
    /// [`KeyError::System`].
    pub fn of(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        Self::fill(|page| {
            page.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// The secret.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        // SAFETY: the page lives as long as `self` and nobody writes to it.
        unsafe { self.page.as_ref() }
    }

    /// Whether the page can't be swapped out.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locked
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the last use of the page, which was mapped with this length.
        unsafe {
            self.page.as_mut().zeroize();
            libc::munmap(self.page.as_ptr().cast(), self.length);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The flags that the kernel has for the mapping that holds `address`.
    fn flags(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| {
                let (from, to) = range.split_once('-')?;
                let hex = |text| usize::from_str_radix(text, 16).ok();
                Some((hex(from)?, hex(to)?))
            });
            if let Some((from, to)) = range {
                inside = (from..to).contains(&address);
            }
            if let Some(flags) = line.strip_prefix("VmFlags: ").filter(|_| inside) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        Vec::new()
    }

    #[test]
    fn a_key_is_neither_dumped_nor_inherited_and_is_locked_where_allowed() {
        let guarded = Guarded::of(&[7; 32]).unwrap();
        assert_eq!(guarded.expose(), &[7; 32]);
        let flags = flags(guarded.expose().as_ptr() as usize);
        assert!(flags.iter().any(|flag| flag == "dd"), "{flags:?}");
        assert!(flags.iter().any(|flag| flag == "wf"), "{flags:?}");
        assert_eq!(
            flags.iter().any(|flag| flag == "lo"),
            guarded.is_locked(),
            "{flags:?}"
        );
    }

    #[test]
    fn what_fails_to_fill_leaves_nothing() {
        let failed = Guarded::fill(|_| Err(KeyError::WrongRoot));
        assert_eq!(failed.err(), Some(KeyError::WrongRoot));
    }
}
