use super::*;
use serde_json::Value;
use std::fs;

fn server_info() -> ServerInfo {
    ServerInfo {
        version: "1.2.3".to_owned(),
        programs: 7,
        work: Some("/".into()),
    }
}

fn data(sample: &Sample) -> Value {
    serde_json::from_str(&sample.json).unwrap()
}

#[tokio::test]
async fn first_sample_comes_at_once_and_second_has_load() {
    let device = Device::new("/");
    let mut watcher = device.watch(server_info).unwrap();
    let first = watcher.next().await.unwrap();
    let value = data(&first);
    assert_eq!(value["version"], "1.2.3");
    assert_eq!(value["programs"], 7);
    assert_eq!(value["cpu"]["load"], Value::Null);
    assert!(value["disk"]["total"].as_u64().unwrap() > 0);
    let since = Instant::now();
    let second = watcher.next().await.unwrap();
    assert!(since.elapsed() < SAMPLE_INTERVAL / 2);
    let load = data(&second)["cpu"]["load"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&load));
    // Whoever comes later has it without waiting, and after a pause too.
    let mut late = device.watch(server_info).unwrap();
    assert!(late.next().await.unwrap().is_complete);
    drop((watcher, late));
    let mut again = device.watch(server_info).unwrap();
    assert_eq!(again.next().await.unwrap().json, second.json);
}

#[tokio::test]
async fn sampler_is_shared_and_runs_only_while_watched() {
    let device = Device::new("/");
    let is_running = || device.running.lock().unwrap().upgrade().is_some();
    assert!(!is_running());
    let mut one = device.watch(server_info).unwrap();
    let mut other = device.watch(server_info).unwrap();
    let sample = one.next().await.unwrap();
    // The same bytes, not only equal ones.
    assert_eq!(
        other.next().await.unwrap().json.as_ptr(),
        sample.json.as_ptr()
    );
    let task = device
        .running
        .lock()
        .unwrap()
        .upgrade()
        .unwrap()
        .task
        .clone();
    drop(one);
    assert!(is_running());
    drop(other);
    assert!(!is_running());
    let end = async {
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), end)
        .await
        .expect("it goes on without anybody");
}

#[tokio::test]
async fn watchers_are_limited() {
    let device = Device::new("/");
    let mut watchers: Vec<_> = (0..MAX_WATCHERS)
        .map(|_| device.watch(server_info).unwrap())
        .collect();
    assert!(device.watch(server_info).is_none());
    watchers.pop();
    assert!(device.watch(server_info).is_some());
}

/// A device whose first file is a pipe that nobody fills.
struct Stuck(PathBuf);

impl Drop for Stuck {
    fn drop(&mut self) {
        // Readers that wait get an end, so that the runtime's does not wait for them.
        let pipe = fs::OpenOptions::new()
            .write(true)
            .open(self.0.join("proc/stat"));
        drop(pipe);
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn hanging_files_block_one_thread() {
    let root = std::env::temp_dir().join(format!("further-link-stuck-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("proc")).unwrap();
    let pipe = root.join("proc/stat");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let device = Device::new(root.to_str().unwrap());
    let _stuck = Stuck(root);
    let blocked = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let turns = Arc::clone(&device.shared.turn);
    for _ in 0..20 {
        let watcher = device.watch(server_info).unwrap();
        while turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        drop(watcher);
        // Nobody watches; the reading goes on, and holds its turn.
        tokio::task::yield_now().await;
        assert_eq!(turns.available_permits(), 0);
    }
    assert!(blocked() <= 1, "{}", blocked());
}
