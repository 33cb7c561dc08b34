//! What of the device's state becomes part of a program's environment.

/// Where X servers put their sockets: `X0`, `X1`, … (`Xserver(1)`).
const X_SOCKETS_DIR: &str = "/tmp/.X11-unix";
/// The search path of an account when the server itself was given none (`login.defs(5)`).
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of the server that programs get too: language and time zone belong to the device, all
/// others may hold secrets of the server.
const INHERITED_VARIABLES: [&str; 3] = ["LANG", "LANGUAGE", "TZ"];

/// Returns the first X display of the device, as `DISPLAY` names it, or `None`.
pub fn first_display() -> Option<String> {
    std::fs::read_dir(X_SOCKETS_DIR)
        .ok()?
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix('X')?.parse::<u32>().ok()
        })
        .min()
        .map(|number| format!(":{number}"))
}

/// Returns the part of the server's own environment that every program gets: `PATH`, language, time
/// zone and the variables in `configured`.
pub(crate) fn passed_on(configured: &[String]) -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            name == "PATH"
                || INHERITED_VARIABLES.contains(&name.as_str())
                || name.starts_with("LC_")
                || configured.contains(name)
        })
        .collect()
}
