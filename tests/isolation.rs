//! Layers of isolation under the real helper, and where the system lacks or refuses one.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::refuse::{Refusal, machine, with_refused, without_namespaces};
use common::{Mode, Script, pipe};
use owox_connector_runner::error::{Code, RunnerError};
use owox_connector_runner::host::Host;
use owox_connector_runner::isolation::{Ground, Isolation, IsolationReport, Mode as IsolationMode, probe};
use owox_connector_runner::process::Namespace;
use owox_connector_runner::protocol::policy::{Demand, Enforced, Layer, Measured, PerLayer, Policy};

fn host() -> Host {
    Host { supervisor: PathBuf::from(common::SUPERVISOR), ..Host::default() }
}

#[tokio::test]
async fn this_machine_can_enforce_every_layer() {
    let report = probe(&host()).await.expect("a report");
    for layer in &report.layers {
        assert_eq!(layer.enforced, "full", "{layer:?}");
    }
}

/// Refuses landlock's three calls.
fn no_landlock(errno: i32) -> Vec<Refusal> {
    let calls =
        [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];
    calls.into_iter().map(|call| Refusal::always(call, errno)).collect()
}

fn no_seccomp(errno: i32) -> Vec<Refusal> {
    vec![Refusal::always(libc::SYS_seccomp, errno)]
}

/// A process that says that it runs, under a policy with everything wanted so much. Gives what was
/// found, and what it said.
async fn run(demand: Demand, change: impl FnOnce(&mut Policy)) -> (Result<Layers, RunnerError>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let sentinel = tempfile::NamedTempFile::new().expect("a file");
    let mut policy = Policy {
        demands: PerLayer::all(demand),
        reads: None,
        writes: vec![folder.path().display().to_string()],
        tcp_ports: vec![443],
        sentinel: Some(sentinel.path().display().to_string()),
        ..Policy::default()
    };
    change(&mut policy);
    let (lines, writer) = pipe();
    let mut script = Script::new(Mode::Namespace, "echo ran >&3");
    if demand == Demand::Required {
        script.supervision.namespace = Namespace::Required;
    }
    script.policy = Some(policy);
    let started = script.start(vec![writer]).await;
    let found = match started {
        Ok(mut running) => {
            running.exit().await.expect("an exit");
            running.tree_gone().await.expect("nothing is left");
            Ok((running.containment.namespace, *running.layers.expect("what was found")))
        }
        Err(error) => Err(error),
    };
    (found, lines.rest())
}

/// Whether there is a namespace, and the layers.
type Layers = (bool, PerLayer<Measured>);

fn enforced((namespace, layers): &Layers) -> Vec<&'static str> {
    let of = |layer: Layer| match layer {
        Layer::Processes if !namespace => Enforced::Partial.name(),
        layer => layers[layer].enforced.name(),
    };
    Layer::ALL.into_iter().map(of).collect()
}

/// The layers that an error names, and the error.
fn refused(found: &Result<Layers, RunnerError>) -> (Vec<&str>, &str) {
    let error = found.as_ref().expect_err("a refusal");
    assert_eq!(error.code, Code::IsolationUnavailable);
    assert!(error.message.contains("Nothing was started"), "{}", error.message);
    let (before, _) = error.message.split_once(" cannot be enforced").expect("what is refused");
    let names = before.split_once("the layer").expect("layers").1.trim_start_matches('s').trim_start();
    (names.split(", ").collect(), &error.message)
}

fn refused_layers(found: &Result<Layers, RunnerError>) -> Vec<&str> {
    refused(found).0
}

// Case 36. The control is the machine itself, which has everything.
#[test]
fn what_is_required_and_missing_starts_nothing_and_what_is_preferred_is_reported() {
    let all = with_refused(Vec::new(), run(Demand::Required, |_| ()));
    assert_eq!(all.1, "ran\n");
    assert_eq!(enforced(&all.0.expect("all layers")), ["full"; 7]);

    for errno in [libc::ENOSYS, libc::EPERM, libc::EOPNOTSUPP] {
        let (found, said) = with_refused(no_landlock(errno), run(Demand::Required, |_| ()));
        assert_eq!((refused_layers(&found), said.as_str()), (vec!["files", "tcpPorts"], ""));
        let (found, said) = with_refused(no_landlock(errno), run(Demand::Preferred, |_| ()));
        assert_eq!(said, "ran\n");
        let found = found.expect("started");
        // signals find nobody in a PID namespace, and the filter alone keeps sockets away
        assert_eq!(enforced(&found), ["full", "full", "none", "full", "full", "none", "full"]);
        assert_eq!(found.1[Layer::Signals].mechanism, "PID namespace");
        assert!(found.1[Layer::Files].reason.as_ref().is_some_and(|reason| reason.contains("Landlock")));
    }

    for errno in [libc::ENOSYS, libc::EPERM] {
        let (found, said) = with_refused(no_seccomp(errno), run(Demand::Required, |_| ()));
        assert_eq!(said, "");
        // first the one that is the filter alone, then those that it is a part of
        let (layers, message) = refused(&found);
        assert_eq!(layers, ["systemCalls", "files", "unixSockets", "tcpPorts"], "{message}");
        assert!(message.contains("CONFIG_SECCOMP_FILTER") && !message.contains("lsm="), "{message}");
        let (found, said) = with_refused(no_seccomp(errno), run(Demand::Preferred, |_| ()));
        assert_eq!(said, "ran\n");
        let found = found.expect("started");
        assert_eq!(enforced(&found), ["full", "full", "partial", "full", "partial", "partial", "none"]);
        let reason = found.1[Layer::Files].reason.clone().unwrap_or_default();
        assert!(reason.contains("mode and times"), "{reason}");
    }

    // mode and times of files are the filter's: files alone are not whole without it
    let files_only = |policy: &mut Policy| policy.demands[Layer::Files] = Demand::Required;
    let (found, said) = with_refused(no_seccomp(libc::EPERM), run(Demand::Preferred, files_only));
    assert_eq!((refused_layers(&found), said.as_str()), (vec!["files"], ""));
    let (_, message) = refused(&found);
    assert!(message.contains("CONFIG_SECCOMP_FILTER") && !message.contains("lsm="), "{message}");
    // and signals are, in a namespace, without Landlock
    let signals_only = |policy: &mut Policy| policy.demands[Layer::Signals] = Demand::Required;
    let broken = vec![Refusal::always(libc::SYS_landlock_restrict_self, libc::E2BIG)];
    let (found, said) = with_refused(broken, run(Demand::Preferred, signals_only));
    assert_eq!((found.is_ok(), said.as_str()), (true, "ran\n"));

    let (found, said) = without_namespaces(run(Demand::Required, |_| ()));
    assert_eq!((refused_layers(&found), said.as_str()), (vec!["processes"], ""));
    let (found, said) = without_namespaces(run(Demand::Preferred, |_| ()));
    assert_eq!(said, "ran\n");
    assert_eq!(enforced(&found.expect("started"))[..4], ["partial", "full", "full", "full"]);

    // a machine that keeps capabilities is one that refuses to give them up
    let kept = || vec![Refusal::always(libc::SYS_capset, libc::EPERM)];
    let (found, said) = with_refused(kept(), run(Demand::Required, |_| ()));
    assert_eq!((refused_layers(&found), said.as_str()), (vec!["privileges"], ""));
    let (found, said) = with_refused(kept(), run(Demand::Preferred, |_| ()));
    assert_eq!(said, "ran\n");
    assert_eq!(enforced(&found.expect("started"))[1], "partial");
}

#[test]
fn what_is_missing_is_named_all_at_once_with_every_remedy() {
    let nothing = |errno| {
        let calls = machine("landlock", errno).into_iter().chain(machine("namespaces", errno));
        calls.chain(machine("seccomp", errno)).flatten().collect::<Vec<_>>()
    };
    for errno in [libc::ENOSYS, libc::EPERM] {
        let (found, said) = with_refused(nothing(errno), run(Demand::Required, |_| ()));
        assert_eq!(said, "");
        let (layers, message) = refused(&found);
        let all = ["processes", "files", "signals", "unixSockets", "tcpPorts", "systemCalls"];
        assert_eq!(layers, all, "{message}");
        for remedy in ["Allow user namespaces", "lsm=landlock", "CONFIG_SECCOMP_FILTER"] {
            assert!(message.contains(remedy), "{remedy}: {message}");
        }
        let no_landlock =
            if errno == libc::ENOSYS { "this kernel has no Landlock" } else { "Landlock is refused" };
        for reason in [&format!("files: {no_landlock}"), "processes: no PID namespace: clone"] {
            assert!(message.contains(reason), "{reason}: {message}");
        }
        let without = all.map(|name| format!("{name}: 'preferred'")).join(", ");
        assert!(message.ends_with(&format!("do without them: isolation: {{ layers: {{ {without} }} }}")));
    }
}

// Case 37: also where nothing is required.
#[test]
fn a_canary_that_opens_and_a_filter_that_is_malformed_start_nothing() {
    let open = with_refused(
        Vec::new(),
        run(Demand::Preferred, |policy| {
            // as if the rules were wrong: the file that must not open is granted
            policy.writes.extend(policy.sentinel.clone());
        }),
    );
    assert_eq!((refused_layers(&open.0), open.1.as_str()), (vec!["files"], ""));
    assert!(open.0.expect_err("a refusal").message.contains("went through"));

    // a restriction that the system takes, and does not keep
    let lost = with_refused(
        vec![Refusal::always(libc::SYS_landlock_restrict_self, 0)],
        run(Demand::Preferred, |_| ()),
    );
    assert_eq!((refused_layers(&lost.0), lost.1.as_str()), (vec!["files"], ""));
    let lost = with_refused(no_seccomp(0), run(Demand::Preferred, |_| ()));
    assert_eq!(refused_layers(&lost.0).len(), 1, "{:?}", lost.0);
    assert_eq!(lost.1, "");

    let malformed = with_refused(no_seccomp(libc::EINVAL), run(Demand::Preferred, |_| ()));
    assert_eq!(malformed.1, "");
    assert_eq!(refused_layers(&malformed.0), ["systemCalls", "files", "unixSockets", "tcpPorts"]);
}

#[test]
fn a_file_that_cannot_be_tried_proves_nothing() {
    let (found, said) = with_refused(
        Vec::new(),
        run(Demand::Preferred, |policy| policy.sentinel = Some("/no/such/file".into())),
    );
    assert_eq!(said, "ran\n");
    let files = found.expect("started").1[Layer::Files].clone();
    assert_eq!(files.enforced, Enforced::Partial);
    assert!(files.reason.is_some_and(|reason| reason.contains("prove")));
    let unproven = |policy: &mut Policy| policy.sentinel = None;
    let (found, said) = with_refused(Vec::new(), run(Demand::Required, unproven));
    assert_eq!((refused_layers(&found), said.as_str()), (vec!["files"], ""));
}

/// What a probe says of a machine that lacks something.
fn probed(refusals: Vec<Refusal>) -> IsolationReport {
    with_refused(refusals, async { probe(&host()).await.expect("a report") })
}

#[test]
fn the_probe_says_what_a_machine_lacks() {
    let reason = |report: &IsolationReport, name: &str| {
        let layer = report.layers.iter().find(|layer| layer.name == name).expect("the layer").clone();
        (layer.enforced, layer.reason.unwrap_or_default())
    };
    let (files, why) = reason(&probed(no_landlock(libc::EOPNOTSUPP)), "files");
    assert!(files == "none" && why.contains("lsm="), "{why}");
    let (calls, why) = reason(&probed(no_seccomp(libc::EPERM)), "systemCalls");
    assert!(calls == "none" && why.contains("seccomp"), "{why}");
}

// Trap 10: the kernel takes 16 domains, one in the other.
#[test]
fn where_landlock_is_nested_too_deep_the_report_says_so() {
    let found = std::thread::spawn(|| {
        nest(16);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run(Demand::Preferred, |_| ()))
    });
    let (found, said) = found.join().expect("the test");
    assert_eq!(said, "ran\n");
    let files = found.expect("started").1[Layer::Files].clone();
    assert_eq!(files.enforced, Enforced::None);
    assert!(files.reason.is_some_and(|reason| reason.contains("landlock_restrict_self")));
}

/// Puts the calling thread into so many domains that restrict next to nothing.
fn nest(count: usize) {
    // SAFETY: the struct lives until the call returns.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        for _ in 0..count {
            let make_character_devices: u64 = 1 << 6;
            let attributes = [make_character_devices];
            let ruleset = libc::syscall(libc::SYS_landlock_create_ruleset, attributes.as_ptr(), 8, 0);
            assert!(ruleset >= 0);
            assert_eq!(libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0), 0);
            libc::close(i32::try_from(ruleset).expect("a descriptor"));
        }
    }
}

#[test]
fn a_program_without_its_loader_is_a_clear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("node");
    let with_another_loader = fs::read(common::SUPERVISOR).expect("the helper");
    let name = b"/lib64/ld-linux-x86-64.so.2";
    let Some(at) = with_another_loader.windows(name.len()).position(|window| window == name) else {
        return; // another architecture
    };
    let mut content = with_another_loader;
    content[at + 1] = b'X';
    fs::write(&program, content).expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).expect("a mode");
    let error = with_refused(Vec::new(), async move { start_program(&program).await });
    assert_eq!(error.code, Code::SpawnFailed);
    assert!(error.message.contains("loader"), "{}", error.message);
    drop(folder);
}

async fn start_program(program: &Path) -> RunnerError {
    use owox_connector_runner::process::{Start, start};
    let started = start(Start {
        supervisor: Path::new(common::SUPERVISOR),
        program,
        args: Vec::new(),
        directory: Path::new("/"),
        variables: Vec::new(),
        descriptors: vec![common::nowhere(), common::nowhere(), common::nowhere()],
        held: Vec::new(),
        supervision: Mode::Namespace.supervision(),
        policy: None,
    });
    started.await.expect_err("it cannot start")
}

// A grant is what was there when it was decided on, and not what its path leads to by then.
#[test]
fn a_grant_whose_path_is_exchanged_meanwhile_stays_what_it_was() {
    let root = tempfile::tempdir().expect("a folder");
    let root = fs::canonicalize(root.path()).expect("its path");
    for folder in ["run", "granted/sub", "secret"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    let (granted, secret) = (root.join("granted/sub"), root.join("secret"));
    let host = Host::default();
    for mode in [IsolationMode::Standard, IsolationMode::Strict] {
        let isolation = Isolation { write: vec![granted.display().to_string()], ..Isolation::from(mode) };
        let ground = Ground {
            directory: &root.join("run"),
            node: Path::new("/bin/sh"),
            bootstrap: Path::new("/bin/sh"),
            grants: &[],
            environment: None,
            own: &[],
            shared: &[],
            host: &host,
        };
        let confined = isolation.confine(&ground, &mut Vec::new()).expect("a policy");
        fs::rename(&granted, root.join("away")).expect("renamed");
        std::os::unix::fs::symlink(&secret, &granted).expect("a link");
        let text = format!(
            "cd {}; (echo > granted/sub/new) 2>&- || echo refused >&3; (echo > away/new) 2>&- && echo written >&3",
            root.display()
        );
        let (lines, writer) = pipe();
        let mut script = Script::new(Mode::Namespace, &text);
        script.policy = confined.policy.clone();
        tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
            let mut running = script.start(vec![writer]).await.expect("started");
            running.exit().await.expect("an exit");
            running.tree_gone().await.expect("nothing is left");
        });
        assert_eq!(lines.rest(), "refused\nwritten\n", "{mode:?}");
        assert_eq!(fs::read_dir(&secret).expect("the folder").count(), 0);
        fs::remove_file(&granted).expect("removed");
        fs::rename(root.join("away"), &granted).expect("renamed");
        fs::remove_file(granted.join("new")).expect("removed");
    }
}
