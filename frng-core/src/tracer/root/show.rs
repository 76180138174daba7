//! Names of the host as they are seen from another root.

use super::open;
use crate::tracer::thread::Thread;

impl Thread {
    /// What a path of the host, as the kernel tells it, is called inside. `None` if it is not in there.
    pub(in crate::tracer) fn seen_place(&self, place: &[u8]) -> Option<Vec<u8>> {
        let rooted = self.rooted.borrow();
        let root = match &rooted.root {
            Some(root) => open::place(&*root.fd).ok()?,
            None => b"/".to_vec(),
        };
        inside(&root, place).or_else(|| rooted.mounts.seen_at(place, &root))
    }
}

/// A path without the root before it.
pub fn inside(root: &[u8], place: &[u8]) -> Option<Vec<u8>> {
    if root == b"/" {
        return (place.first() == Some(&b'/')).then(|| place.to_vec());
    }
    match place.strip_prefix(root)? {
        b"" => Some(b"/".to_vec()),
        rest if rest[0] == b'/' => Some(rest.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn what_is_inside_is_told_without_the_root() {
        assert_eq!(inside(b"/r", b"/r/a/b"), Some(b"/a/b".to_vec()));
        assert_eq!(inside(b"/r", b"/r"), Some(b"/".to_vec()));
        assert_eq!(inside(b"/r", b"/root"), None);
        assert_eq!(inside(b"/r", b"pipe:[1]"), None);
        assert_eq!(inside(b"/", b"/a"), Some(b"/a".to_vec()));
    }
}
