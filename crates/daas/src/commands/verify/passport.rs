//! What a passport says, and how it is judged.

use std::time::SystemTime;

use attested::Connection;
use chain::objects::{Anchor, Cluster, Docket, Enclave, StakingPool, TeeKind};
use chain::{Client, Deployment};
use nautilus::wire::{INSTANCE, Instance};
use serde::Serialize;
use zeroize::Zeroizing;

/// The judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Everything holds, on hardware.
    Trusted,
    /// Everything holds, but a TEE is simulated.
    Simulated,
    /// Something does not hold.
    Refused,
}

/// A cluster's passport.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Passport {
    pub(crate) verdict: Verdict,
    /// Why it is refused, one line each.
    pub(crate) problems: Vec<String>,
    /// What a reader should know all the same.
    pub(crate) notes: Vec<String>,
    pub(crate) cluster: String,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) measurements: Vec<Listed>,
    pub(crate) instances: Vec<Shown>,
    /// What the chain knows of the state.
    pub(crate) anchor: Option<ShownAnchor>,
    pub(crate) stake: Stake,
    pub(crate) slashes: Slashes,
}

/// A measurement on the allow-list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) kind: &'static str,
    pub(crate) measurement: String,
    /// The source that it was built from.
    pub(crate) source: String,
    pub(crate) status: &'static str,
}

/// An instance of the control plane.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    pub(crate) endpoint: String,
    /// Why it was not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<Certificate>,
    /// The instance's own word, over the verified connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<Instance>,
}

/// What the evidence proves.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evidence {
    pub(crate) tee: String,
    pub(crate) hardware_rooted: bool,
    pub(crate) measurement: String,
    /// The source commit that the chain names for it.
    pub(crate) source: String,
    /// The object of the instance's signing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enclave: Option<String>,
}

/// The serving certificate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    pub(crate) tls_key_hash: String,
    pub(crate) names: Vec<String>,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
}

/// The anchor on the chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownAnchor {
    pub(crate) revision: u64,
    pub(crate) root: String,
    pub(crate) key_epoch: u64,
    pub(crate) term: u64,
    pub(crate) anchors: u64,
    pub(crate) age_seconds: u64,
}

/// The stake behind the cluster's chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stake {
    pub(crate) active_mist: u64,
    pub(crate) unbonding_mist: u64,
    pub(crate) stakes_ever: u64,
}

/// What was taken from it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Slashes {
    pub(crate) slashed_mist: u64,
    /// Cases that were ever opened.
    pub(crate) cases: u64,
}

/// What is judged against.
struct Facts<'a> {
    chain: &'a Client,
    deployment: &'a Deployment,
    cluster: &'a Cluster,
    anchor: Option<&'a Anchor>,
    now: SystemTime,
}

impl Passport {
    /// Reads the chain and asks the endpoints.
    ///
    /// # Errors
    /// When the chain can't be read: then nothing can be judged. An endpoint that fails is a verdict.
    pub(crate) async fn gather(
        chain: &Client,
        deployment: &Deployment,
        endpoints: &[String],
        max_anchor_age: u64,
    ) -> anyhow::Result<Self> {
        let id = deployment.cluster()?;
        let cluster = chain.cluster(deployment, id).await?;
        let pool: StakingPool = chain.pool(deployment).await?;
        let cases = match deployment.docket() {
            Ok(docket) => {
                let docket = chain.object::<Docket>(deployment, docket).await?.value;
                docket.cases_opened
            }
            Err(_) => 0,
        };
        let anchor = match deployment.anchors {
            Some(_) => chain.latest_anchor(deployment, id).await?,
            None => None,
        };
        let now = SystemTime::now();
        let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond())?;
        let facts = Facts {
            chain,
            deployment,
            cluster: &cluster,
            anchor: anchor.as_ref(),
            now,
        };
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        let mut instances = Vec::new();
        for endpoint in endpoints {
            let shown = facts.instance(endpoint, &mut problems, &mut notes).await;
            instances.push(shown);
        }
        if instances.is_empty() {
            problems.push("no instance of this cluster is registered on the chain".to_owned());
        }
        let shown_anchor = anchor.as_ref().map(|anchor| ShownAnchor {
            revision: anchor.revision,
            root: hex::encode(&anchor.root),
            key_epoch: anchor.epoch,
            term: anchor.term,
            anchors: anchor.sequence.saturating_add(1),
            age_seconds: now_ms.saturating_sub(anchor.anchored_at_ms) / 1000,
        });
        judge_anchor(
            shown_anchor.as_ref(),
            &instances,
            max_anchor_age,
            &mut problems,
            &mut notes,
        );
        let simulated = instances
            .iter()
            .filter_map(|shown| shown.evidence.as_ref())
            .any(|evidence| !evidence.hardware_rooted);
        if simulated {
            notes.push(
                "the TEE is SIMULATED: its evidence proves nothing, and it is for development only"
                    .to_owned(),
            );
        }
        Ok(Self {
            verdict: match (problems.is_empty(), simulated) {
                (false, _) => Verdict::Refused,
                (true, true) => Verdict::Simulated,
                (true, false) => Verdict::Trusted,
            },
            problems,
            notes,
            cluster: id.to_string(),
            name: cluster.name.clone(),
            status: cluster.status.as_str().to_owned(),
            measurements: cluster
                .measurements
                .iter()
                .map(|m| Listed {
                    kind: m.kind.as_str(),
                    measurement: hex::encode(&m.bytes),
                    source: m.source.clone(),
                    status: match (m.retired, m.is_active(now_ms)) {
                        (true, _) => "retired",
                        (false, true) => "approved",
                        (false, false) => "proposed",
                    },
                })
                .collect(),
            instances,
            anchor: shown_anchor,
            stake: Stake {
                active_mist: pool.total_active,
                unbonding_mist: pool.total_unbonding,
                stakes_ever: pool.stakes_created,
            },
            slashes: Slashes {
                slashed_mist: pool.total_slashed,
                cases,
            },
        })
    }
}

/// The anchor as such, and against the time that is asked for.
fn judge_anchor(
    anchor: Option<&ShownAnchor>,
    instances: &[Shown],
    max_age: u64,
    problems: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    let Some(anchor) = anchor else {
        problems.push("the state was never anchored: a rollback would not be noticed".to_owned());
        return;
    };
    let exposed = instances.iter().filter_map(|shown| shown.instance.as_ref());
    let exposed = exposed.map(|instance| instance.exposed_seconds).max();
    // What has not changed since needs no newer anchor.
    if anchor.age_seconds > max_age && exposed.is_none_or(|exposed| exposed > max_age) {
        problems.push(format!(
            "the newest anchor is {} s old, more than {max_age} s: what was written since is exposed to a rollback",
            anchor.age_seconds
        ));
    }
    for instance in instances.iter().filter_map(|shown| shown.instance.as_ref()) {
        if instance.exposed_revisions > 0 {
            notes.push(format!(
                "{} revisions of the last {} s are not anchored yet",
                instance.exposed_revisions, instance.exposed_seconds
            ));
        }
    }
}

impl Facts<'_> {
    async fn instance(
        &self,
        endpoint: &str,
        problems: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> Shown {
        let mut shown = Shown {
            endpoint: endpoint.to_owned(),
            ..Shown::default()
        };
        if let Err(error) = self.verify(endpoint, &mut shown, problems, notes).await {
            let why = one_line(&error);
            problems.push(format!("{endpoint}: {why}"));
            shown.failed = Some(why);
        }
        shown
    }

    async fn verify(
        &self,
        endpoint: &str,
        shown: &mut Shown,
        problems: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let expected = nautilus::expectation(self.chain, self.deployment, true).await?;
        let mut connection = Connection::open(endpoint, &expected).await?;
        let claims = connection.claims();
        let kind = TeeKind::from_code(claims.kind.number());
        let measurement = claims.measurement.clone();
        let (tee, hardware_rooted) = (claims.kind.to_string(), claims.hardware_rooted);
        let listed = self
            .cluster
            .active(chain::unix_ms())
            .find(|m| Some(m.kind) == kind && m.bytes == measurement.as_bytes());
        let source = listed.map_or_else(String::new, |listed| listed.source.clone());
        if source.is_empty() {
            notes.push(format!(
                "{endpoint}: the chain names no source for measurement {measurement}"
            ));
        }
        let certificate = certificate(&connection)?;
        let (from, to) = certificate.1;
        if self.now < from || self.now > to {
            problems.push(format!("{endpoint}: its certificate is not valid now"));
        }
        shown.certificate = Some(certificate.0);
        let said: Instance = connection
            .post(INSTANCE, Zeroizing::new(b"{}".to_vec()))
            .await?;
        self.signing_key(endpoint, &said, problems, notes).await?;
        self.state(endpoint, &said, problems);
        shown.evidence = Some(Evidence {
            tee,
            hardware_rooted,
            measurement: measurement.to_string(),
            source,
            enclave: said.enclave.clone(),
        });
        if said.recovery.is_none() {
            notes.push(format!(
                "{endpoint}: there is no recovery plan: a total outage would lose the keys"
            ));
        }
        shown.instance = Some(said);
        Ok(())
    }

    /// The key that signs anchors must be registered with what runs.
    async fn signing_key(
        &self,
        endpoint: &str,
        said: &Instance,
        problems: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let public = hex::decode(&said.signing_key).unwrap_or_default();
        let member = self.cluster.members.iter().find(|m| m.public_key == public);
        let Some(member) = member else {
            notes.push(format!(
                "{endpoint}: its signing key is not registered on the chain (`daas cluster enroll`)"
            ));
            return Ok(());
        };
        let enclave = self
            .chain
            .object::<Enclave>(self.deployment, member.enclave_id)
            .await?
            .value;
        if enclave.revoked || hex::encode(&enclave.measurement) != said.measurement {
            problems.push(format!(
                "{endpoint}: its signing key is revoked, or registered with another measurement"
            ));
        }
        Ok(())
    }

    /// The instance's state must be the anchored one.
    fn state(&self, endpoint: &str, said: &Instance, problems: &mut Vec<String>) {
        let Some(anchor) = self.anchor else { return };
        if said.revision < anchor.revision {
            problems.push(format!(
                "{endpoint}: its state ends at revision {}, before the anchored revision {}",
                said.revision, anchor.revision
            ));
        }
        let same = said.anchored.as_ref().is_some_and(|own| {
            own.sequence > anchor.sequence
                || (own.sequence == anchor.sequence && own.root == hex::encode(&anchor.root))
        });
        // An instance that has just started has not anchored yet: its start was refused unless it extends the anchor.
        let newer = said.anchored.is_none() && said.revision >= anchor.revision;
        let behind = said
            .anchored
            .as_ref()
            .is_some_and(|own| own.sequence < anchor.sequence && own.term == anchor.term);
        if !same && !newer && !behind {
            problems.push(format!(
                "{endpoint}: the newest anchor on the chain (revision {}, term {}) is not this instance's: another one extends the state",
                anchor.revision, anchor.term
            ));
        }
    }
}

/// From when to when.
type Validity = (SystemTime, SystemTime);

fn certificate(connection: &Connection) -> anyhow::Result<(Certificate, Validity)> {
    let parsed = pki::parse_certificate(connection.certificate())?;
    let time = |time: SystemTime| {
        jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| time.to_string())
    };
    Ok((
        Certificate {
            tls_key_hash: hex::encode(connection.tls_key()),
            names: parsed.dns_names.clone(),
            not_before: time(parsed.not_before),
            not_after: time(parsed.not_after),
        },
        (parsed.not_before, parsed.not_after),
    ))
}

fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
