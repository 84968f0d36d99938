//! What the system says of itself, and what to do where it lacks a layer.

use std::fs;
use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::protocol::policy::Layer;

/// What of a system stands in the way of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// The module `AppArmor` lets only programs with a profile for it have user namespaces.
    Apparmor,
    /// User namespaces are root's only.
    NoUnprivileged,
    /// There are none.
    NoNamespaces,
    /// A container, whose profile may refuse things.
    Container,
    /// This process runs under a seccomp filter already.
    Filter,
}

/// Facts about the system.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// The distribution, where it says so.
    pub system: Option<String>,
    /// Security modules that the kernel has switched on, where it tells.
    modules: Option<String>,
    obstacles: Vec<Obstacle>,
    supervisor: PathBuf,
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn is(path: &str, value: &str) -> bool {
    line(path).as_deref() == Some(value)
}

impl Machine {
    /// Reads them.
    pub fn look(host: &Host) -> Self {
        let release = line("/etc/os-release").unwrap_or_default();
        let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let status = line("/proc/self/status").unwrap_or_default();
        let is_container = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
            || host.variable("KUBERNETES_SERVICE_HOST").is_some();
        let obstacles = [
            (Obstacle::Apparmor, is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")),
            (Obstacle::NoUnprivileged, is("/proc/sys/kernel/unprivileged_userns_clone", "0")),
            (Obstacle::NoNamespaces, is("/proc/sys/user/max_user_namespaces", "0")),
            (Obstacle::Container, is_container),
            (Obstacle::Filter, status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]))),
        ];
        Self {
            kernel: line("/proc/sys/kernel/osrelease").unwrap_or_else(|| "of unknown version".to_owned()),
            system: name.map(|name| name.trim_matches('"').to_owned()),
            modules: line("/sys/kernel/security/lsm"),
            obstacles: obstacles.into_iter().filter(|(_, is_there)| *is_there).map(|(one, _)| one).collect(),
            supervisor: host.supervisor.clone(),
        }
    }

    fn has(&self, obstacle: Obstacle) -> bool {
        self.obstacles.contains(&obstacle)
    }

    /// What to do for a layer that is not all there. `reason` is what the kernel said.
    pub fn remedy(&self, layer: Layer, reason: Option<&str>) -> String {
        if reason.is_some_and(|reason| reason.contains("seccomp:")) {
            return Layer::SystemCalls.remedy().to_owned();
        }
        match layer {
            Layer::Processes => self.namespaces(),
            Layer::Files => self.landlock((6, 2), reason),
            Layer::Signals => self.landlock((6, 12), reason),
            Layer::TcpPorts => self.landlock((6, 7), reason),
            Layer::Privileges | Layer::UnixSockets | Layer::SystemCalls => layer.remedy().to_owned(),
        }
    }

    fn namespaces(&self) -> String {
        if self.has(Obstacle::Apparmor) {
            return format!(
                "AppArmor restricts user namespaces here, as Ubuntu does since 23.10. Give the helper a profile that \
                 has them, in /etc/apparmor.d/owox-connector-supervisor: \
                 abi <abi/4.0>, include <tunables/global> \
                 profile owox-connector-supervisor {} flags=(unconfined) {{ userns, }} \
                 and load it with apparmor_parser -r; or for all programs, sysctl -w \
                 kernel.apparmor_restrict_unprivileged_userns=0",
                self.supervisor.display()
            );
        }
        if self.has(Obstacle::NoUnprivileged) {
            return "Switch user namespaces on: sysctl -w kernel.unprivileged_userns_clone=1".to_owned();
        }
        if self.has(Obstacle::NoNamespaces) {
            return "Allow user namespaces: sysctl -w user.max_user_namespaces=10000".to_owned();
        }
        if self.has(Obstacle::Container) || self.has(Obstacle::Filter) {
            return "The seccomp profile of the container or sandbox around this process refuses namespaces. Docker: \
                 --security-opt seccomp=FILE, with a copy of its default profile that also allows clone, unshare, \
                 setns and mount; Kubernetes: a Localhost seccompProfile of that kind. The next step down still holds: \
                 the supervisor takes in orphans"
                .to_owned();
        }
        Layer::Processes.remedy().to_owned()
    }

    fn landlock(&self, since: (u32, u32), reason: Option<&str>) -> String {
        let (major, minor) = since;
        if self.version().is_some_and(|version| version < since) {
            return format!("Use Linux {major}.{minor} or later; this is {}", self.kernel);
        }
        if let Some(modules) = self.modules.as_deref().filter(|modules| !modules.contains("landlock")) {
            return format!("Switch Landlock on: boot with lsm=landlock,{modules}");
        }
        if self.has(Obstacle::Filter) && reason.is_some_and(|reason| reason.contains("landlock")) {
            return "The seccomp profile around this process refuses Landlock: use one that allows \
                 landlock_create_ruleset, landlock_add_rule and landlock_restrict_self (Docker's default does since 23)"
                .to_owned();
        }
        format!(
            "Use Linux {major}.{minor} or later with CONFIG_SECURITY_LANDLOCK, switched on by lsm=landlock,…"
        )
    }

    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.kernel.split(['.', '-']).map_while(|part| part.parse().ok());
        Some((parts.next()?, parts.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(kernel: &str) -> Machine {
        Machine { kernel: kernel.to_owned(), supervisor: "/opt/supervisor".into(), ..Machine::default() }
    }

    #[test]
    fn the_remedy_fits_the_machine() {
        let old = machine("5.10.0-28-amd64");
        assert!(old.remedy(Layer::Files, None).contains("Linux 6.2 or later; this is 5.10.0-28-amd64"));
        let off = Machine { modules: Some("capability,yama".into()), ..machine("6.18.0") };
        assert!(off.remedy(Layer::Signals, None).contains("lsm=landlock,capability,yama"));
        let filtered = Machine { obstacles: vec![Obstacle::Filter], ..machine("6.18.0") };
        let reason = "landlock_create_ruleset: Function not implemented";
        assert!(filtered.remedy(Layer::TcpPorts, Some(reason)).contains("landlock_restrict_self"));
        assert!(filtered.remedy(Layer::Processes, None).contains("--security-opt seccomp=FILE"));
        let ubuntu = Machine { obstacles: vec![Obstacle::Apparmor], ..machine("6.8.0-31-generic") };
        let remedy = ubuntu.remedy(Layer::Processes, None);
        assert!(remedy.contains("/opt/supervisor") && remedy.contains("userns,"), "{remedy}");
        let debian = Machine { obstacles: vec![Obstacle::NoUnprivileged], ..machine("6.1.0") };
        assert!(debian.remedy(Layer::Processes, None).contains("unprivileged_userns_clone=1"));
        let none = Machine { obstacles: vec![Obstacle::NoNamespaces], ..machine("6.1.0") };
        assert!(none.remedy(Layer::Processes, None).contains("max_user_namespaces"));
        for layer in Layer::ALL {
            assert!(!machine("unknown").remedy(layer, None).is_empty());
        }
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = Machine::look(&Host::default());
        assert!(machine.version().is_some_and(|version| version > (3, 0)), "{machine:?}");
    }
}
