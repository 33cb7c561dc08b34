//! Additions to the protocol that a client has to ask for, so that one that does not know them never sees
//! them (`docs/protocol.md` section 11).

/// One addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Pictures of figures.
    Figure,
    /// Points of live plots.
    Plot,
    /// Buttons, sliders and the like.
    Widget,
    /// `start` with arguments and a choice of terminal (`docs/protocol.md` section 2). They are taken from every client;
    /// that the server lists the feature tells one that they will be.
    Start,
}

impl Feature {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Feature; 4] = [
        Feature::Figure,
        Feature::Plot,
        Feature::Widget,
        Feature::Start,
    ];

    /// Whether a program is told that its client has it, as it then can show more.
    pub(crate) fn is_for_programs(self) -> bool {
        !matches!(self, Self::Start)
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Figure => "figure",
            Self::Plot => "plot",
            Self::Widget => "widget",
            Self::Start => "start",
        }
    }
}

/// The additions that one client knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    bits: u8,
}

impl Features {
    /// Those of `names` that there are.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut features = Self::default();
        names.into_iter().for_each(|name| features.add(name));
        features
    }

    /// Adds the one of that name, if there is one.
    pub(crate) fn add(&mut self, name: &str) {
        for feature in Feature::ALL {
            if feature.name() == name {
                self.bits |= 1 << feature as u8;
            }
        }
    }

    /// Whether `feature` is one of them.
    pub fn has(self, feature: Feature) -> bool {
        self.bits & (1 << feature as u8) != 0
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.all().map(Feature::name)
    }

    /// The names of those that programs are told of.
    pub(crate) fn names_for_programs(self) -> impl Iterator<Item = &'static str> {
        self.all()
            .filter(|feature| feature.is_for_programs())
            .map(Feature::name)
    }

    fn all(self) -> impl Iterator<Item = Feature> {
        Feature::ALL
            .into_iter()
            .filter(move |feature| self.has(*feature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_known_count() {
        let features = Features::of_names(["widget", "figure", "figure", "", "Plot", "hologram"]);
        assert!(features.has(Feature::Figure) && features.has(Feature::Widget));
        assert!(!features.has(Feature::Plot));
        assert_eq!(features.names().collect::<Vec<_>>(), ["figure", "widget"]);

        let features = Features::of_names(["start", "plot"]);
        assert_eq!(features.names().collect::<Vec<_>>(), ["plot", "start"]);
        let for_programs: Vec<_> = features.names_for_programs().collect();
        assert_eq!(for_programs, ["plot"]);
    }
}
