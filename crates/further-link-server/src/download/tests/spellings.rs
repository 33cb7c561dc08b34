//! Addresses in all the ways in which they can be written, made up.

use super::*;
use crate::download::request;
use proptest::prelude::*;
use std::net::Ipv6Addr;
use url::{Host, Url};

/// Returns the addresses that a page must never get at, as the parser of addresses takes them.
fn near_v4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        (0x7f00_0000_u32..=0x7fff_ffff),
        (0x0a00_0000_u32..=0x0aff_ffff),
        (0xac10_0000_u32..=0xac1f_ffff),
        (0xc0a8_0000_u32..=0xc0a8_ffff),
        (0xa9fe_0000_u32..=0xa9fe_ffff),
        (0x6440_0000_u32..=0x647f_ffff),
        (0x0000_0000_u32..=0x00ff_ffff),
        (0xe000_0000_u32..=0xffff_ffff),
    ]
    .prop_map(Ipv4Addr::from_bits)
}

/// Returns a number in one of the ways in which a part of an address may be written.
fn number(value: u32, way: u8, zeros: usize) -> String {
    match way % 4 {
        0 => value.to_string(),
        1 => format!("0x{}{value:x}", "0".repeat(zeros)),
        2 => format!("0X{value:X}"),
        _ => format!("0{}{value:o}", "0".repeat(zeros)),
    }
}

/// Any spelling of an address of IPv4.
fn spelling(ip: Ipv4Addr, parts: usize, ways: [u8; 4], zeros: usize, dot: bool) -> String {
    let octets = ip.octets();
    let mut text: Vec<_> = octets[..parts - 1]
        .iter()
        .zip(ways)
        .map(|(octet, way)| number(u32::from(*octet), way, zeros))
        .collect();
    let rest = octets[parts - 1..]
        .iter()
        .fold(0, |rest, octet| rest << 8 | u32::from(*octet));
    text.push(number(rest, ways[3], zeros));
    format!("{}{}", text.join("."), if dot { "." } else { "" })
}

/// Returns the characters as percent codes or in full width, which the parser takes for the same.
fn disguise(text: &str, ways: &[u8]) -> String {
    text.chars()
        .zip(ways.iter().cycle())
        .map(|(character, way)| match way % 3 {
            1 => format!("%{:02x}", u32::from(character)),
            2 if character.is_ascii_graphic() => {
                char::from_u32(u32::from(character) + 0xfee0).map_or_else(String::new, String::from)
            }
            _ => character.to_string(),
        })
        .collect()
}

fn is_refused(host: &str) -> Result<(), TestCaseError> {
    let url = format!("http://{host}/");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let file = File::from(memfd_create("download", MFdFlags::MFD_CLOEXEC).unwrap());
    let resolver = Table::with([]);
    let result = runtime.block_on(closed(Arc::clone(&resolver)).fetch(&url, file));
    let refused = matches!(result, Err(DownloadError::Forbidden(_)));
    prop_assert!(refused, "{url}: {result:?}");
    prop_assert!(resolver.asked().is_empty(), "{url} was looked up");
    Ok(())
}

proptest! {
    #[test]
    fn private_address_is_forbidden_in_every_spelling(
        ip in near_v4(),
        parts in 1_usize..=4,
        ways in any::<[u8; 4]>(),
        zeros in 0_usize..4,
        dot in any::<bool>(),
        disguises in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let plain = spelling(ip, parts, ways, zeros, dot);
        let host = disguise(&plain, &disguises);
        let url = Url::parse(&format!("http://{host}/")).unwrap();
        prop_assert_eq!(url.host(), Some(Host::Ipv4(ip)), "{} of {}", host, plain);
        is_refused(&host)?;
    }

    #[test]
    fn ipv6_address_that_maps_to_private_one_is_forbidden(
        ip in near_v4(),
        way in 0_usize..5,
        dotted in any::<bool>(),
        long in any::<bool>(),
    ) {
        let low = u128::from(ip.to_bits());
        let v6 = Ipv6Addr::from_bits(match way {
            0 => low,
            1 => 0xffff << 32 | low,
            2 => 0x0064_ff9b << 96 | low,
            3 => 0x2002 << 112 | low << 80 | 1,
            _ => 0x2001_0000_u128 << 96 | !low & 0xffff_ffff,
        });
        let text = if long {
            v6.segments().map(|segment| format!("{segment:04X}")).join(":")
        } else if dotted && way < 3 {
            let prefix = ["::", "::ffff:", "64:ff9b::"][way];
            format!("{prefix}{ip}")
        } else {
            v6.to_string()
        };
        is_refused(&format!("[{text}]"))?;
    }

    /// Whatever an address holds: a request or an error comes of it, and the error tells no secret.
    #[test]
    fn error_messages_omit_secrets_of_urls(
        path in "[ -~é]{0,40}",
        scheme in "(http|https|ftp|file|x)",
        user in "([a-z]{1,5}(:SECRET)?@)?",
        host in "(localhost|127\\.0\\.0\\.1|a\\.example|\\[::1\\]|%31|a b)",
    ) {
        let text = format!("{scheme}://{user}{host}:1/SECRET{path}?SECRET#SECRET");
        if let Ok(url) = Url::parse(&text) && let Err(error) = request(&url) {
            prop_assert!(!error.to_string().contains("SECRET"), "{error}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let file = File::from(memfd_create("download", MFdFlags::MFD_CLOEXEC).unwrap());
        let error = runtime.block_on(closed(Table::with([])).fetch(&text, file)).unwrap_err();
        prop_assert!(!error.to_string().contains("SECRET"), "{}", error);
        prop_assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}
