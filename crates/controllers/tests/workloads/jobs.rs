use std::time::Duration;

use controllers::Clock;
use registry::DeletionPropagation;
use serde_json::{Value, json};

use crate::harness::{Cluster, at, condition, number};

fn job(name: &str, image: &str, spec: Value) -> Value {
    let mut full = json!({"template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "c", "image": image}]}}});
    for (key, value) in spec.as_object().unwrap() {
        full[key] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": full})
}

async fn ended(cluster: &Cluster, name: &str, how: &str) -> Value {
    cluster
        .until("jobs", "default", name, |j| {
            j.is_some_and(|j| condition(j, how)["status"] == "True")
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn it_runs_to_completion_and_each_pod_counts_once() {
    let cluster = Cluster::start().await;
    let spec = json!({"completions": 7, "parallelism": 3});
    cluster.create("jobs", job("sum", "exit-0", spec)).await;
    let job = ended(&cluster, "sum", "Complete").await;
    assert_eq!(number(&job, "/status/succeeded"), 7);
    assert_eq!(condition(&job, "Complete")["reason"], "CompletionsReached");
    assert_eq!(condition(&job, "SuccessCriteriaMet")["status"], "True");
    assert!(job["status"]["completionTime"].is_string());
    assert!(at(&job, "/status/uncountedTerminatedPods/succeeded").is_null());
    let pods = cluster.list("pods").await;
    assert_eq!(pods.len(), 7, "they stay to be read");
    assert!(pods.iter().all(|p| at(p, "/metadata/finalizers").is_null()));
    cluster.settle().await;
    cluster
        .delete("jobs", "sum", DeletionPropagation::Background)
        .await;
    cluster
        .until_all("pods", |_| true, <[Value]>::is_empty)
        .await;
}

#[tokio::test]
async fn an_indexed_one_runs_each_index_and_other_controllers_go_on() {
    let cluster = Cluster::start().await;
    let spec = json!({"completions": 6, "parallelism": 2, "completionMode": "Indexed"});
    cluster.create("jobs", job("parts", "exit-0", spec)).await;
    cluster
        .until("jobs", "default", "parts", |j| {
            j.is_some_and(|j| number(j, "/status/succeeded") >= 2)
        })
        .await;
    cluster.stop_controllers().await;
    cluster.start_controllers();
    let job = ended(&cluster, "parts", "Complete").await;
    assert_eq!(at(&job, "/status/completedIndexes"), "0-5");
    assert_eq!(number(&job, "/status/succeeded"), 6);
    let pods = cluster.list("pods").await;
    assert_eq!(pods.len(), 6);
    let pod = &pods[0];
    let index = at(
        pod,
        "/metadata/annotations/batch.kubernetes.io~1job-completion-index",
    );
    assert_eq!(
        at(pod, "/spec/hostname"),
        format!("parts-{}", index.as_str().unwrap()).as_str()
    );
    assert!(
        at(pod, "/spec/containers/0/env")
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["name"] == "JOB_COMPLETION_INDEX")
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_with_pauses_up_to_the_limit() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    let start = tokio::time::Instant::now();
    cluster
        .create("jobs", job("sad", "exit-3", json!({"backoffLimit": 2})))
        .await;
    let job = ended(&cluster, "sad", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "BackoffLimitExceeded");
    assert_eq!(number(&job, "/status/failed"), 3);
    // 10 s after the first failure, 20 s after the second.
    let took = start.elapsed();
    assert!(
        (Duration::from_secs(27)..Duration::from_secs(40)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_a_suspension_and_the_time_to_live_are_kept() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    let spec =
        json!({"activeDeadlineSeconds": 30, "ttlSecondsAfterFinished": 100, "suspend": true});
    cluster.create("jobs", job("slow", "runs-on", spec)).await;
    cluster
        .until("jobs", "default", "slow", |j| {
            j.is_some_and(|j| condition(j, "Suspended")["status"] == "True")
        })
        .await;
    assert!(cluster.list("pods").await.is_empty());
    cluster
        .merge("jobs", "slow", json!({"spec": {"suspend": false}}))
        .await;
    cluster.until_all("pods", |_| true, |p| p.len() == 1).await;
    let start = tokio::time::Instant::now();
    let job = ended(&cluster, "slow", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "DeadlineExceeded");
    let took = start.elapsed().as_secs();
    assert!((28..40).contains(&took), "{took}");
    assert!(
        cluster.list("pods").await.is_empty(),
        "what ran was deleted"
    );
    cluster
        .until("jobs", "default", "slow", |j| j.is_none())
        .await;
    let took = start.elapsed().as_secs();
    assert!((125..150).contains(&took), "{took}");
}

#[tokio::test]
async fn a_failure_policy_ends_it_at_once() {
    let cluster = Cluster::start().await;
    let spec = json!({"backoffLimit": 6, "podFailurePolicy": {"rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}}]}});
    cluster.create("jobs", job("picky", "exit-3", spec)).await;
    let job = ended(&cluster, "picky", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "PodFailurePolicy");
    assert_eq!(number(&job, "/status/failed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cron_job_makes_jobs_in_time_and_keeps_few() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    let template = job("x", "exit-0", json!({}))["spec"].take();
    cluster
        .create(
            "cronjobs",
            json!({"metadata": {"name": "tick"}, "spec": {"schedule": "* * * * *",
                "successfulJobsHistoryLimit": 2, "jobTemplate": {"spec": template}}}),
        )
        .await;
    let start = tokio::time::Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 4 {
        let jobs = cluster
            .until_all(
                "jobs",
                |_| true,
                |jobs| {
                    jobs.iter()
                        .any(|j| !seen.contains(&j["metadata"]["name"].to_string()))
                },
            )
            .await;
        seen.extend(jobs.iter().map(|j| j["metadata"]["name"].to_string()));
    }
    let took = start.elapsed().as_secs();
    assert!((180..=245).contains(&took), "{took}");
    cluster
        .until_all(
            "jobs",
            |_| true,
            |jobs| {
                jobs.len() == 2
                    && jobs
                        .iter()
                        .all(|j| condition(j, "Complete")["status"] == "True")
            },
        )
        .await;
    let cron = cluster.get("cronjobs", "tick").await.unwrap();
    assert!(at(&cron, "/status/lastScheduleTime").is_string());
    assert!(at(&cron, "/status/lastSuccessfulTime").is_string());
}

#[tokio::test(start_paused = true)]
async fn a_cron_job_that_forbids_it_runs_one_at_a_time() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    let template = job("x", "runs-on", json!({}))["spec"].take();
    cluster
        .create(
            "cronjobs",
            json!({"metadata": {"name": "one"}, "spec": {"schedule": "* * * * *",
                "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": template}}}),
        )
        .await;
    cluster
        .until_all("jobs", |_| true, |jobs| jobs.len() == 1)
        .await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(cluster.list("jobs").await.len(), 1);
    cluster
        .merge(
            "cronjobs",
            "one",
            json!({"spec": {"concurrencyPolicy": "Replace"}}),
        )
        .await;
    let first = cluster.list("jobs").await[0]["metadata"]["name"].clone();
    cluster
        .until_all(
            "jobs",
            |_| true,
            |jobs| jobs.len() == 1 && jobs[0]["metadata"]["name"] != first,
        )
        .await;
}
