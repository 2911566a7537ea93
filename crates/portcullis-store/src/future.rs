//! The future that the methods of the store return.
//! Never: a future that borrows its request.

use std::future::Future;
use std::pin::Pin;

use crate::error::StoreError;

/// The pending result of a method of the store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
