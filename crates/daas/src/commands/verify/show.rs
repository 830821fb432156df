//! A passport for people.

use std::fmt::Write as _;

use super::passport::{Passport, Verdict};
use crate::render;

/// A page of text.
pub(crate) fn text(passport: &Passport) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut page, passport);
    page
}

fn write(page: &mut String, passport: &Passport) -> std::fmt::Result {
    let verdict = match passport.verdict {
        Verdict::Trusted => "✔ everything holds",
        Verdict::Simulated => "⚠ everything holds, but the TEE is simulated: this proves nothing",
        Verdict::Refused => "✘ not to be trusted",
    };
    writeln!(page, "{verdict}\n")?;
    writeln!(
        page,
        "cluster        {} ({}, {})",
        passport.name, passport.cluster, passport.status
    )?;
    for shown in &passport.instances {
        writeln!(page, "instance       {}", shown.endpoint)?;
        if let Some(failed) = &shown.failed {
            writeln!(page, "  failed       {failed}")?;
        }
        if let Some(evidence) = &shown.evidence {
            let root = if evidence.hardware_rooted {
                "rooted in hardware"
            } else {
                "NOT rooted in hardware"
            };
            writeln!(page, "  evidence     {}, {root}", evidence.tee)?;
            writeln!(page, "  measurement  {}", evidence.measurement)?;
            writeln!(page, "  built from   {}", evidence.source)?;
        }
        if let Some(certificate) = &shown.certificate {
            writeln!(
                page,
                "  certificate  until {}, key {}",
                certificate.not_after, certificate.tls_key_hash
            )?;
        }
        if let Some(instance) = &shown.instance {
            writeln!(
                page,
                "  state        revision {}, root {}, key epoch {}",
                instance.revision, instance.root, instance.epoch
            )?;
            writeln!(
                page,
                "  exposed      {} revisions, {} s",
                instance.exposed_revisions, instance.exposed_seconds
            )?;
            if let Some(plan) = instance.recovery {
                writeln!(page, "  recovery     {} of {}", plan.threshold, plan.shares)?;
            }
        }
    }
    if let Some(anchor) = &passport.anchor {
        writeln!(
            page,
            "anchored       revision {}, root {}, {} s ago, term {}, key epoch {}, {} anchors",
            anchor.revision,
            anchor.root,
            anchor.age_seconds,
            anchor.term,
            anchor.key_epoch,
            anchor.anchors
        )?;
    }
    writeln!(
        page,
        "stake          {} active, {} unbonding, {} stakes ever",
        render::sui(passport.stake.active_mist),
        render::sui(passport.stake.unbonding_mist),
        passport.stake.stakes_ever
    )?;
    writeln!(
        page,
        "slashed        {} in {} cases",
        render::sui(passport.slashes.slashed_mist),
        passport.slashes.cases
    )?;
    for listed in &passport.measurements {
        writeln!(
            page,
            "allow-list     {:8} {:9} {} ({})",
            listed.status, listed.kind, listed.measurement, listed.source
        )?;
    }
    for problem in &passport.problems {
        writeln!(page, "problem        {problem}")?;
    }
    for note in &passport.notes {
        writeln!(page, "note           {note}")?;
    }
    Ok(())
}
