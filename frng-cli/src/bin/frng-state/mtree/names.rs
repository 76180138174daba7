//! Names as vis(3) writes them: bytes that could be mistaken are `\ooo`.

/// A name without bytes that mean something in a manifest.
pub fn encode(name: &[u8]) -> String {
    let mut text = String::new();
    for byte in name {
        match byte {
            b'\\' | b'#' | b'=' | b'*' | b'?' | b'[' | b']' | 0..=b' ' | 0x7f.. => {
                text.push_str(&format!("\\{byte:03o}"))
            }
            _ => text.push(char::from(*byte)),
        }
    }
    text
}

/// The bytes of a name; `None` if a backslash is followed by nothing known.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'\\' {
            name.push(*byte);
            continue;
        }
        let digits = rest.iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
        if digits == 3 {
            let value = rest[..3].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            name.push(u8::try_from(value).ok()?);
            rest = &rest[3..];
            continue;
        }
        let (letter, after) = rest.split_first()?;
        name.push(match letter {
            b'\\' | b'#' | b'=' | b' ' | b'"' => *letter,
            b's' => b' ',
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'v' => 11,
            b'f' => 12,
            b'0' => 0,
            _ => return None,
        });
        rest = after;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
        let text = encode(&all);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{text}");
        assert_eq!(decode(text.as_bytes()), Some(all));
        assert_eq!(decode(b"a\\sb\\\\\\040\\n"), Some(b"a b\\ \n".to_vec()));
        assert_eq!(decode(b"a\\"), None);
        assert_eq!(decode(b"a\\777"), None);
        assert_eq!(decode(b"a\\x"), None);
    }
}
