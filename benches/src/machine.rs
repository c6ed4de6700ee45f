//! What is said of the machine and the sources beside a figure.

use std::fs;
use std::process::Command;

use crate::systems::run;

/// The commit of the sources around us, `+` for changes beside it; nothing outside a repository.
pub(crate) fn commit() -> Option<String> {
    let head = run(Command::new("git").args(["rev-parse", "HEAD"])).ok()?;
    let status = run(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"])).ok()?;
    Some(head.trim().to_owned() + if status.is_empty() { "" } else { "+" })
}

pub(crate) fn cores() -> Option<usize> {
    std::thread::available_parallelism().ok().map(usize::from)
}

pub(crate) fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_by_its_size_alone() {
        assert!(cores().unwrap() >= 1);
        #[cfg(target_os = "linux")]
        assert!(memory_bytes().unwrap() > 1 << 28);
    }
}
