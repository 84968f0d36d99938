//! Node addon of the runner's `@kaciras/deasync`: `turn(ms)` runs libuv's loop once and sleeps in it
//! until something happens, but no longer than so many milliseconds. Connectors load it, in worker
//! threads too, so it is small: plain Node-API and libuv, both of which Node brings.

mod ffi;

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use ffi::{CallInfo, Env, Handle, Hook, Loop, Value};

/// What a turn tells JavaScript.
#[derive(Clone, Copy)]
enum Turn {
    /// Something may have happened.
    Progress = 0,
    /// Nothing has, all the time.
    Quiet = 1,
    /// Nothing is left in the loop that could happen; the time was slept through.
    Empty = 2,
    /// The thread was told to end, and no JavaScript may run any more.
    Stopped = 3,
}

/// One thread's loop, and the timer that ends a sleep in it.
struct Waiter {
    event_loop: *mut Loop,
    /// Memory of a `uv_timer_t`. It keeps no loop alive and calls no JavaScript.
    timer: Box<[MaybeUninit<u64>]>,
    /// Longest sleep of the innermost turn, in milliseconds; 0 where none may sleep.
    pause: u64,
    /// Whether that time is over.
    is_over: bool,
    /// Node's request to close the timer.
    closing: Hook,
}

impl Waiter {
    fn timer(&mut self) -> *mut Handle {
        self.timer.as_mut_ptr().cast()
    }

    /// Lets the next sleep last so long at most; 0 for no limit, where nobody sleeps.
    ///
    /// # Safety
    /// Called on the loop's thread.
    unsafe fn limit(&mut self, pause: u64) {
        (self.pause, self.is_over) = (pause, false);
        // SAFETY: the timer was initialised by `open`, and is not closed before Node's end.
        unsafe {
            if pause == 0 {
                ffi::uv_timer_stop(self.timer());
            } else {
                ffi::uv_timer_start(self.timer(), wake, pause, 0);
            }
        }
    }
}

/// Makes the waiter of this thread, which lives until Node closes the thread's environment.
///
/// # Safety
/// `env` is the one that Node loads the addon with.
unsafe fn open(env: Env) -> Option<*mut Waiter> {
    // SAFETY: libuv says how large its timer is. The waiter is never moved, and freed by `freed`, when
    // libuv has let go of the timer.
    unsafe {
        let mut event_loop = ptr::null_mut();
        if ffi::napi_get_uv_event_loop(env, &raw mut event_loop) != ffi::OK {
            return None;
        }
        let words = ffi::uv_handle_size(ffi::TIMER).div_ceil(size_of::<u64>());
        let waiter = Box::into_raw(Box::new(Waiter {
            event_loop,
            timer: Box::new_uninit_slice(words),
            pause: 0,
            is_over: false,
            closing: ptr::null_mut(),
        }));
        let timer = (*waiter).timer();
        ffi::uv_timer_init(event_loop, timer);
        ffi::uv_handle_set_data(timer, waiter.cast());
        ffi::uv_unref(timer);
        ffi::napi_add_async_cleanup_hook(env, close, waiter.cast(), ptr::null_mut());
        Some(waiter)
    }
}

unsafe extern "C" fn close(hook: Hook, waiter: *mut c_void) {
    let waiter: *mut Waiter = waiter.cast();
    // SAFETY: Node calls this once, on the waiter's thread, with what `open` has given it.
    unsafe {
        (*waiter).closing = hook;
        ffi::uv_close((*waiter).timer(), freed);
    }
}

unsafe extern "C" fn freed(timer: *mut Handle) {
    // SAFETY: the timer's data is the waiter, which nothing refers to any more.
    unsafe {
        let waiter = Box::from_raw(ffi::uv_handle_get_data(timer).cast::<Waiter>());
        ffi::napi_remove_async_cleanup_hook(waiter.closing);
    }
}

unsafe extern "C" fn wake(timer: *mut Handle) {
    // SAFETY: the timer's data is the waiter, which lives as long as the timer.
    unsafe { (*ffi::uv_handle_get_data(timer).cast::<Waiter>()).is_over = true };
}

/// Turns the loop once. It may turn again from within, when something that happens waits too.
///
/// # Safety
/// Called on the waiter's thread.
unsafe fn turn(waiter: *mut Waiter, pause: u32) -> Turn {
    // SAFETY: no reference to the waiter is held while the loop runs, since what runs in it may
    // come here again.
    unsafe {
        let event_loop = (*waiter).event_loop;
        if ffi::uv_loop_alive(event_loop) == 0 {
            if pause > 0 {
                ffi::uv_sleep(pause);
            }
            ffi::uv_update_time(event_loop);
            return Turn::Empty;
        }
        if pause == 0 {
            ffi::uv_run(event_loop, ffi::RUN_NOWAIT);
            return Turn::Progress;
        }
        let outer = (*waiter).pause;
        // what is due since JavaScript began to run is due now, not that much later
        ffi::uv_update_time(event_loop);
        (*waiter).limit(u64::from(pause));
        ffi::uv_run(event_loop, ffi::RUN_ONCE);
        let is_over = (*waiter).is_over;
        (*waiter).limit(outer);
        if is_over { Turn::Quiet } else { Turn::Progress }
    }
}

unsafe extern "C" fn call_turn(env: Env, info: CallInfo) -> Value {
    let (mut count, mut argument, mut data) = (1, ptr::null_mut(), ptr::null_mut());
    let (mut pause, mut value) = (0, ptr::null_mut());
    // SAFETY: Node calls this with the data of `napi_register_module_v1`, on the thread that loaded it.
    unsafe {
        ffi::napi_get_cb_info(env, info, &raw mut count, &raw mut argument, ptr::null_mut(), &raw mut data);
        ffi::napi_get_value_uint32(env, argument, &raw mut pause); // 0 for what is no number
        let mut turn = turn(data.cast(), pause);
        // Node refuses this where the thread has to end. Its order to stop the loop was spent on our
        // turn then, and is given again to the one that we are in.
        if ffi::napi_coerce_to_bool(env, argument, &raw mut value) != ffi::OK {
            ffi::uv_stop((*data.cast::<Waiter>()).event_loop);
            turn = Turn::Stopped;
        }
        ffi::napi_create_uint32(env, turn as u32, &raw mut value);
    }
    value
}

const TURN: &CStr = c"turn";

/// The version of Node-API that is used: all of it is in Node 20.
#[unsafe(no_mangle)]
pub extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    8
}

/// Puts `turn` into the addon's exports.
///
/// # Safety
/// Node calls this when it loads the addon, once for each thread and context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn napi_register_module_v1(env: Env, exports: Value) -> Value {
    // SAFETY: `env` and `exports` are Node's.
    unsafe {
        let Some(waiter) = open(env) else {
            ffi::napi_throw_error(env, ptr::null(), c"this thread has no event loop of libuv".as_ptr());
            return exports;
        };
        let mut function = ptr::null_mut();
        let (name, length) = (TURN.as_ptr(), TURN.count_bytes());
        ffi::napi_create_function(env, name, length, call_turn, waiter.cast(), &raw mut function);
        ffi::napi_set_named_property(env, exports, name, function);
    }
    exports
}
