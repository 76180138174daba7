//! Telling the agent of a process what it must know to answer: [`Local`].
//!
//! [`Local`]: crate::inside::local::Local

use std::rc::Rc;

use zerocopy::IntoBytes;

use super::ptrace;
use super::root;
use super::thread::Thread;
use crate::inside::layout;
use crate::inside::local::{CONTENT_OFFSET, Content, GROUPS_MAX, GROUPS_OFFSET};

/// Tells the agent that shares this thread's memory what is faked of the thread. If the other threads that share it are
/// not the same, the agent answers nothing until they are.
pub fn tell(thread: &Thread) {
    let space = Rc::clone(&thread.space.borrow());
    if !space.has_agent() {
        return;
    }
    let members: Vec<_> = {
        let threads = thread.world.threads.borrow();
        threads.values().filter_map(|other| other.upgrade()).collect()
    };
    let mut sharing = members.iter().filter(|other| Rc::ptr_eq(&space, &other.space.borrow()));
    let alone = sharing.clone().count() == 1 && !space.files_shared.get();
    let uniform = sharing.all(|other| same(thread, other));
    let groups = thread.groups.borrow();
    // Where paths are looked at closely that is the tracer's, which has room for it.
    let by_path = thread.is_restricted() || thread.leaves_any();
    let usable = uniform && groups.len() <= GROUPS_MAX && !by_path && !space.put_back.get();
    space.uniform.set(uniform);
    let mut content = Content::new();
    content.usable = usable.into();
    content.group_count = groups.len() as u32;
    let Some(abi) = thread.world.agents_abi(thread) else { return };
    content.counters = if thread.world.stats.is_some() { thread.world.trampoline.counters_address(abi) } else { 0 };
    content.rooted = thread.is_rooted().into();
    content.alone = alone.into();
    content.daemon = std::process::id();
    content.root_fd = thread.root_fd();
    content.mounts = thread.mount_names();
    content.lies_len = thread.world.lies_len;
    content.set_lacks(thread.home.get().lacks());
    content.set_creds(&thread.creds.get());
    content.set_process(&thread.process.get());
    content.set_settings(&thread.settings);
    let changing = space.told.get().wrapping_add(1);
    let changed = changing.wrapping_add(1);
    space.told.set(changed);
    let at = abi.trampoline_address() + layout::LOCAL;
    let groups = groups.get(..groups.len().min(GROUPS_MAX)).unwrap_or_default();
    // In this order. If the process is gone nobody needs to know.
    ptrace::write_pieces(
        thread.tid,
        &[
            (at, changing.as_bytes()),
            (at + CONTENT_OFFSET as u64, content.as_bytes()),
            (at + GROUPS_OFFSET as u64, groups.as_bytes()),
            (at, changed.as_bytes()),
        ],
    );
}

/// Whether two threads are the same to the agent.
fn same(one: &Thread, other: &Thread) -> bool {
    one.creds.get() == other.creds.get()
        && one.process.get() == other.process.get()
        && Rc::ptr_eq(&one.settings, &other.settings)
        && *one.groups.borrow() == *other.groups.borrow()
        && root::same_root(one, other)
}
