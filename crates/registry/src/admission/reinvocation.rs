//! Calling mutating plug-ins a second time when one has changed the object for those before it.
//!
//! upstream: staging/src/k8s.io/apiserver/pkg/admission/reinvocation.go,
//! staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/reinvocationcontext.go

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use serde_json::Value;

/// What one request's mutating plug-ins know of one another.
#[derive(Debug, Default)]
pub struct Reinvocation {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    second: bool,
    wanted: bool,
    plugins: HashMap<&'static str, Plugin>,
}

#[derive(Debug, Default)]
struct Plugin {
    last_output: Option<Value>,
    previous: HashSet<String>,
    due: HashSet<String>,
}

impl Reinvocation {
    /// Whether this is the second time.
    pub fn is_second(&self) -> bool {
        self.state.lock().second
    }

    /// The chain is to be run again.
    pub fn want(&self) {
        self.state.lock().wanted = true;
    }

    /// Begins the second time, if a plug-in wants it.
    pub(crate) fn begin_second(&self) -> bool {
        let mut state = self.state.lock();
        if state.wanted && !state.second {
            state.second = true;
            return true;
        }
        false
    }

    /// A plug-in begins: when others have changed the object since it ended, whatever of it may be called again is due.
    pub fn enter(&self, plugin: &'static str, object: Option<&Value>) {
        let mut state = self.state.lock();
        if !state.second {
            return;
        }
        if let Some(plugin) = state.plugins.get_mut(plugin)
            && plugin.last_output.as_ref() != object
        {
            plugin.require_previous();
        }
    }

    /// A plug-in ends with the object as it is now.
    pub fn leave(&self, plugin: &'static str, object: Option<&Value>) {
        let mut state = self.state.lock();
        if !state.second {
            state.plugins.entry(plugin).or_default().last_output = object.cloned();
        }
    }

    /// One part (a webhook, a policy) of a plug-in has changed the object: those before it are due, and the chain is run
    /// again.
    pub fn changed(&self, plugin: &'static str) {
        let mut state = self.state.lock();
        state.plugins.entry(plugin).or_default().require_previous();
        state.wanted = true;
    }

    /// A part was called and may be called again.
    pub fn reinvocable(&self, plugin: &'static str, part: &str) {
        let mut state = self.state.lock();
        state
            .plugins
            .entry(plugin)
            .or_default()
            .previous
            .insert(part.to_owned());
    }

    /// Whether a part is to be called this time.
    pub fn is_due(&self, plugin: &'static str, part: &str) -> bool {
        let state = self.state.lock();
        !state.second
            || state
                .plugins
                .get(plugin)
                .is_some_and(|p| p.due.contains(part))
    }
}

impl Plugin {
    fn require_previous(&mut self) {
        self.due.extend(self.previous.drain());
    }
}
