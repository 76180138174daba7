//! mock
use crate::{errno::Errno,inode::*,lie::*};
#[allow(missing_docs)]
pub struct SharedTable { base: *mut u8, len: usize }
#[allow(missing_docs)]
impl SharedTable { pub unsafe fn new(base: *mut u8, len: usize) -> SharedTable { SharedTable { base, len } } }
impl LieTable for SharedTable {
 fn get(&self, _: &InodeId) -> Option<Lie> { None }
 fn put(&self, _: &InodeId, _: Lie) -> Result<(), Errno> { let _ = (self.base, self.len); Ok(()) }
 fn forget(&self, _: &InodeId) {}
 fn orphan(&self, _: &InodeId) {}
 fn adopt(&self, _: &InodeId) {}
 fn peek(&self, _: InodeKey) -> Option<Lie> {None}
 fn kinds(&self) -> Kinds { Kinds::default() }
 fn xattr(&self, _: &InodeId, _: &[u8], _: &mut dyn FnMut(&[u8])) -> Result<usize, Errno> { Err(Errno::ENODATA) }
 fn set_xattr(&self, _: &InodeId, _: &[u8], _: usize, _: &mut dyn FnMut(&mut [u8]) -> Result<(), Errno>) -> Result<(), Errno> { Ok(()) }
 fn remove_xattr(&self, _: &InodeId, _: &[u8]) -> Result<(), Errno> { Ok(()) }
 fn xattr_names(&self, _: &InodeId, _: &mut dyn FnMut(&[u8])) {}
}
