//! `/etc/resolv.conf` and `/etc/hosts` of a pod.
// upstream: pkg/kubelet/network/dns/dns.go#GetPodDNS, pkg/kubelet/kubelet_pods.go#managedHostsFileContent

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;

use super::spec::PodExt;
use crate::cri::v1::DnsConfig;

/// Reads a resolv.conf.
fn parse(text: &str) -> DnsConfig {
    let mut config = DnsConfig::default();
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => config.servers.extend(words.next().map(str::to_owned)),
            Some("search") => config.searches = words.map(str::to_owned).collect(),
            Some("options") => config.options = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    config
}

/// Name resolution of the pod by its dnsPolicy and dnsConfig.
pub(crate) fn config(pod: &Pod, cluster_dns: &[IpAddr], domain: &str, host: &str) -> DnsConfig {
    let spec = pod.spec.as_ref();
    let policy = spec
        .and_then(|s| s.dns_policy.as_deref())
        .unwrap_or("ClusterFirst");
    let host = parse(host);
    let cluster = match policy {
        "ClusterFirst" => !pod.host_network(),
        "ClusterFirstWithHostNet" => true,
        _ => false,
    };
    let mut config = if policy == "None" {
        DnsConfig::default()
    } else if cluster && !cluster_dns.is_empty() {
        let mut searches = vec![
            format!("{}.svc.{domain}", pod.namespace()),
            format!("svc.{domain}"),
            domain.to_owned(),
        ];
        searches.extend(host.searches);
        DnsConfig {
            servers: cluster_dns.iter().map(IpAddr::to_string).collect(),
            searches,
            options: vec!["ndots:5".to_owned()],
        }
    } else {
        host
    };
    if let Some(own) = spec.and_then(|s| s.dns_config.as_ref()) {
        config
            .servers
            .extend(own.nameservers.iter().flatten().cloned());
        config
            .searches
            .extend(own.searches.iter().flatten().cloned());
        for option in own.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            config
                .options
                .retain(|o| o.split(':').next() != Some(name.as_str()));
            config.options.push(match &option.value {
                Some(value) => format!("{name}:{value}"),
                None => name,
            });
        }
    }
    let mut seen = std::collections::HashSet::new();
    config.servers.retain(|s| seen.insert(s.clone()));
    config.servers.truncate(3);
    seen.clear();
    config.searches.retain(|s| seen.insert(s.clone()));
    config.searches.truncate(32);
    config
}

/// Content of `/etc/hosts`.
pub(crate) fn hosts(pod: &Pod, ips: &[String], domain: &str) -> String {
    let mut text = String::from(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    let hostname = pod.hostname();
    let subdomain = pod
        .spec
        .as_ref()
        .and_then(|s| s.subdomain.as_deref())
        .filter(|s| !s.is_empty());
    for ip in ips {
        text.push_str(&match subdomain {
            Some(sub) => format!(
                "{ip}\t{hostname}.{sub}.{}.svc.{domain}\t{hostname}\n",
                pod.namespace()
            ),
            None => format!("{ip}\t{hostname}\n"),
        });
    }
    let aliases = pod
        .spec
        .iter()
        .flat_map(|s| s.host_aliases.iter().flatten());
    let mut first = true;
    for alias in aliases {
        if std::mem::take(&mut first) {
            text.push_str("\n# Entries added by HostAliases.\n");
        }
        let names = alias.hostnames.clone().unwrap_or_default().join("\t");
        text.push_str(&format!("{}\t{names}\n", alias.ip));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policies() {
        let host = "nameserver 9.9.9.9\nsearch corp\noptions timeout:1\n";
        let pod = |spec: serde_json::Value| -> Pod {
            serde_json::from_value(
                json!({"metadata": {"name": "p", "namespace": "n"}, "spec": spec}),
            )
            .unwrap()
        };
        let dns: Vec<IpAddr> = vec!["10.0.0.10".parse().unwrap()];
        let first = config(&pod(json!({"containers": []})), &dns, "cluster.local", host);
        assert_eq!(
            first.searches,
            [
                "n.svc.cluster.local",
                "svc.cluster.local",
                "cluster.local",
                "corp"
            ]
        );
        assert_eq!(first.options, ["ndots:5"]);
        assert_eq!(
            config(
                &pod(json!({"containers": [], "dnsPolicy": "Default"})),
                &dns,
                "c",
                host
            )
            .servers,
            ["9.9.9.9"]
        );
        assert_eq!(
            config(
                &pod(json!({"containers": [], "hostNetwork": true})),
                &dns,
                "c",
                host
            )
            .servers,
            ["9.9.9.9"]
        );
        let none = json!({"containers": [], "dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "options": [{"name": "ndots", "value": "2"}]}});
        let none = config(&pod(none), &dns, "c", host);
        assert_eq!(
            (none.servers, none.options),
            (vec!["1.1.1.1".to_owned()], vec!["ndots:2".to_owned()])
        );
    }
}
