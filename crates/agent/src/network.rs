//! The pod network: CNI's bridge, host-local and portmap plugins on the node's pod CIDR.
//!
//! Names are derived from the agent's data directory, so that two agents on a machine don't meet.

use std::io;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::process::Command;

/// Failure to configure or remove the pod network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A file could not be written or removed.
    #[error("cannot write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A plugin is not installed.
    #[error("CNI plugin {0} is missing; install containernetworking-plugins")]
    PluginMissing(PathBuf),
    /// A command failed.
    #[error("{command} failed: {message}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        message: String,
    },
}

/// The pod network of one agent.
#[derive(Debug, Clone)]
pub struct PodNetwork {
    name: String,
    bridge: String,
    conf_file: PathBuf,
    ipam_dir: PathBuf,
    bin_dir: PathBuf,
}

impl PodNetwork {
    /// The network of the agent that keeps its things in `data_dir`.
    pub fn new(data_dir: &Path, conf_dir: &Path, bin_dir: &Path) -> Self {
        let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        let id: String = hex::encode(Sha256::digest(absolute.as_os_str().as_encoded_bytes()))
            .chars()
            .take(8)
            .collect();
        Self {
            name: format!("daas-{id}"),
            bridge: format!("daas{id}"),
            conf_file: conf_dir.join("10-daas.conflist"),
            ipam_dir: data_dir.join("cni/ipam"),
            bin_dir: bin_dir.to_owned(),
        }
    }

    /// Name of the bridge interface.
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// Name of the CNI network; also the name of the cgroup that the agent's pods are in.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the configuration has been written.
    pub fn is_configured(&self) -> bool {
        self.conf_file.exists()
    }

    fn conflist(&self, cidrs: &[IpNet]) -> serde_json::Value {
        let ranges: Vec<_> = cidrs
            .iter()
            .map(|c| json!([{"subnet": c.trunc().to_string()}]))
            .collect();
        let routes: Vec<_> = cidrs
            .iter()
            .map(|c| {
                if c.addr().is_ipv4() {
                    json!({"dst": "0.0.0.0/0"})
                } else {
                    json!({"dst": "::/0"})
                }
            })
            .collect();
        json!({
            "cniVersion": "0.4.0", "name": self.name,
            "plugins": [
                {
                    "type": "bridge", "bridge": self.bridge, "isGateway": true, "ipMasq": true, "hairpinMode": true,
                    "ipam": {"type": "host-local", "dataDir": self.ipam_dir, "ranges": ranges, "routes": routes},
                },
                {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
            ],
        })
    }

    /// Writes the configuration for the node's pod CIDRs; does nothing when it is there already.
    ///
    /// # Errors
    /// A missing plugin, or a file that can't be written.
    pub fn configure(&self, cidrs: &[IpNet]) -> Result<(), NetworkError> {
        for plugin in ["bridge", "host-local", "portmap", "loopback"] {
            let path = self.bin_dir.join(plugin);
            if !path.exists() {
                return Err(NetworkError::PluginMissing(path));
            }
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| NetworkError::File { path, source }
        };
        let text = self.conflist(cidrs).to_string();
        if std::fs::read_to_string(&self.conf_file).is_ok_and(|old| old == text) {
            return Ok(());
        }
        if let Some(dir) = self.conf_file.parent() {
            std::fs::create_dir_all(dir).map_err(failed(dir))?;
        }
        let fresh = self.conf_file.with_extension("new");
        std::fs::write(&fresh, text).map_err(failed(&fresh))?;
        std::fs::rename(&fresh, &self.conf_file).map_err(failed(&self.conf_file))
    }

    /// Removes configuration, interfaces, iptables rules and address leases. Pods must be gone.
    /// Safe to repeat, and without effect where nothing is left.
    ///
    /// # Errors
    /// The first thing that could not be removed, after the rest was tried.
    pub async fn cleanup(&self) -> Result<(), NetworkError> {
        let mut first: Result<(), NetworkError> = Ok(());
        let mut note = |result: Result<(), NetworkError>| {
            if first.is_ok() {
                first = result;
            }
        };
        note(self.remove_links().await);
        note(self.remove_rules("iptables").await);
        note(self.remove_rules("ip6tables").await);
        for result in [
            std::fs::remove_file(&self.conf_file),
            std::fs::remove_dir_all(&self.ipam_dir),
        ] {
            if let Err(source) = result
                && source.kind() != io::ErrorKind::NotFound
            {
                note(Err(NetworkError::File {
                    path: self.conf_file.clone(),
                    source,
                }));
            }
        }
        first
    }

    async fn remove_links(&self) -> Result<(), NetworkError> {
        if !Path::new("/sys/class/net").join(&self.bridge).exists() {
            return Ok(());
        }
        let ports = Path::new("/sys/class/net").join(&self.bridge).join("brif");
        if let Ok(entries) = std::fs::read_dir(ports) {
            for entry in entries.flatten() {
                run(
                    "ip",
                    &["link", "delete", &entry.file_name().to_string_lossy()],
                )
                .await?;
            }
        }
        run("ip", &["link", "delete", &self.bridge]).await.map(drop)
    }

    /// Deletes the rules that bear this network's name and the chains that they jump to.
    async fn remove_rules(&self, tool: &str) -> Result<(), NetworkError> {
        let Ok(saved) = run(&format!("{tool}-save"), &["-t", "nat"]).await else {
            // No such tool, no such rules.
            return Ok(());
        };
        let plan = removal_plan(&saved, &self.name);
        for arguments in plan {
            let arguments: Vec<&str> = ["-w", "-t", "nat"]
                .into_iter()
                .chain(arguments.iter().map(String::as_str))
                .collect();
            run(tool, &arguments).await?;
        }
        Ok(())
    }
}

/// Splits one line of `iptables-save` into arguments, quotes undone.
fn split_rule(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut any = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => word.extend(chars.next()),
            '"' => {
                quoted = !quoted;
                any = true;
            }
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The `iptables -t nat` calls that undo the plugins' rules of `network`.
///
/// The bridge plugin makes a chain `CNI-<hash>` per container, the portmap plugin `CNI-DN-<hash>`;
/// the rules that jump there carry a comment with the network's name. portmap's three shared
/// chains go when no container of any network is left in them.
fn removal_plan(saved: &str, network: &str) -> Vec<Vec<String>> {
    let rules: Vec<Vec<String>> = saved
        .lines()
        .filter(|l| l.starts_with("-A "))
        .map(split_rule)
        .collect();
    let target = |rule: &[String]| {
        rule.iter()
            .position(|w| w == "-j")
            .and_then(|i| rule.get(i + 1))
            .cloned()
    };
    let named = format!("\"{network}\"");
    let ours = |rule: &[String]| rule.iter().any(|w| w.contains(&named));
    let mut plan = Vec::new();
    let mut chains = Vec::new();
    let mut dnat_left = false;
    for rule in &rules {
        let Some(chain) = rule.get(1) else { continue };
        if ours(rule) && !chains.contains(chain) {
            let mut delete = rule.clone();
            if let Some(first) = delete.first_mut() {
                "-D".clone_into(first);
            }
            plan.push(delete);
            if let Some(jump) = target(rule)
                && jump.starts_with("CNI-")
                && !jump.starts_with("CNI-HOSTPORT")
                && !chains.contains(&jump)
            {
                chains.push(jump);
            }
        } else if chain == "CNI-HOSTPORT-DNAT" {
            dnat_left = true;
        }
    }
    for verb in ["-F", "-X"] {
        plan.extend(chains.iter().map(|c| vec![verb.to_owned(), c.clone()]));
    }
    let shared: Vec<&str> = [
        "CNI-HOSTPORT-DNAT",
        "CNI-HOSTPORT-MASQ",
        "CNI-HOSTPORT-SETMARK",
    ]
    .into_iter()
    .filter(|c| saved.contains(&format!(":{c} ")))
    .collect();
    if !dnat_left && !shared.is_empty() {
        for rule in &rules {
            let outside = rule.get(1).is_some_and(|c| !c.starts_with("CNI-"));
            if outside && target(rule).is_some_and(|t| shared.contains(&t.as_str())) {
                let mut delete = rule.clone();
                if let Some(first) = delete.first_mut() {
                    "-D".clone_into(first);
                }
                plan.push(delete);
            }
        }
        for verb in ["-F", "-X"] {
            plan.extend(
                shared
                    .iter()
                    .map(|c| vec![verb.to_owned(), (*c).to_owned()]),
            );
        }
    }
    plan
}

async fn run(program: &str, arguments: &[&str]) -> Result<String, NetworkError> {
    let command = || {
        std::iter::once(program)
            .chain(arguments.iter().copied())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| NetworkError::Command {
            command: command(),
            message: e.to_string(),
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(NetworkError::Command {
            command: command(),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    const SAVED: &str = r#"*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:CNI-aaa - [0:0]
:CNI-bbb - [0:0]
:CNI-DN-aaa - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -s 10.1.0.2/32 -m comment --comment "name: \"daas-1\" id: \"x\"" -j CNI-aaa
-A POSTROUTING -s 10.2.0.2/32 -m comment --comment "name: \"other\" id: \"y\"" -j CNI-bbb
-A CNI-aaa -d 10.1.0.0/24 -m comment --comment "name: \"daas-1\" id: \"x\"" -j ACCEPT
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"daas-1\" id: \"x\"" -j CNI-DN-aaa
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
COMMIT
"#;

    #[test]
    fn only_rules_of_the_network_go() {
        let plan: Vec<String> = removal_plan(SAVED, "daas-1")
            .into_iter()
            .map(|p| p.join(" "))
            .collect();
        assert!(plan.contains(&"-D POSTROUTING -s 10.1.0.2/32 -m comment --comment name: \"daas-1\" id: \"x\" -j CNI-aaa".to_owned()));
        assert!(
            plan.contains(&"-X CNI-aaa".to_owned()) && plan.contains(&"-X CNI-DN-aaa".to_owned())
        );
        assert!(
            plan.contains(&"-X CNI-HOSTPORT-DNAT".to_owned()),
            "the last container takes the shared chains along"
        );
        assert!(
            !plan
                .iter()
                .any(|p| p.contains("other") || p.contains("CNI-bbb"))
        );
    }

    #[test]
    fn shared_chains_stay_for_another_network() {
        let plan = removal_plan(
            &SAVED.replace("dnat name: \\\"daas-1", "dnat name: \\\"other"),
            "daas-1",
        );
        assert!(
            !plan
                .iter()
                .any(|p| p.iter().any(|w| w.contains("HOSTPORT"))),
            "{plan:?}"
        );
    }

    #[test]
    fn names_fit_an_interface_and_differ_by_directory() {
        let (a, b) = (
            PodNetwork::new(Path::new("/a"), Path::new("/a/cni"), Path::new("/")),
            PodNetwork::new(Path::new("/b"), Path::new("/b/cni"), Path::new("/")),
        );
        assert!(a.bridge().len() <= 15);
        assert_ne!(a.bridge(), b.bridge());
    }
}
