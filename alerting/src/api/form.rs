//! `application/x-www-form-urlencoded`, as browsers and Twilio send it.

/// Its fields in order; what is no UTF-8 after decoding is left out.
pub(super) fn fields(form: &[u8]) -> Vec<(String, String)> {
    let Ok(form) = std::str::from_utf8(form) else {
        return Vec::new();
    };
    form.split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// The first value of a field.
pub(super) fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(field, _)| field == name)?;
    Some(&found.1)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                high << 4 | low
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_broken_ones_are_left_out() {
        let found = fields("do=note&text=%E9%87%8D%E5%90%AF+b%21&x=%FF&y=%4&z&=1".as_bytes());
        let of = |name| value(&found, name);
        assert_eq!(of("do"), Some("note"));
        assert_eq!(of("text"), Some("重启 b!"));
        assert_eq!((of("x"), of("y")), (None, None));
        assert_eq!((of("z"), of("")), (Some(""), Some("1")));
        assert!(fields(b"\xff=1").is_empty());
    }
}
