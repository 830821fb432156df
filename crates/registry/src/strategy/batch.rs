//! Jobs and CronJobs.
//!
//! upstream: pkg/registry/batch/{job,cronjob}/strategy.go, pkg/apis/batch/{v1/defaults,validation/validation}.go

mod schedule;

use machinery::ObjectExt;
use machinery::equality::semantic_opt;
use machinery::field::{Error, ErrorList, Path};
use machinery::labels::from_label_selector;
use serde_json::{Map, Value, json};

use super::{
    DefaultGarbageCollection, Strategy, StrategyContext, checks, defaults, pod_validation,
};
use crate::value::{Read, Write};

const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
const NAME_LABEL: &str = "batch.kubernetes.io/job-name";

/// Jobs.
#[derive(Debug)]
pub(crate) struct Job;

/// Labels of a job that has none are its template's.
fn default_labels(job: &mut Value) {
    let labels = job
        .at(&["spec", "template", "metadata", "labels"])
        .filter(|l| l.as_object().is_some_and(|m| !m.is_empty()));
    if let Some(labels) = labels.cloned()
        && job.labels().is_none_or(Map::is_empty)
    {
        job.set_at(&["metadata", "labels"], labels);
    }
}

/// upstream: v1/defaults.go#SetDefaults_Job
fn default_spec(spec: &mut Value) {
    if !spec.has("completions") && !spec.has("parallelism") {
        spec.put("completions", 1);
        spec.put("parallelism", 1);
    }
    spec.default_to("parallelism", 1);
    let per_index = spec.has("backoffLimitPerIndex");
    spec.default_to(
        "backoffLimit",
        if per_index { i64::from(i32::MAX) } else { 6 },
    );
    spec.default_to("completionMode", "NonIndexed");
    spec.default_to("suspend", false);
    let policy = if spec.has("podFailurePolicy") {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    spec.default_to("podReplacementPolicy", policy);
    spec.default_to("manualSelector", false);
    defaults::template(spec);
}

impl Strategy for Job {
    fn default(&self, job: &mut Value) {
        if let Some(spec) = job.ensure_object("spec") {
            default_spec(spec);
        }
        default_labels(job);
        job.default_to("status", json!({}));
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    /// upstream: strategy.go#generateSelector
    fn prepare_for_create(&self, _context: &StrategyContext<'_>, job: &mut Value) {
        job.put("status", json!({}));
        if job.at(&["spec", "manualSelector"]).and_then(Value::as_bool) == Some(true) {
            return;
        }
        let (name, uid) = (job.name().to_owned(), job.uid().to_owned());
        for (key, value) in [
            (UID_LABEL, &uid),
            (NAME_LABEL, &name),
            ("controller-uid", &uid),
            ("job-name", &name),
        ] {
            let absent = job
                .at(&["spec", "template", "metadata", "labels", key])
                .is_none();
            if absent || key.ends_with("uid") {
                job.set_at(
                    &["spec", "template", "metadata", "labels", key],
                    value.as_str().into(),
                );
            }
        }
        job.set_at(&["spec", "selector", "matchLabels", UID_LABEL], uid.into());
        default_labels(job);
    }

    fn validate(&self, _context: &StrategyContext<'_>, job: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = job.field("spec").unwrap_or(&Value::Null);
        generated_selector(job, &mut errors);
        job_spec(spec, &path, &mut errors);
        match spec.member("selector").filter(|s| !s.is_null()) {
            None => errors.push(Error::required(&path.child("selector"), "")),
            Some(selector) => {
                errors.extend(machinery::labels::validate_label_selector(
                    Some(selector),
                    false,
                    &path.child("selector"),
                ));
            }
        }
        if let Ok(selector) = from_label_selector(spec.member("selector")) {
            let template = spec.member("template").cloned().unwrap_or_default();
            if !selector.matches_object(&template) {
                let labels = template
                    .at(&["metadata", "labels"])
                    .cloned()
                    .unwrap_or_default();
                let path = path.child("template").child("metadata").child("labels");
                errors.push(Error::invalid(
                    &path,
                    labels,
                    "`selector` does not match template `labels`",
                ));
            }
        }
        errors
    }

    /// upstream: #ValidateJobSpecUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        job: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, job);
        let path = Path::new("spec");
        let empty = json!({});
        let (spec, was) = (
            job.field("spec").unwrap_or(&empty),
            old.field("spec").unwrap_or(&empty),
        );
        let indexed = spec.text("completionMode") == "Indexed";
        let scaled = indexed && spec.member("completions") == spec.member("parallelism");
        if !scaled {
            checks::immutable(
                &mut errors,
                &path.child("completions"),
                spec.member("completions"),
                was.member("completions"),
            );
        }
        let suspended =
            was.flag("suspend") && old.at(&["status", "startTime"]).is_none_or(Value::is_null);
        if !suspended {
            checks::immutable(
                &mut errors,
                &path.child("template"),
                spec.member("template"),
                was.member("template"),
            );
        }
        for name in [
            "selector",
            "completionMode",
            "podFailurePolicy",
            "backoffLimitPerIndex",
            "managedBy",
            "successPolicy",
        ] {
            checks::immutable(
                &mut errors,
                &path.child(name),
                spec.member(name),
                was.member(name),
            );
        }
        errors
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        job: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let status = job.field("status").unwrap_or(&Value::Null);
        for name in ["active", "succeeded", "failed", "ready", "terminating"] {
            checks::non_negative(&mut errors, status, name, &Path::new("status"));
        }
        errors
    }

    /// upstream: strategy.go#jobStrategy.DefaultGarbageCollectionPolicy: of batch/v1 requests, orphan
    fn default_garbage_collection(&self) -> DefaultGarbageCollection {
        DefaultGarbageCollection::Orphan
    }
}

/// upstream: validation.go#validateGeneratedSelector
fn generated_selector(job: &Value, errors: &mut ErrorList) {
    if job.at(&["spec", "manualSelector"]).and_then(Value::as_bool) == Some(true) {
        return;
    }
    let Some(selector) = job.at(&["spec", "selector"]) else {
        return;
    };
    let want = json!({UID_LABEL: job.uid()});
    let legacy = json!({"controller-uid": job.uid()});
    let labels = selector.member("matchLabels");
    let generated = selector.list("matchExpressions").is_empty()
        && (labels == Some(&want) || labels == Some(&legacy));
    if !generated {
        errors.push(Error::invalid(
            &Path::new("spec").child("selector"),
            selector.clone(),
            "`selector` not auto-generated",
        ));
    }
}

/// upstream: validation.go#validateJobSpec
fn job_spec(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for name in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        checks::non_negative(errors, spec, name, path);
    }
    let mode = spec.text("completionMode");
    if !mode.is_empty() {
        let at = path.child("completionMode");
        if !["NonIndexed", "Indexed"].contains(&mode) {
            errors.push(Error::not_supported(&at, mode, &["Indexed", "NonIndexed"]));
        }
        if mode == "Indexed" && !spec.has("completions") {
            errors.push(Error::required(
                &path.child("completions"),
                format!("when completion mode is {mode}"),
            ));
        }
    }
    if spec.has("backoffLimitPerIndex") && mode != "Indexed" {
        errors.push(Error::invalid(
            &path.child("backoffLimitPerIndex"),
            spec.int("backoffLimitPerIndex").unwrap_or_default(),
            "requires indexed completion mode",
        ));
    }
    let template = path.child("template");
    if let Some(owner) = spec.member("template") {
        pod_validation::template_spec(owner, &template, errors);
    } else {
        pod_validation::template_spec(&json!({}), &template, errors);
    }
    let policy = spec
        .member("template")
        .map(|t| t.text_at(&["spec", "restartPolicy"]))
        .unwrap_or_default();
    let at = template.child("spec").child("restartPolicy");
    match policy {
        "Always" | "" => errors.push(Error::required(
            &at,
            "valid values: \"OnFailure\", \"Never\"",
        )),
        "OnFailure" | "Never" => {
            if policy == "OnFailure" && spec.has("podFailurePolicy") {
                let text = "only \"Never\" is supported when podFailurePolicy is specified";
                errors.push(Error::invalid(&at, policy, text));
            }
        }
        other => errors.push(Error::not_supported(&at, other, &["OnFailure", "Never"])),
    }
}

/// CronJobs.
#[derive(Debug)]
pub(crate) struct CronJob;

impl Strategy for CronJob {
    fn default(&self, cron: &mut Value) {
        let Some(spec) = cron.ensure_object("spec") else {
            return;
        };
        spec.default_text("concurrencyPolicy", "Allow");
        spec.default_to("suspend", false);
        spec.default_to("successfulJobsHistoryLimit", 3);
        spec.default_to("failedJobsHistoryLimit", 1);
        if let Some(job) = spec.ensure_object("jobTemplate")
            && let Some(spec) = job.ensure_object("spec")
        {
            defaults::template(spec);
        }
        cron.default_to("status", json!({}));
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    /// upstream: validation.go#ValidateCronJobSpec
    fn validate(&self, _context: &StrategyContext<'_>, cron: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = cron.field("spec").unwrap_or(&Value::Null);
        if cron.name().len() > 52 {
            errors.push(Error::invalid(
                &Path::new("metadata").child("name"),
                cron.name(),
                "must be no more than 52 characters",
            ));
        }
        let text = spec.text("schedule");
        let at = path.child("schedule");
        if text.is_empty() {
            errors.push(Error::required(&at, ""));
        } else if text.contains("TZ") {
            errors.push(Error::invalid(
                &at,
                text,
                "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            ));
        } else if let Err(why) = schedule::check(text) {
            errors.push(Error::invalid(&at, text, why));
        }
        checks::non_negative(&mut errors, spec, "startingDeadlineSeconds", &path);
        if let Some(zone) = spec.member("timeZone").and_then(Value::as_str) {
            let at = path.child("timeZone");
            if zone.is_empty() {
                errors.push(Error::invalid(
                    &at,
                    zone,
                    "timeZone must be nil or non-empty string",
                ));
            } else if zone.eq_ignore_ascii_case("Local") {
                errors.push(Error::invalid(&at, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"));
            } else if jiff::tz::TimeZone::get(zone).is_err() {
                errors.push(Error::invalid(
                    &at,
                    zone,
                    format!("unknown time zone {zone}"),
                ));
            }
        }
        let policy = spec.text("concurrencyPolicy");
        checks::one_of(
            &mut errors,
            &path.child("concurrencyPolicy"),
            policy,
            &["Allow", "Forbid", "Replace"],
        );
        let job = path.child("jobTemplate").child("spec");
        job_spec(
            spec.member("jobTemplate")
                .and_then(|j| j.field("spec"))
                .unwrap_or(&Value::Null),
            &job,
            &mut errors,
        );
        for name in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            checks::non_negative(&mut errors, spec, name, &path);
        }
        errors
    }

    fn bumps_generation(&self, cron: &Value, old: &Value) -> bool {
        !semantic_opt(cron.field("spec"), old.field("spec"))
    }
}
