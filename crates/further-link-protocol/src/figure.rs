//! A figure that a program shows: a picture that it makes anew when something in it changes.

/// A figure as it is now (`docs/protocol.md` section 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What the program's package calls it, unique in the program.
    pub id: String,
    /// Its number for people.
    pub number: i64,
    /// What stands above it.
    pub title: String,
    /// What `image` is.
    pub format: FigureFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// It is gone; then there is no image.
    pub closed: bool,
    /// A file.
    pub image: Vec<u8>,
}

/// A kind of image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureFormat {
    /// Pixels.
    Png,
    /// Shapes.
    Svg,
}

impl FigureFormat {
    /// The format of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "png" => Some(Self::Png),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}
