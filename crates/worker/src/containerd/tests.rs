//! Against a real containerd, where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// A short path: sockets allow no long ones.
fn directory() -> Option<(tempfile::TempDir, ContainerdLayout)> {
    if find_program("containerd").is_none() || !nix::unistd::geteuid().is_root() {
        println!("skipped: containerd and root are needed");
        return None;
    }
    let directory = tempfile::Builder::new()
        .prefix("wc")
        .tempdir_in("/tmp")
        .unwrap();
    let layout = ContainerdLayout::under(
        directory.path(),
        &directory.path().join("cni"),
        "localhost/p:1",
    );
    Some((directory, layout))
}

fn processes(directory: &Path) -> Vec<i32> {
    stale::running(&directory.join("config.toml"))
}

/// The one process that runs; between fork and exec it has another name.
async fn process(directory: &Path) -> i32 {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        if let [one] = processes(directory)[..] {
            return one;
        }
        assert!(Instant::now() < until, "{:?}", processes(directory));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_started_again_when_it_dies_and_nothing_of_it_stays_in_the_end() {
    let Some((directory, layout)) = directory() else {
        return;
    };
    let containerd = Containerd::start(directory.path(), &layout).await.unwrap();
    let mut restarts = containerd.restarts();
    let first = process(directory.path()).await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::SIGKILL).unwrap();
    tokio::time::timeout(Duration::from_secs(10), restarts.changed())
        .await
        .unwrap()
        .unwrap();
    let second = process(directory.path()).await;
    assert_ne!(first, second);
    containerd.stop().await;
    assert!(processes(directory.path()).is_empty());
    Containerd::remove_all(&layout).unwrap();
    assert!(!layout.root.exists() && !layout.state.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_a_killed_worker_left_is_replaced() {
    let Some((directory, layout)) = directory() else {
        return;
    };
    let first = Containerd::start(directory.path(), &layout).await.unwrap();
    let left = process(directory.path()).await;
    // As after `kill -9` of the worker: nobody supervises it any more, and it goes on.
    first.task.abort();
    let lock = layout.root.join("io.containerd.metadata.v1.bolt/meta.db");
    assert!(lock.exists());
    let mut orphan = std::process::Command::new(find_program("containerd").unwrap())
        .arg("--config")
        .arg(directory.path().join("config.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(
        i64::from(process(directory.path()).await),
        i64::from(orphan.id())
    );
    let second = Containerd::start(directory.path(), &layout).await.unwrap();
    let now = process(directory.path()).await;
    assert!(now != left && i64::from(now) != i64::from(orphan.id()));
    orphan.wait().unwrap();
    second.stop().await;
    Containerd::remove_all(&layout).unwrap();
}
