//! The sample image, made from the running binary and given to each worker's containerd.

use agent::image::{ImageFile, OciImage, import};
use anyhow::Context;

use super::layout::Layout;
use super::{sample, worker_files};

/// Builds the image once and imports it into every worker's image store.
///
/// # Errors
/// When it can't be written, or containerd refuses it.
pub(crate) async fn import_sample(layout: &Layout) -> anyhow::Result<()> {
    let archive = layout.run().join("sample.tar");
    let image = OciImage {
        reference: sample::IMAGE.to_owned(),
        files: vec![ImageFile {
            source: "/proc/self/exe".into(),
            path: "bin/daas".to_owned(),
            mode: 0o755,
        }],
        entrypoint: vec!["/bin/daas".to_owned(), "sample-server".to_owned()],
        ports: vec!["8080/tcp".to_owned()],
        user: "65532:65532".to_owned(),
        ..OciImage::default()
    };
    let to = archive.clone();
    tokio::task::spawn_blocking(move || image.write(&to)).await??;
    for (number, config) in worker_files::existing(layout)? {
        import(&config.runtime_socket(), &archive, sample::IMAGE)
            .await
            .with_context(|| format!("worker-{number}"))?;
    }
    std::fs::remove_file(&archive)?;
    Ok(())
}
