//! Whole runs without the addon: from the turn in the queue to the page, with real processes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::runs::{At, Ground, Watcher};
use common::{kill_parent_of, state_of, wait_until};
use owox_connector_runner::cancellation::StopReason;
use owox_connector_runner::error::Code;
use owox_connector_runner::observer::{Observer, Phase};
use owox_connector_runner::options::Options;
use owox_connector_runner::process::{Reserved, StdioSpec};
use owox_connector_runner::run::{FailedRun, Failure, Outcome, Status};
use owox_connector_runner::service::{
    DirectoryRequest, Service, Which, clean_up, create_directory, execute_directory,
};
use serde_json::json;

const ALL: [Phase; 5] = [Phase::Queue, Phase::Environment, Phase::Spawn, Phase::Execution, Phase::Cleanup];

const SECRET: &str = "s3cret-Zq81";

fn code(outcome: &Outcome) -> Option<Code> {
    match &outcome.failure {
        Some(Failure::Ours(error)) => Some(error.code),
        Some(Failure::Thrown) => panic!("nobody throws here"),
        None => None,
    }
}

fn failed(outcome: &Outcome) -> &FailedRun {
    outcome.failed.as_ref().expect("what is known of the run that failed")
}

async fn run<O: Observer>(ground: &Ground, source: &str, options: &Options, observer: &O) -> Outcome {
    let request = ground.request(source, &json!({ "Token": { "value": SECRET } }));
    Service::default().run(request, options, &ground.host(), observer).await
}

#[tokio::test]
async fn a_run_goes_through_its_phases_and_leaves_nothing() {
    let ground = Ground::new();
    let watcher = Watcher::default();
    let outcome = run(&ground, "Ok", &ground.options(), &watcher).await;
    assert_eq!(code(&outcome), None, "{outcome:?}");
    let report = outcome.report.as_ref().unwrap();
    assert_eq!((report.status, report.exit_code, report.pid), (Status::Success, Some(0), watcher.pid()));
    assert_eq!(report.environment.as_ref().map(|environment| environment.cached), Some(false));
    assert_eq!((watcher.phases(), watcher.output()), (ALL.to_vec(), "done\n".into()));
    assert_eq!((outcome.failed, ground.folders()), (None, 0));
}

#[tokio::test]
async fn turns_come_one_after_the_other_and_the_time_limit_does_not_count_in_the_queue() {
    let ground = Ground::shared();
    let (host, options) = (ground.host(), ground.options());
    let service = Service::new(Some(1));
    let order = Arc::new(Mutex::new(Vec::new()));
    let told = |name: &'static str| {
        let order = order.clone();
        Watcher::at(At::Phase(Phase::Environment), move |_| order.lock().unwrap().push(name))
    };
    let [first, second, third] = ["first", "second", "third"].map(|id| service.admit(id));
    let (held, queued, last) = (told("first"), told("second"), told("third"));
    // its time would be over before it begins
    let short = Options { limits: limits(Duration::from_millis(1)), ..options.clone() };
    let ask = |source| ground.request(source, &json!({}));
    // they begin in another order than they were called for
    let (third, second, first) = tokio::join!(
        third.run(ask("Ok"), &options, &host, &last),
        second.run(ask("Waits"), &short, &host, &queued),
        first.run(ask("Ok"), &options, &host, &held),
    );
    assert_eq!((code(&first), code(&third)), (None, None), "{first:?} {third:?}");
    assert_eq!(code(&second), Some(Code::Timeout), "{second:?}");
    assert!(failed(&second).phase > Some(Phase::Queue), "{second:?}");
    assert_eq!(*order.lock().unwrap(), ["first", "second", "third"]);
}

fn limits(timeout: Duration) -> owox_connector_runner::options::Limits {
    owox_connector_runner::options::Limits { timeout: Some(timeout), ..Options::default().limits }
}

#[tokio::test]
async fn a_run_is_stopped_in_each_phase_and_says_in_which() {
    let ground = Ground::shared();
    run(&ground, "Ok", &ground.options(), &()).await; // what is installed later is what is tested
    let timeout = StopReason::Timeout(Duration::from_secs(1));
    for (reason, expected, status) in
        [(StopReason::Cancelled, Code::Aborted, Status::Cancelled), (timeout, Code::Timeout, Status::Timeout)]
    {
        for (at, source, phase) in [
            (At::Phase(Phase::Queue), "Ok", Phase::Queue),
            (At::Phase(Phase::Environment), "Ok", Phase::Environment),
            // the process is there by then, and is ended
            (At::Phase(Phase::Spawn), "Waits", Phase::Execution),
            (At::Output, "Waits", Phase::Execution),
        ] {
            let admitted = Service::default().admit("run");
            let watcher = Watcher::stopping(at, admitted.cancellation(), reason);
            let request = ground.request(source, &json!({}));
            let outcome = admitted.run(request, &ground.options(), &ground.host(), &watcher).await;
            assert_eq!(code(&outcome), Some(expected), "{phase:?} {outcome:?}");
            assert_eq!((failed(&outcome).phase, failed(&outcome).status), (Some(phase), status));
            assert_eq!(outcome.report.is_some(), phase == Phase::Execution, "{phase:?}");
            assert!(watcher.pid() == 0 || state_of(watcher.pid()).is_none(), "{phase:?}");
        }
        // its work was done before
        let admitted = Service::default().admit("run");
        let watcher = Watcher::stopping(At::Phase(Phase::Cleanup), admitted.cancellation(), reason);
        let request = ground.request("Ok", &json!({}));
        let outcome = admitted.run(request, &ground.options(), &ground.host(), &watcher).await;
        assert_eq!((code(&outcome), outcome.failed), (None, None));
    }
}

#[tokio::test]
async fn the_time_limit_ends_an_installation_and_a_connector() {
    // whoever is told of the installation does not come back before the time is over
    let ground = Ground::new();
    let options = Options { limits: limits(Duration::from_millis(1)), ..ground.options() };
    let admitted = Service::default().admit("run");
    let watcher = Watcher::holding(At::Installing, admitted.cancellation());
    let outcome = admitted.run(ground.request("Ok", &json!({})), &options, &ground.host(), &watcher).await;
    assert_eq!((code(&outcome), failed(&outcome).phase), (Some(Code::Timeout), Some(Phase::Environment)));
    assert_eq!((watcher.pid(), ground.folders()), (0, 0));

    let admitted = Service::default().admit("run");
    let options = Options { limits: limits(Duration::from_millis(1)), ..ground.options() };
    let request = DirectoryRequest {
        directory: ready_directory(&ground, "Waits").await,
        variables: ground.request("Waits", &json!({})).variables,
        stdio: Reserved::new(&StdioSpec::Capture, false).unwrap(),
        report: None,
    };
    // nor is the process started before
    let watcher = Watcher::holding(At::Phase(Phase::Execution), admitted.cancellation());
    let cancellation = admitted.cancellation();
    let outcome = execute_directory(request, &options, &ground.host(), cancellation, &watcher).await;
    assert_eq!(code(&outcome), Some(Code::Timeout), "{outcome:?}");
    assert_eq!(outcome.report.as_ref().map(|report| report.status), Some(Status::Timeout));
}

/// A directory that is made and filled.
async fn ready_directory(ground: &Ground, source: &str) -> std::path::PathBuf {
    let cancellation = owox_connector_runner::cancellation::Cancellation::default();
    let ids = ("mart", source);
    create_directory(ids, &[], &ground.options(), &ground.host(), &cancellation, &()).await.unwrap()
}

#[tokio::test]
async fn a_directory_is_made_run_and_cleaned_up() {
    let ground = Ground::shared();
    let (host, options) = (ground.host(), ground.options());
    let directory = ready_directory(&ground, "Says").await;
    let request = DirectoryRequest {
        directory: directory.clone(),
        variables: ground.request("Says", &json!({ "Token": { "value": SECRET } })).variables,
        stdio: Reserved::new(&StdioSpec::Capture, false).unwrap(),
        report: Some(ground.path("directory.html")),
    };
    let watcher = Watcher::default();
    let cancellation = owox_connector_runner::cancellation::Cancellation::default();
    let outcome = execute_directory(request, &options, &host, &cancellation, &watcher).await;
    assert_eq!(code(&outcome), None, "{outcome:?}");
    assert!(watcher.output().contains("it is"), "{}", watcher.output());
    assert!(!watcher.output().contains(SECRET) && !format!("{outcome:?}").contains(SECRET));
    assert!(fs::read_to_string(outcome.page.unwrap()).unwrap().contains("mart"));
    assert!(directory.exists());
    clean_up(Which::Ids("mart".into(), "Says".into()), options, host).await.unwrap();
    assert!(!directory.exists());
}

#[tokio::test]
async fn no_secret_reaches_output_outcome_or_page() {
    let ground = Ground::shared();
    for source in ["Says", "Fails"] {
        let watcher = Watcher::default();
        let mut request = ground.request(source, &json!({ "Token": { "value": SECRET } }));
        let page = ground.path(&format!("{source}.html"));
        request.report = Some(page.clone());
        let outcome = Service::default().run(request, &ground.options(), &ground.host(), &watcher).await;
        let page = fs::read_to_string(page).unwrap();
        let said = format!("{}{outcome:?}{page}", watcher.output());
        assert!(!said.contains(SECRET), "{said}");
        let expected = if source == "Says" { "it is" } else { "refused: " };
        assert!(watcher.output().contains(expected) && page.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn the_page_is_written_however_a_run_ends() {
    let ground = Ground::shared();
    let path = ground.path("page.html");
    for (source, expected) in
        [("Ok", None), ("Fails", Some(Code::ConnectorFailed)), ("Missing", Some(Code::InvalidConfig))]
    {
        fs::write(&path, "of an earlier run").unwrap();
        let mut request = ground.request(source, &json!({ "Token": { "value": SECRET } }));
        request.report = Some(path.clone());
        let outcome = Service::default().run(request, &ground.options(), &ground.host(), &()).await;
        assert_eq!(code(&outcome), expected, "{outcome:?}");
        assert_eq!(outcome.page.as_deref(), path.to_str());
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.contains("<html") && !page.contains("of an earlier run"));
        if let Some(code) = expected {
            assert!(page.contains(code.as_str()) && failed(&outcome).page.as_deref() == path.to_str());
        }
    }
    // where none can be written the run does not begin
    let watcher = Watcher::default();
    let mut request = ground.request("Ok", &json!({}));
    request.report = Some(ground.path("package"));
    let outcome = Service::default().run(request, &ground.options(), &ground.host(), &watcher).await;
    assert_eq!((code(&outcome), watcher.phases()), (Some(Code::InvalidConfig), Vec::new()));
}

#[tokio::test]
async fn a_configuration_grants_the_folder_that_it_names_and_no_other() {
    let ground = Ground::shared();
    // not below the folders that every run may write
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let other = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let given = json!({
        "File": { "value": data.path().join("db") }, "Other": { "value": other.path().join("db") },
    });
    let watcher = Watcher::default();
    let request = ground.request("Writes", &given);
    let outcome = Service::default().run(request, &ground.options(), &ground.host(), &watcher).await;
    assert_eq!(code(&outcome), None, "{outcome:?}");
    let layers = outcome.report.unwrap().isolation.layers;
    let files = layers.iter().find(|layer| layer.name == "files").unwrap();
    let refused = if files.enforced == "none" { "Other was written" } else { "Other: EACCES" };
    assert_eq!(watcher.output(), format!("File was written\n{refused}\n"), "{files:?}");
    assert!(data.path().join("db").exists());
}

#[tokio::test]
async fn a_helper_that_is_lost_fails_the_run_and_takes_its_processes_along() {
    let ground = Ground::shared();
    let watcher = Watcher::at(At::Output, kill_parent_of);
    let outcome = run(&ground, "Waits", &ground.options(), &watcher).await;
    assert_eq!(failed(&outcome).phase, Some(Phase::Execution), "{outcome:?}");
    assert_eq!(failed(&outcome).status, Status::Failed);
    assert!(code(&outcome).is_some() && outcome.report.is_some());
    wait_until("the end of the connector", || state_of(watcher.pid()).is_none());
}
