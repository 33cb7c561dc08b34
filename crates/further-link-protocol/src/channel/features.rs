//! Additions to the protocol that a client has to ask for, so that one that does not know them
//! never sees them (`docs/protocol.md` section 11).

use super::{CHANNELS, Channel};
use serde::ser::{Serialize, Serializer};

/// One addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The messages of a channel.
    Channel(Channel),
    /// `start` with arguments and a choice of terminal (`docs/protocol.md` section 2). They are
    /// taken from every client; that the server lists the feature tells one that they will be.
    Start,
}

/// The name of [`Feature::Start`] on the wire.
const START_NAME: &str = "start";

impl Feature {
    fn bit(self) -> u16 {
        match self {
            Self::Channel(channel) => 1 << channel as u16,
            Self::Start => 1 << CHANNELS.len(),
        }
    }

    /// Returns every feature with its name, in the order in which they are listed.
    fn all() -> impl Iterator<Item = (Self, &'static str)> {
        let channels = CHANNELS
            .iter()
            .filter_map(|spec| Some((Self::Channel(spec.channel), spec.feature?)));
        channels.chain([(Self::Start, START_NAME)])
    }
}

/// The additions that one client knows. Serializes as the list of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    bits: u16,
}

impl Features {
    /// Returns those of `names` that there are; unknown ones are ignored.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut features = Self::default();
        names.into_iter().for_each(|name| features.add(name));
        features
    }

    /// Adds the one of that name, if there is one.
    pub(crate) fn add(&mut self, name: &str) {
        if let Some((feature, _)) = Feature::all().find(|(_, known)| *known == name) {
            self.bits |= feature.bit();
        }
    }

    /// Returns whether `feature` is one of them.
    pub fn has(self, feature: Feature) -> bool {
        self.bits & feature.bit() != 0
    }

    /// Returns whether a client that knows these is sent the messages of `channel`.
    pub fn include(self, channel: Channel) -> bool {
        channel.spec().feature.is_none() || self.has(Feature::Channel(channel))
    }

    /// Returns their names, in the order of the table.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Feature::all()
            .filter(move |(feature, _)| self.has(*feature))
            .map(|(_, name)| name)
    }

    /// Returns those of them that a program is told of, as it then can show more.
    pub(super) fn of_channels(mut self) -> Self {
        self.bits &= !Feature::Start.bit();
        self
    }
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_ignore_unknown_names() {
        let features = Features::from_names(["widget", "figure", "figure", "", "Plot", "hologram"]);
        assert!(features.include(Channel::Figure) && features.include(Channel::Widget));
        assert!(!features.include(Channel::Plot));
        assert_eq!(features.names().collect::<Vec<_>>(), ["figure", "widget"]);

        let features = Features::from_names(["start", "plot"]);
        assert_eq!(features.names().collect::<Vec<_>>(), ["plot", "start"]);
        let for_programs: Vec<_> = features.of_channels().names().collect();
        assert_eq!(for_programs, ["plot"]);
    }

    #[test]
    fn channels_without_feature_are_for_every_client() {
        assert!(Features::default().include(Channel::Keys));
        assert!(Features::default().include(Channel::Video));
        assert!(!Features::default().include(Channel::Figure));
    }
}
