//! The way from other threads to the event loop.
//!
//! A thread-safe function of Node-API wakes the loop while it holds the lock that the loop takes next.
//! On a busy machine the thread that woke it may lose its processor just then, and the loop waits until
//! it has its turn again: tens of milliseconds. So other threads only leave work here and wake the loop
//! by libuv alone, which holds no lock; what the work then does with thread-safe functions happens on
//! the loop's own thread, where nobody else is in the way.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use napi::{Env, sys};

/// What is done on the loop's thread.
type Work = Box<dyn FnOnce() + Send>;

/// `UV_ASYNC` of libuv's `uv_handle_type`.
const ASYNC: c_int = 1;

/// As libuv's handles are aligned.
const ALIGNMENT: usize = 16;

/// How much is done before the loop has its turn for other things.
const AT_ONCE: usize = 256;

type Callback = unsafe extern "C" fn(*mut c_void);

/// The functions of libuv, as Node.js exports them to addons; they have been the same since 1.19.
struct Uv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    async_init: unsafe extern "C" fn(*mut c_void, *mut c_void, Callback) -> c_int,
    async_send: unsafe extern "C" fn(*mut c_void) -> c_int,
    set_data: unsafe extern "C" fn(*mut c_void, *mut c_void),
    get_data: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    unref: unsafe extern "C" fn(*mut c_void),
    close: unsafe extern "C" fn(*mut c_void, Callback),
}

impl Uv {
    /// None where the program that we are loaded into does not export them.
    fn get() -> Option<&'static Self> {
        static UV: OnceLock<Option<Uv>> = OnceLock::new();
        UV.get_or_init(|| {
            // SAFETY: the types of the fields are those of libuv's header.
            unsafe {
                Some(Uv {
                    handle_size: exported(c"uv_handle_size")?,
                    async_init: exported(c"uv_async_init")?,
                    async_send: exported(c"uv_async_send")?,
                    set_data: exported(c"uv_handle_set_data")?,
                    get_data: exported(c"uv_handle_get_data")?,
                    unref: exported(c"uv_unref")?,
                    close: exported(c"uv_close")?,
                })
            }
        })
        .as_ref()
    }
}

/// A function that the program exports.
///
/// # Safety
/// `F` is a pointer to a function of the type that the program's has.
unsafe fn exported<F: Copy>(name: &CStr) -> Option<F> {
    // SAFETY: the name ends with NUL; a pointer to a function is as large as one to data.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!found.is_null()).then(|| std::mem::transmute_copy::<*mut c_void, F>(&found))
    }
}

/// A handle of libuv's. Only `uv_async_send` is called from other threads, which is made for it.
struct Handle(*mut c_void);

// SAFETY: see above.
unsafe impl Send for Handle {}
// SAFETY: see above.
unsafe impl Sync for Handle {}

/// The way to one event loop.
pub struct Door {
    work: Sender<Work>,
    /// None once the environment goes. Its thread waits for those who are waking it then, and only then.
    handle: RwLock<Option<Handle>>,
}

/// What belongs to the handle, on the loop's thread.
struct Inside {
    door: Arc<Door>,
    work: Receiver<Work>,
    hook: sys::napi_async_cleanup_hook_handle,
}

thread_local! {
    static DOOR: RefCell<Option<Arc<Door>>> = const { RefCell::new(None) };
}

impl Door {
    /// The way to the event loop of this thread; none where there is no libuv to be had.
    pub fn of(env: &Env) -> Option<Arc<Self>> {
        DOOR.with_borrow_mut(|door| {
            if door.as_ref().is_none_or(|door| !door.is_open()) {
                *door = Self::open(env);
            }
            door.clone()
        })
    }

    fn is_open(&self) -> bool {
        self.handle.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn open(env: &Env) -> Option<Arc<Self>> {
        let uv = Uv::get()?;
        let mut event_loop = ptr::null_mut();
        // SAFETY: the environment lives, and this is its thread.
        let status = unsafe { sys::napi_get_uv_event_loop(env.raw(), &raw mut event_loop) };
        if status != sys::Status::napi_ok {
            return None;
        }
        let (sender, receiver) = channel();
        let door = Arc::new(Self { work: sender, handle: RwLock::new(None) });
        // SAFETY: memory of libuv's own size, freed by `closed` alone after libuv has let go of it.
        unsafe {
            let layout = layout(uv)?;
            let handle = alloc_zeroed(layout).cast::<c_void>();
            if handle.is_null() {
                return None;
            }
            if (uv.async_init)(event_loop.cast(), handle, woken) != 0 {
                dealloc(handle.cast(), layout);
                return None;
            }
            let inside = Box::new(Inside { door: door.clone(), work: receiver, hook: ptr::null_mut() });
            let inside = Box::into_raw(inside);
            (uv.set_data)(handle, inside.cast());
            // who waits for work has a promise, which keeps the loop alive
            (uv.unref)(handle);
            let hook = &raw mut (*inside).hook;
            if sys::napi_add_async_cleanup_hook(env.raw(), Some(leaving), handle, hook)
                != sys::Status::napi_ok
            {
                (uv.close)(handle, closed);
                return None;
            }
            *door.handle.write().unwrap_or_else(PoisonError::into_inner) = Some(Handle(handle));
        }
        Some(door)
    }

    /// Has something done on the loop's thread, in order; or here, where the loop is gone.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let (Some(handle), Some(uv)) = (&*handle, Uv::get()) else {
            drop(handle);
            return work();
        };
        if let Err(unsent) = self.work.send(Box::new(work)) {
            return (unsent.0)();
        }
        // SAFETY: the handle is closed by nobody while it can be read here.
        unsafe { (uv.async_send)(handle.0) };
    }
}

fn layout(uv: &Uv) -> Option<Layout> {
    // SAFETY: asks for a number.
    Layout::from_size_align(unsafe { (uv.handle_size)(ASYNC) }, ALIGNMENT).ok()
}

/// Called by the loop after it was woken.
unsafe extern "C" fn woken(handle: *mut c_void) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: what was stored in `open`, and is freed in `closed`, after which this is not called.
    let inside = unsafe { &*(uv.get_data)(handle).cast::<Inside>() };
    for _ in 0..AT_ONCE {
        let Ok(work) = inside.work.try_recv() else { return };
        // nothing may unwind into C
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
    // SAFETY: as above, on the handle's own thread.
    unsafe { (uv.async_send)(handle) };
}

/// Called when the environment goes. It waits until `closed` was called.
unsafe extern "C" fn leaving(_: sys::napi_async_cleanup_hook_handle, handle: *mut c_void) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: as in `woken`.
    unsafe {
        let inside = &*(uv.get_data)(handle).cast::<Inside>();
        *inside.door.handle.write().unwrap_or_else(PoisonError::into_inner) = None;
        (uv.close)(handle, closed);
    }
}

/// Called when libuv has let go of the handle.
unsafe extern "C" fn closed(handle: *mut c_void) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: made in `open`, and nobody has them any more.
    unsafe {
        let inside = Box::from_raw((uv.get_data)(handle).cast::<Inside>());
        if let Some(layout) = layout(uv) {
            dealloc(handle.cast(), layout);
        }
        let hook = inside.hook;
        // work that was left goes undone; whoever waits for it learns that
        drop(inside);
        if !hook.is_null() {
            sys::napi_remove_async_cleanup_hook(hook);
        }
    }
}
