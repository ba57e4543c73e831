//! A recording, read back.

use std::fs;
use std::path::{Path, PathBuf};

use tracer_common::kind::NsKind;
use tracer_core::decode;
use tracer_core::model::{Config, Event, Walk};

/// What the kernel programs said on one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// The kernel's release.
    pub(crate) kernel: String,
    /// What it offers.
    pub(crate) config: Config,
    /// What was said, up to each moment of rest.
    pub(crate) scenes: Vec<Scene>,
}

/// What was said from one moment of rest to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    /// Events, in order.
    pub(crate) events: Vec<Event>,
    /// The walk afterwards.
    pub(crate) walk: Walk,
}

impl Recording {
    /// Everything that is stored, by series.
    pub(crate) fn all() -> Vec<(String, Self)> {
        let read = |(series, text): (String, String)| {
            let recording = Self::parse(&series, &text);
            (series, recording)
        };
        texts().into_iter().map(read).collect()
    }

    /// Panics, and says where, at whatever makes no sense.
    fn parse(series: &str, text: &str) -> Self {
        let mut recording = Self {
            kernel: String::new(),
            config: Config {
                kernel_ids: false,
                kernel_counts: false,
            },
            scenes: Vec::new(),
        };
        let mut scene = Scene::default();
        for (index, line) in text.lines().enumerate() {
            let place = format!("{series}, line {}", index + 1);
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let mut words = rest.split_whitespace();
            match kind {
                "#" => {}
                "kernel" => rest.clone_into(&mut recording.kernel),
                "offers" => {
                    recording.config = Config {
                        kernel_ids: rest.contains("ids"),
                        kernel_counts: rest.contains("counts"),
                    };
                }
                "walk" => {
                    for record in decode::walk(&bytes(words)) {
                        scene.walk.extend([record.expect(&place)]);
                    }
                }
                "record" => scene
                    .events
                    .push(decode::event(&bytes(words)).expect(&place)),
                "merge" => {
                    let mut time = || words.next().and_then(|word| word.parse().ok());
                    scene.walk.started_at = time().expect(&place);
                    scene.walk.ended_at = time().expect(&place);
                    let met: Vec<_> = words.collect();
                    scene.walk.all_tasks = met.contains(&"tasks");
                    scene.walk.all_superblocks = met.contains(&"superblocks");
                    scene.walk.all_of = NsKind::ALL.map(|kind| met.contains(&kind.name()));
                    recording.scenes.push(std::mem::take(&mut scene));
                }
                _ => panic!("{place}: a line of a kind that is not known: {kind:?}"),
            }
        }
        assert!(scene.events.is_empty(), "{series}: it ends without a walk");
        recording
    }
}

/// The stored files, by series.
pub(crate) fn texts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of this program")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let series = path.file_stem().expect("a name").to_string_lossy();
        (series.into_owned(), fs::read_to_string(path).expect("text"))
    };
    files.iter().map(read).collect()
}

/// The bytes that these 32-bit words, in hexadecimal, were.
fn bytes<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u8> {
    words
        .map(|word| u32::from_str_radix(word, 16).expect("a number"))
        .flat_map(u32::to_ne_bytes)
        .collect()
}
