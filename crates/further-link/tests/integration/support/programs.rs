//! Programs of `examples/` and `tests/programs/`, run by a server of their own in the Python
//! environment for tests, and a client that gathers what comes of them.

use further_link_testkit::{Client, DEADLINE, TestServer, descendants_of, names_in, wait_for};
use serde_json::{Value, json};
use std::fmt;
use std::io::Write as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// What the client shows (`docs/protocol.md` section 11).
pub const FEATURES: &str = "features=figure,plot,widget";

fn workspace() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.nth(2).unwrap().to_owned()
}

/// The virtual environment with numpy, Pillow, OpenCV and matplotlib.
pub fn venv() -> PathBuf {
    let venv = match std::env::var_os("FURTHER_LINK_TEST_VENV") {
        Some(path) => PathBuf::from(path),
        None => workspace().join("target/venv"),
    };
    assert!(
        venv.join("bin/python3").exists(),
        "There is no Python environment in {}: `make deps` makes it, or set FURTHER_LINK_TEST_VENV.",
        venv.display()
    );
    std::path::absolute(venv).unwrap()
}

/// A folder that all tests share, with matplotlib's list of fonts: making it takes seconds.
fn matplotlib_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("matplotlib");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let is_made = |name: &String| name.starts_with("fontlist");
    if !names_in(&folder).iter().any(is_made) {
        let made = Command::new(venv().join("bin/python3"))
            .args(["-c", "import matplotlib.font_manager"])
            .env("MPLCONFIGDIR", &folder)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
    }
    folder
}

/// How the server of a [`Session`] is started.
pub struct Programs {
    venv: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Programs {
    /// With the Python environment for tests.
    pub fn new() -> Self {
        Self {
            venv: Some(venv()),
            environment: Vec::new(),
        }
    }

    /// With another virtual environment, or with none.
    pub fn in_venv(venv: Option<&Path>) -> Self {
        Self {
            venv: venv.map(Path::to_owned),
            environment: Vec::new(),
        }
    }

    /// With a variable in `run.environment`.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts a server, which has copies of all programs in its work folder.
    pub fn server(&self) -> TestServer {
        let mut variables = self.environment.clone();
        if variables.iter().all(|(name, _)| name != "MPLCONFIGDIR") {
            let folder = matplotlib_folder().display().to_string();
            variables.push(("MPLCONFIGDIR".to_owned(), folder));
        }
        let rows: Vec<_> = variables
            .iter()
            .map(|(name, value)| format!("{name} = {}", json!(value)))
            .collect();
        let setting = format!("run.environment={{{}}}", rows.join(", "));
        let server = TestServer::start_with(&["--set", &setting], |command| {
            if let Some(venv) = &self.venv {
                command.env("FURTHER_VENV", venv);
            }
        });
        std::fs::create_dir_all(server.work_dir()).unwrap();
        for folder in ["examples", "tests/programs"] {
            let copied = Command::new("cp")
                .arg("-r")
                .args([&workspace().join(folder), &server.work_dir()])
                .status();
            assert!(copied.unwrap().success());
        }
        server
    }

    /// Starts a program on a server of its own, and waits for `started`.
    pub async fn start(&self, query: &str, data: Value) -> Session {
        let server = self.server();
        let mut client = server.connect(&format!("/run?{query}")).await;
        client.start_data("p", data).await;
        client.expect("started").await;
        Session {
            client,
            server,
            seen: Seen::default(),
        }
    }

    /// Runs a Python file by its path, for a client that shows everything.
    pub async fn file(&self, path: &str) -> Session {
        self.start(FEATURES, json!({"runner": "python3", "path": path}))
            .await
    }

    /// Runs Python code, for a client that shows everything.
    pub async fn code(&self, code: &str) -> Session {
        self.start(FEATURES, json!({"runner": "python3", "code": code}))
            .await
    }
}

/// The text of a program.
pub fn source(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap()
}

/// All that came of a program so far.
#[derive(Default)]
pub struct Seen {
    pub stdout: String,
    pub stderr: String,
    /// Keys that it wants to be told of.
    pub keys: Vec<String>,
    /// Its video: files in base64.
    pub pictures: Vec<String>,
    /// Each message.
    pub figures: Vec<Value>,
    /// Each message.
    pub plots: Vec<Value>,
    /// What is known of each widget, in the order in which they appeared.
    pub widgets: Vec<Value>,
    pub exit_code: Option<i64>,
}

impl Seen {
    fn take(&mut self, message: &Value) {
        let data = &message["data"];
        let output = || data["output"].as_str().unwrap();
        match message["type"].as_str().unwrap() {
            "stdout" => self.stdout.push_str(output()),
            "stderr" => self.stderr.push_str(output()),
            "keylisten" => self.keys.push(output().to_owned()),
            "video" => self.pictures.push(output().to_owned()),
            "figure" => self.figures.push(data.clone()),
            "plot" => self.plots.push(data.clone()),
            "widget" => match self.widgets.iter_mut().find(|old| old["id"] == data["id"]) {
                Some(old) => *old = data.clone(),
                None => self.widgets.push(data.clone()),
            },
            "stopped" => self.exit_code = data["exitCode"].as_i64(),
            _ => panic!("unexpected {message}"),
        }
    }

    /// Lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// The widget with this label, or null.
    pub fn widget(&self, label: &str) -> &Value {
        let mut widgets = self.widgets.iter();
        let found = widgets.find(|widget| widget["label"] == label);
        found.unwrap_or(&Value::Null)
    }

    /// The last message about the figure with this number, or null.
    pub fn figure(&self, number: i64) -> &Value {
        let mut figures = self.figures.iter().rev();
        let found = figures.find(|figure| figure["figure"] == number);
        found.unwrap_or(&Value::Null)
    }

    /// The last picture of the video.
    pub fn last_picture(&self) -> Picture {
        Picture::decode(self.pictures.last().expect("there are pictures"))
    }

    /// What a figure shows now. Its size has to be what was said.
    pub fn figure_picture(&self, number: i64) -> Picture {
        let figure = self.figure(number);
        assert_eq!(figure["closed"], false, "{self}");
        let picture = Picture::decode(figure["image"].as_str().unwrap());
        assert_eq!(figure["format"], picture.format.to_lowercase());
        assert_eq!(figure["width"], picture.width);
        assert_eq!(figure["height"], picture.height);
        picture
    }

    /// All points that were sent for a curve.
    pub fn curve(&self, plot: &str, curve: &str) -> (Vec<f64>, Vec<f64>) {
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for data in self.plots.iter().filter(|data| data["name"] == plot) {
            let series = data["series"].as_array().unwrap().iter();
            for series in series.filter(|series| series["name"] == curve) {
                let numbers = |list: &Value| -> Vec<f64> {
                    let list = list.as_array().unwrap().iter();
                    list.map(|number| number.as_f64().unwrap()).collect()
                };
                xs.extend(numbers(&series["x"]));
                ys.extend(numbers(&series["y"]));
            }
        }
        (xs, ys)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stdout: {}\nstderr: {}", self.stdout, self.stderr)?;
        writeln!(
            f,
            "keys: {:?}, {} pictures, {} plots, widgets:",
            self.keys,
            self.pictures.len(),
            self.plots.len()
        )?;
        for widget in &self.widgets {
            writeln!(f, "    {widget}")?;
        }
        for figure in &self.figures {
            let mut figure = figure.clone();
            if let Some(image) = figure["image"].as_str() {
                figure["image"] = format!("{} characters", image.len()).into();
            }
            writeln!(f, "    {figure}")?;
        }
        write!(f, "exit code: {:?}", self.exit_code)
    }
}

/// A program that runs, and its client. What came of it so far is what this dereferences to.
pub struct Session {
    // Before the server, which waits for its clients when it ends.
    client: Client,
    pub server: TestServer,
    seen: Seen,
}

impl Deref for Session {
    type Target = Seen;

    fn deref(&self) -> &Seen {
        &self.seen
    }
}

impl Session {
    /// Reads until `condition` holds for what came so far.
    pub async fn until(&mut self, what: &str, mut condition: impl FnMut(&Seen) -> bool) {
        use futures_util::StreamExt as _;
        let end = Instant::now() + DEADLINE;
        while !condition(&self.seen) {
            let over = self.seen.exit_code.is_some();
            assert!(!over, "over, and not: {what}\n{}", self.seen);
            let next = tokio::time::timeout_at(end.into(), self.client.socket.next()).await;
            // A program that goes on sending is never waited for.
            let (Ok(next), true) = (next, Instant::now() < end) else {
                panic!("waited in vain: {what}\n{}", self.seen);
            };
            match next.expect("the connection is open").unwrap() {
                Message::Text(text) => self.seen.take(&serde_json::from_str(&text).unwrap()),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} instead of: {what}\n{}", self.seen),
            }
        }
    }

    /// Reads until standard output contains this.
    pub async fn until_printed(&mut self, text: &str) {
        self.until(text, |seen| seen.stdout.contains(text)).await;
    }

    /// Reads until `condition` holds for a picture of the video.
    pub async fn until_picture(&mut self, what: &str, condition: impl Fn(&Picture) -> bool) {
        let mut looked_at = 0;
        self.until(what, |seen| {
            let new = seen.pictures.len() > looked_at;
            looked_at = seen.pictures.len();
            new && condition(&seen.last_picture())
        })
        .await;
    }

    /// The same for a picture of this figure.
    pub async fn until_figure(
        &mut self,
        figure: i64,
        what: &str,
        condition: impl Fn(&Picture) -> bool,
    ) {
        let mut looked_at = 0;
        self.until(what, |seen| {
            let new = seen.figures.len() > looked_at;
            looked_at = seen.figures.len();
            new && seen.figure(figure)["closed"] == false && condition(&seen.figure_picture(figure))
        })
        .await;
    }

    /// Reads to the program's end, which has to come by itself with this exit status. Nothing may
    /// be left of it.
    pub async fn ends_with(&mut self, exit_code: i64) {
        self.until("the program ends", |seen| seen.exit_code.is_some())
            .await;
        assert_eq!(self.exit_code, Some(exit_code), "{}", self.seen);
        let spawner = self.server.spawner_pid();
        // Without cgroups a supervisor ends just after `stopped`.
        wait_for("nothing is left of the program", || {
            descendants_of(spawner).is_empty()
        });
        assert_eq!(names_in(&self.server.temp_dir()), [""; 0]);
    }

    /// As [`Session::ends_with`] status 0, and nothing was said on standard error.
    pub async fn ends_well(&mut self) {
        self.ends_with(0).await;
        assert_eq!(self.stderr, "", "{}", self.seen);
    }

    async fn send(&mut self, kind: &str, data: Value) {
        self.client
            .send(json!({"type": kind, "process": "p", "data": data}))
            .await;
    }

    pub async fn stdin(&mut self, input: &str) {
        self.client.stdin("p", input).await;
    }

    pub async fn stop(&mut self) {
        self.client.stop("p").await;
    }

    /// `event` is `keydown` or `keyup`.
    pub async fn key(&mut self, key: &str, event: &str) {
        self.send("keyevent", json!({"key": key, "event": event}))
            .await;
    }

    /// The person uses a widget; without a value for `press` and `release`.
    pub async fn use_widget(&mut self, label: &str, event: &str, value: Option<Value>) {
        let id = self.widget(label)["id"].clone();
        assert!(id.is_string(), "{label}\n{}", self.seen);
        let mut data = json!({"id": id, "event": event});
        if let Some(value) = value {
            data["value"] = value;
        }
        self.send("widgetevent", data).await;
    }

    /// The person closes a figure.
    pub async fn close_figure(&mut self, number: i64) {
        let id = self.figure(number)["id"].clone();
        assert!(id.is_string(), "{number}\n{}", self.seen);
        self.send("figureevent", json!({"id": id, "event": "close"}))
            .await;
    }
}

/// A decoded picture.
pub struct Picture {
    /// `JPEG` or `PNG`.
    pub format: String,
    pub width: usize,
    pub height: usize,
    /// Red, green and blue, row by row.
    pixels: Vec<u8>,
}

impl Picture {
    /// A text in base64.
    pub fn text(base64: &str) -> String {
        const DECODER: &str = "import base64, sys\n\
            sys.stdout.buffer.write(base64.b64decode(sys.stdin.read(), validate=True))";
        String::from_utf8(python(DECODER, base64)).unwrap()
    }

    /// Decodes a file in base64, by way of Python.
    pub fn decode(base64: &str) -> Self {
        const DECODER: &str = "import base64, io, sys\n\
            from PIL import Image\n\
            image = Image.open(io.BytesIO(base64.b64decode(sys.stdin.read(), validate=True)))\n\
            sys.stdout.write(f'{image.format} {image.width} {image.height}\\n')\n\
            sys.stdout.flush()\n\
            sys.stdout.buffer.write(image.convert('RGB').tobytes())";
        let output = python(DECODER, base64);
        let end = output.iter().position(|byte| *byte == b'\n').unwrap();
        let (head, pixels) = output.split_at(end);
        let head = String::from_utf8(head.to_vec()).unwrap();
        let words: Vec<_> = head.split(' ').collect();
        Self {
            format: words[0].to_owned(),
            width: words[1].parse().unwrap(),
            height: words[2].parse().unwrap(),
            pixels: pixels[1..].to_vec(),
        }
    }

    /// Its format and size.
    pub fn kind(&self) -> (&str, usize, usize) {
        (&self.format, self.width, self.height)
    }

    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let start = (y * self.width + x) * 3;
        self.pixels[start..start + 3].try_into().unwrap()
    }

    /// The pixel there has about this colour: JPEG does not keep it exactly.
    pub fn assert_pixel(&self, x: usize, y: usize, colour: [u8; 3]) {
        let found = self.pixel(x, y);
        assert!(is_close(found, colour), "{found:?} at {x}, {y}");
    }

    /// How many pixels have about this colour.
    pub fn count(&self, colour: [u8; 3]) -> usize {
        let pixels = self.pixels.chunks_exact(3);
        pixels
            .filter(|pixel| is_close([pixel[0], pixel[1], pixel[2]], colour))
            .count()
    }
}

/// What Python code makes of an input.
fn python(code: &str, input: &str) -> Vec<u8> {
    let mut python = Command::new(venv().join("bin/python3"))
        .args(["-I", "-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads all before it writes anything.
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "this cannot be read: {input:.60}");
    output.stdout
}

fn is_close(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter()
        .zip(other)
        .all(|(one, other)| one.abs_diff(other) <= 24)
}
