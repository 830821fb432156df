//! Indexes of an indexed Job, and their short form `0-2,5`.
// upstream: pkg/controller/job/indexed_job_utils.go

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodTemplateSpec};

use crate::meta::Meta;

/// The annotation and label of a pod's index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// A pod's index.
pub(super) fn of(pod: &Pod) -> Option<i32> {
    pod.annotation(INDEX)?.parse().ok().filter(|i| *i >= 0)
}

pub(super) fn parse(text: &str) -> BTreeSet<i32> {
    text.split(',')
        .filter_map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some(from.parse::<i32>().ok()?..=to.parse::<i32>().ok()?)
        })
        .flatten()
        .collect()
}

pub(super) fn format(indexes: &BTreeSet<i32>) -> String {
    let mut spans: Vec<(i32, i32)> = Vec::new();
    for index in indexes {
        match spans.last_mut() {
            Some((_, to)) if *to + 1 == *index => *to = *index,
            _ => spans.push((*index, *index)),
        }
    }
    spans
        .into_iter()
        .map(|(from, to)| match to - from {
            0 => from.to_string(),
            1 => format!("{from},{to}"),
            _ => format!("{from}-{to}"),
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// Gives a template's pods their index: annotation, label, variable, host name.
// upstream: #addCompletionIndexAnnotation, #addCompletionIndexEnvVariables
pub(super) fn assign(template: &mut PodTemplateSpec, job: &str, index: i32) {
    let meta = template.metadata.get_or_insert_default();
    let text = index.to_string();
    meta.annotations
        .get_or_insert_default()
        .insert(INDEX.to_owned(), text.clone());
    meta.labels
        .get_or_insert_default()
        .insert(INDEX.to_owned(), text);
    let Some(spec) = &mut template.spec else {
        return;
    };
    spec.hostname = Some(format!("{job}-{index}"));
    let containers = spec.containers.iter_mut();
    for container in containers.chain(spec.init_containers.iter_mut().flatten()) {
        let env = container.env.get_or_insert_default();
        if env.iter().all(|e| e.name != VARIABLE) {
            env.push(EnvVar {
                name: VARIABLE.to_owned(),
                value_from: Some(EnvVarSource {
                    field_ref: Some(ObjectFieldSelector {
                        api_version: None,
                        field_path: format!("metadata.labels['{INDEX}']"),
                    }),
                    ..EnvVarSource::default()
                }),
                value: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_short_form() {
        assert_eq!(format(&parse("0,1,2,4,7,8")), "0-2,4,7,8");
        assert_eq!(format(&parse("")), "");
    }

    proptest! {
        #[test]
        fn it_can_be_read_back(indexes in proptest::collection::btree_set(0..200_i32, 0..60)) {
            prop_assert_eq!(parse(&format(&indexes)), indexes);
        }
    }
}
