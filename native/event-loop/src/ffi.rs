//! What is used of Node-API and libuv: Node brings both, so nothing is linked.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// `napi_env`.
pub type Env = *mut c_void;
/// `napi_value`.
pub type Value = *mut c_void;
/// `napi_callback_info`.
pub type CallInfo = *mut c_void;
/// `napi_async_cleanup_hook_handle`.
pub type Hook = *mut c_void;
/// `napi_status`.
pub type Status = c_int;
/// `uv_loop_t`.
pub type Loop = c_void;
/// `uv_handle_t` or `uv_timer_t`.
pub type Handle = c_void;

/// `napi_ok`.
pub const OK: Status = 0;
/// `UV_TIMER` of `uv_handle_type`.
pub const TIMER: c_int = 13;
/// `UV_RUN_ONCE`: waits until there is something to do.
pub const RUN_ONCE: c_int = 1;
/// `UV_RUN_NOWAIT`: does what there is to do.
pub const RUN_NOWAIT: c_int = 2;

unsafe extern "C" {
    pub fn napi_get_uv_event_loop(env: Env, event_loop: *mut *mut Loop) -> Status;
    pub fn napi_create_function(
        env: Env,
        name: *const c_char,
        length: usize,
        callback: unsafe extern "C" fn(Env, CallInfo) -> Value,
        data: *mut c_void,
        function: *mut Value,
    ) -> Status;
    pub fn napi_set_named_property(env: Env, object: Value, name: *const c_char, value: Value) -> Status;
    pub fn napi_get_cb_info(
        env: Env,
        info: CallInfo,
        count: *mut usize,
        arguments: *mut Value,
        this: *mut Value,
        data: *mut *mut c_void,
    ) -> Status;
    pub fn napi_get_value_uint32(env: Env, value: Value, number: *mut u32) -> Status;
    pub fn napi_create_uint32(env: Env, number: u32, value: *mut Value) -> Status;
    pub fn napi_coerce_to_bool(env: Env, value: Value, boolean: *mut Value) -> Status;
    pub fn napi_throw_error(env: Env, code: *const c_char, message: *const c_char) -> Status;
    pub fn napi_add_async_cleanup_hook(
        env: Env,
        hook: unsafe extern "C" fn(Hook, *mut c_void),
        data: *mut c_void,
        handle: *mut Hook,
    ) -> Status;
    pub fn napi_remove_async_cleanup_hook(handle: Hook) -> Status;

    pub fn uv_run(event_loop: *mut Loop, mode: c_int) -> c_int;
    pub fn uv_stop(event_loop: *mut Loop);
    pub fn uv_loop_alive(event_loop: *const Loop) -> c_int;
    pub fn uv_update_time(event_loop: *mut Loop);
    pub fn uv_sleep(milliseconds: c_uint);
    pub fn uv_handle_size(kind: c_int) -> usize;
    pub fn uv_handle_set_data(handle: *mut Handle, data: *mut c_void);
    pub fn uv_handle_get_data(handle: *const Handle) -> *mut c_void;
    pub fn uv_timer_init(event_loop: *mut Loop, timer: *mut Handle) -> c_int;
    pub fn uv_timer_start(
        timer: *mut Handle,
        callback: unsafe extern "C" fn(*mut Handle),
        timeout: u64,
        repeat: u64,
    ) -> c_int;
    pub fn uv_timer_stop(timer: *mut Handle) -> c_int;
    pub fn uv_unref(handle: *mut Handle);
    pub fn uv_close(handle: *mut Handle, callback: unsafe extern "C" fn(*mut Handle));
}
