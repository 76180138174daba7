//! Strings on the stack.

/// A string with a terminator, of at most `LEN` bytes with it.
pub struct Text<const LEN: usize> {
    bytes: [u8; LEN],
    len: usize,
}

impl<const LEN: usize> Text<LEN> {
    /// These parts, one behind the other. `None` if they do not fit.
    pub fn of(parts: &[&[u8]]) -> Option<Text<LEN>> {
        let mut text = Text { bytes: [0; LEN], len: 0 };
        for part in parts {
            let end = text.len.checked_add(part.len())?;
            let room = text.bytes.get_mut(text.len..end)?;
            room.iter_mut().zip(*part).for_each(|(to, from)| *to = *from);
            text.len = end;
        }
        (text.len < LEN).then_some(text)
    }

    /// With the terminator, and what is behind it.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..=self.len).unwrap_or_default()
    }

    /// Without it.
    pub fn without_end(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
