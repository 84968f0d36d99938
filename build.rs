//! Link flags of the Node addon. `napi_build::setup` also adds `-z nodelete`, without which
//! unloading the addon with a worker thread crashes.

fn main() {
    if std::env::var_os("CARGO_FEATURE_NAPI").is_some() {
        napi_build::setup();
    }
}
