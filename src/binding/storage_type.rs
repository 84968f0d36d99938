//! `StorageType`: the names under which hosts know the storages.

use napi_derive::napi;

#[napi(string_enum)]
#[allow(non_camel_case_types)]
pub enum StorageType {
    #[napi(value = "GOOGLE_BIGQUERY")]
    GOOGLE_BIGQUERY,
    #[napi(value = "AWS_ATHENA")]
    AWS_ATHENA,
}
