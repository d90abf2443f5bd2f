//! Room on the disk: how much is free, and the ballast, a file of zeros that is given up when the disk is
//! full, because redb needs room even to delete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

pub(super) struct Ballast {
    path: PathBuf,
    pub wanted: u64,
}

impl Ballast {
    /// Takes the reserve when there is room for it.
    pub fn open(folder: &Path, wanted: u64) -> Ballast {
        let ballast = Ballast { path: folder.join("ballast"), wanted };
        ballast.restore();
        ballast
    }

    /// Bytes in reserve.
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Gives the reserve up; whether there was one.
    pub fn release(&self) -> bool {
        self.bytes() > 0 && fs::remove_file(&self.path).is_ok()
    }

    /// Takes the reserve again when four times as much is free.
    pub fn restore(&self) {
        if self.bytes() == self.wanted {
            return;
        }
        let _ = fs::remove_file(&self.path);
        let room = self.path.parent().and_then(free_bytes).is_some_and(|free| free / 4 >= self.wanted);
        if self.wanted > 0 && room && self.fill().is_err() {
            // Half a reserve would pass for a whole one.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        if fallocate(&file, FallocateFlags::empty(), 0, self.wanted).is_ok() {
            return Ok(());
        }
        let zeros = [0; 64 << 10];
        let mut left = self.wanted;
        while left > 0 {
            let now = left.min(zeros.len() as u64);
            file.write_all(zeros.get(..now as usize).unwrap_or(&zeros))?;
            left -= now;
        }
        Ok(())
    }
}

/// What an ordinary user can still write to the disk below `path`.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    statvfs(path).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
