//! The one JavaScript function of a run. Everything that a run tells or asks JavaScript goes
//! through it, in order: two functions would have two queues.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::{FnArgs, Promise, ToNapiValue};
use napi::sys;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use tokio::sync::oneshot;

use super::door::Door;
use crate::cancellation::{Cancellation, StopReason};
use crate::error::{Code, RunnerError};
use crate::observer::{Batch, Observer, Phase, Step, StreamKind, Whole};
use crate::process::Sample;
use crate::run::Failure;

/// What is handed over with a call.
pub enum Payload {
    Nothing,
    Number(u32),
    Text(String),
    Texts(Vec<String>),
}

impl ToNapiValue for Payload {
    unsafe fn to_napi_value(env: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        // SAFETY: called by napi with a live environment, on its thread.
        unsafe {
            match value {
                Payload::Nothing => <()>::to_napi_value(env, ()),
                Payload::Number(number) => u32::to_napi_value(env, number),
                // one byte a character where that is possible: half the memory in V8
                Payload::Text(text) if text.is_ascii() => {
                    let env = napi::Env::from_raw(env);
                    let text = env.create_string_latin1(text.as_bytes())?;
                    Ok(napi::JsValue::raw(&text))
                }
                Payload::Text(text) => String::to_napi_value(env, text),
                Payload::Texts(texts) => {
                    let texts = texts.into_iter().map(Payload::Text).collect::<Vec<_>>();
                    Vec::to_napi_value(env, texts)
                }
            }
        }
    }
}

/// JavaScript's answer.
#[napi(object)]
pub struct Reply {
    /// False when an object of the caller's threw; JavaScript keeps what it threw.
    pub ok: bool,
    /// What was asked for, where something was.
    pub text: Option<String>,
}

type Arguments = FnArgs<(String, Payload)>;

/// As napi hands it over: weak, since the pending promise of the run keeps the loop alive.
pub type PortFunction = ThreadsafeFunction<Arguments, Promise<Reply>, Arguments, Status, false, true>;

pub struct Port {
    /// None only while this is dropped.
    function: Option<Arc<PortFunction>>,
    door: Option<Arc<Door>>,
    wants_messages: bool,
    wants_phases: bool,
    wants_pid: bool,
}

impl Port {
    /// Asks on the loop of this environment.
    pub fn new(function: PortFunction, env: &Env) -> Self {
        Self {
            function: Some(Arc::new(function)),
            door: Door::of(env),
            wants_messages: false,
            wants_phases: false,
            wants_pid: false,
        }
    }

    /// The same, which also passes on messages if `wanted`.
    pub fn with_messages(mut self, wanted: bool) -> Self {
        self.wants_messages = wanted;
        self
    }

    /// The same, which also tells of phases if `wanted`.
    pub fn with_phases(mut self, wanted: bool) -> Self {
        self.wants_phases = wanted;
        self
    }

    /// The same, which also tells the process id if `wanted`.
    pub fn with_pid(mut self, wanted: bool) -> Self {
        self.wants_pid = wanted;
        self
    }

    /// Calls JavaScript and waits for its answer.
    pub async fn ask(&self, question: &str, payload: Payload) -> Result<Option<String>, Failure> {
        let arguments = (question.to_owned(), payload).into();
        let closed = |cause: napi::Error| {
            Failure::from(RunnerError::new(
                Code::Internal,
                format!("JavaScript did not answer: {}", cause.reason),
            ))
        };
        let promise = self.call(arguments).await.map_err(closed)?;
        let reply = promise.await.map_err(closed)?;
        if reply.ok { Ok(reply.text) } else { Err(Failure::Thrown) }
    }
}

impl Port {
    /// Calls the function by way of the door.
    async fn call(&self, arguments: Arguments) -> napi::Result<Promise<Reply>> {
        let closed = || napi::Error::new(Status::Closing, "it is not there any more");
        let function = self.function.clone().ok_or_else(closed)?;
        let Some(door) = &self.door else { return function.call_async_catch(arguments).await };
        let (answered, answer) = oneshot::channel();
        door.run(move || {
            let mode = ThreadsafeFunctionCallMode::NonBlocking;
            // where it is refused, `answered` is dropped
            function.call_with_return_value(arguments, mode, move |returned, _| {
                let _ = answered.send(returned);
                Ok(())
            });
        });
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let function = self.function.take();
        match &self.door {
            Some(door) => door.run(move || drop(function)),
            None => drop(function),
        }
    }
}

impl Observer for Port {
    async fn output(&self, stream: StreamKind, batches: Vec<Batch>) {
        let name = match stream {
            StreamKind::Stdout => "stdout",
            StreamKind::Stderr => "stderr",
        };
        // JavaScript reports what a callback throws; the run goes on
        let texts = batches.into_iter().map(|batch| batch.text).collect();
        let _ = self.ask(name, Payload::Texts(texts)).await;
    }

    fn wants_messages(&self) -> bool {
        self.wants_messages
    }

    async fn messages(&self, arrays: Vec<String>) {
        let _ = self.ask("messages", Payload::Texts(arrays)).await;
    }

    async fn whole(&self, whole: Whole) {
        for (question, both) in [("wholeStdout", whole.lines), ("wholeMessages", whole.messages)] {
            if let Some(both) = both {
                let _ = self.ask(question, Payload::Texts(both.into())).await;
            }
        }
    }

    async fn usage(&self, sample: Sample) {
        let Sample { rss_bytes, cpu_ms, processes, .. } = sample;
        let usage = serde_json::json!({ "rssBytes": rss_bytes, "cpuMs": cpu_ms, "processes": processes });
        let _ = self.ask("usage", Payload::Text(usage.to_string())).await;
    }

    async fn started(&self, pid: u32) {
        if self.wants_pid {
            let _ = self.ask("spawn", Payload::Number(pid)).await;
        }
    }

    async fn step(&self, step: Step) {
        let step = serde_json::to_string(&step).unwrap_or_default();
        let _ = self.ask("progress", Payload::Text(step)).await;
    }

    async fn phase(&self, phase: Phase) {
        if !self.wants_phases {
            return;
        }
        // the time of now: JavaScript may be busy
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let event = serde_json::json!({ "phase": phase, "time": now.as_secs_f64() * 1000.0 });
        let _ = self.ask("phase", Payload::Text(event.to_string())).await;
    }
}

/// Does a run's work. An aborted signal asks it to stop meanwhile.
pub async fn listening<T>(
    port: &Port,
    has_signal: bool,
    cancellation: &Cancellation,
    work: impl Future<Output = T>,
) -> T {
    let signal = async {
        if has_signal && port.ask("aborted", Payload::Nothing).await.is_ok() {
            cancellation.request(StopReason::Cancelled, None);
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        never = signal => match never {},
        done = work => done,
    }
}
