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
}

impl Feature {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Feature; 3] = [Feature::Figure, Feature::Plot, Feature::Widget];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Figure => "figure",
            Self::Plot => "plot",
            Self::Widget => "widget",
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
        Feature::ALL
            .into_iter()
            .filter(move |feature| self.has(*feature))
            .map(Feature::name)
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
    }
}
