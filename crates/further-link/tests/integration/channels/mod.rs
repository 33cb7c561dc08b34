//! IO channels of jobs: keys, video, figures, plots and widgets (`docs/protocol.md` section 6).

mod directory;
mod end;
mod examples;
mod legacy;
mod limits;
mod matplotlib;
mod messages;
mod video;
