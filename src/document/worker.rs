//! Reading that can explode, in processes of its own.
//!
//! A worker is our own program, started as `postern __reader`: it is asked on its standard input and
//! answers on its standard output, one framed message each, with a ceiling on its memory and its
//! processor time. It is used again while it behaves; one that takes too long, or dies, is replaced,
//! and the document gets a fault. Nothing a document does can take the gateway down with it.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::frame::{self, Question};
use super::{Input, Kind, Limits, Part, read};

/// The hidden command that makes the program a worker.
pub const COMMAND: &str = "__reader";

/// Longest message: the largest document and what it may become.
const MESSAGE_MAX: usize = 512 << 20;
/// The stack that a document is read on; most libraries of this trade recurse.
const STACK: usize = 64 << 20;
/// A worker that has read this long in all makes room for a fresh one.
const RETIRES_AFTER: Duration = Duration::from_secs(60);
/// What a worker's allocator takes from the system at a time, in KiB.
const ARENA_KIB: &str = "16384";
/// Processor time beyond that for recognising pictures.
const OCR_MAX: Duration = Duration::from_secs(120);

/// What one worker may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Wall-clock time for one document.
    pub wall: Duration,
    /// Address space, in bytes.
    pub memory: u64,
}

impl Default for Ceilings {
    fn default() -> Ceilings {
        Ceilings { wall: Duration::from_secs(8), memory: 512 << 20 }
    }
}

/// Workers that are started when they are needed, at most so many at a time; safe to share.
#[derive(Debug)]
pub struct Pool {
    program: PathBuf,
    ceilings: Ceilings,
    workers_max: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Worker>,
    busy: usize,
}

impl Pool {
    /// A pool of at most `workers_max` workers; `program` is this program (`std::env::current_exe()`).
    pub fn new(program: PathBuf, workers_max: usize, ceilings: Ceilings) -> Pool {
        Pool { program, ceilings, workers_max: workers_max.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Reads a document like [`super::read()`], in a worker when reading it can explode; blocks until it
    /// is read or given up. Further faults: `TIMED_OUT`, `TOO_LARGE` (out of memory), `BROKEN`.
    pub fn read(&self, input: &Input<'_>, limits: &Limits) -> Vec<Part> {
        if input.bytes.len() > limits.bytes_max || !read::is_risky(input) {
            return read::read(input, limits);
        }
        let wall = self.ceilings.wall + limits.ocr;
        let ask = |worker: &mut Worker| {
            let question = Question::encoded(input.name, input.media_type, input.bytes, limits);
            worker.ask(question, wall)
        };
        let mut worker = match self.worker() {
            Ok(worker) => worker,
            Err(error) => return self.not_started(input, &error),
        };
        let used = !worker.used.is_zero();
        let mut answer = ask(&mut worker);
        if used && matches!(answer, Err(End::Died(_))) {
            // It may have died of something else while it had nothing to do: that is not the document's fault.
            worker = match Worker::start(&self.program, self.ceilings) {
                Ok(worker) => worker,
                Err(error) => return self.not_started(input, &error),
            };
            answer = ask(&mut worker);
        }
        match answer {
            Ok(parts) => {
                self.done(Some(worker));
                parts
            }
            Err(end) => {
                // Ended before another takes its place.
                drop(worker);
                self.done(None);
                let (code, message) = end.fault(wall);
                refused(input, code, message)
            }
        }
    }

    fn not_started(&self, input: &Input<'_>, error: &io::Error) -> Vec<Part> {
        self.done(None);
        refused(input, "BROKEN", format!("the process that reads documents cannot be started: {error}"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle worker, or a new one; waits while all are busy.
    fn worker(&self) -> io::Result<Worker> {
        let mut state = self.state();
        while state.busy >= self.workers_max {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.busy += 1;
        if let Some(worker) = state.idle.pop() {
            return Ok(worker);
        }
        drop(state);
        Worker::start(&self.program, self.ceilings)
    }

    fn done(&self, worker: Option<Worker>) {
        let mut state = self.state();
        state.busy -= 1;
        state.idle.extend(worker.filter(|worker| worker.used < RETIRES_AFTER));
        drop(state);
        self.freed.notify_one();
    }
}

fn refused(input: &Input<'_>, code: &str, message: String) -> Vec<Part> {
    vec![Part::faulty(Kind::Other, input.name, code, message)]
}

/// Why a worker gave no answer.
#[derive(Debug)]
enum End {
    TimedOut,
    Died(Option<ExitStatus>),
}

impl End {
    fn fault(&self, wall: Duration) -> (&'static str, String) {
        match self {
            End::TimedOut => ("TIMED_OUT", format!("reading it took more than {} s", wall.as_secs())),
            End::Died(status) => match signal(*status) {
                // Out of memory aborts.
                Some(6) => ("TOO_LARGE", "reading it needed more memory than is allowed".into()),
                Some(9 | 24) => ("TIMED_OUT", "reading it took more processor time than is allowed".into()),
                _ => ("BROKEN", "reading it broke the process that read it".into()),
            },
        }
    }
}

#[cfg(unix)]
fn signal(status: Option<ExitStatus>) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status?)
}

#[cfg(not(unix))]
fn signal(_: Option<ExitStatus>) -> Option<i32> {
    None
}

/// A running worker. A thread of ours talks to it, so that waiting can end.
#[derive(Debug)]
struct Worker {
    child: Child,
    questions: Sender<Vec<u8>>,
    answers: Receiver<Option<Vec<u8>>>,
    used: Duration,
}

impl Worker {
    fn start(program: &PathBuf, ceilings: Ceilings) -> io::Result<Worker> {
        let mut command = Command::new(program);
        command.arg(COMMAND).arg(ceilings.memory.to_string());
        // Nothing of our environment but what finds the recogniser: a worker needs no secrets.
        command.env_clear();
        for name in ["PATH", "TESSDATA_PREFIX"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        // An allocator that reserves address space by the gigabyte would pass the ceiling before the first document.
        command.env("MIMALLOC_ARENA_RESERVE", ARENA_KIB);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (questions, asked) = channel::<Vec<u8>>();
        let (answer, answers) = channel();
        std::thread::Builder::new().name("reader".into()).spawn(move || {
            for question in asked {
                let got = send(&mut stdin, &question).and_then(|()| receive(&mut stdout)).ok().flatten();
                let ended = got.is_none();
                if answer.send(got).is_err() || ended {
                    break;
                }
            }
        })?;
        Ok(Worker { child, questions, answers, used: Duration::ZERO })
    }

    fn ask(&mut self, question: Vec<u8>, wall: Duration) -> Result<Vec<Part>, End> {
        let begin = Instant::now();
        if self.questions.send(question).is_err() {
            return Err(self.died());
        }
        let answer = self.answers.recv_timeout(wall);
        self.used += begin.elapsed();
        match answer {
            Ok(Some(answer)) => frame::decoded(&answer).ok_or(End::Died(None)),
            Ok(None) | Err(RecvTimeoutError::Disconnected) => Err(self.died()),
            Err(RecvTimeoutError::Timeout) => Err(End::TimedOut),
        }
    }

    /// How it ended; it has closed its output, so the end is near.
    fn died(&mut self) -> End {
        for _ in 0..100 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return End::Died(Some(status));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        End::Died(None)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// --- messages --------------------------------------------------------------------------------

/// What is reserved for a message before it is there.
const RESERVED_MAX: usize = 256 * 1024;

fn send(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    // In one go: whoever waits at the other end is woken once.
    let mut framed = Vec::with_capacity(8 + message.len());
    framed.extend_from_slice(&(message.len() as u64).to_le_bytes());
    framed.extend_from_slice(message);
    to.write_all(&framed)?;
    to.flush()
}

/// The next message; none at the end.
fn receive(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MESSAGE_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // The other end says how much is to come; memory for much is made as it comes.
    let mut message = Vec::with_capacity(length.min(RESERVED_MAX));
    from.take(length as u64).read_to_end(&mut message)?;
    Ok((message.len() == length).then_some(message))
}

// --- the worker itself -----------------------------------------------------------------------

/// Is the worker: answers questions until there are no more. `memory` is its ceiling in bytes.
pub fn serve(memory: u64) -> io::Result<()> {
    // What a broken document makes a library shout is for nobody.
    std::panic::set_hook(Box::new(|_| {}));
    #[cfg(unix)]
    {
        let _ = rlimit::setrlimit(rlimit::Resource::AS, memory, memory);
        let _ = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0);
        let seconds = RETIRES_AFTER.as_secs() + OCR_MAX.as_secs();
        let _ = rlimit::setrlimit(rlimit::Resource::CPU, seconds, seconds);
    }
    #[cfg(not(unix))]
    let _ = memory;
    let serving = std::thread::Builder::new().name("reader".into()).stack_size(STACK).spawn(answers)?;
    serving.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

fn answers() -> io::Result<()> {
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    while let Some(message) = receive(&mut stdin)? {
        let Some(question) = Question::decoded(&message) else { return Err(io::ErrorKind::InvalidData.into()) };
        drop(message);
        let outcome = std::panic::catch_unwind(|| {
            let input = Input { name: &question.name, media_type: &question.media_type, bytes: &question.bytes };
            read::read(&input, &question.limits)
        });
        let parts = outcome.unwrap_or_else(|_| {
            vec![Part::faulty(Kind::Other, &question.name, "BROKEN", "it is broken in a way that nobody foresaw")]
        });
        send(&mut stdout, &frame::encoded(&parts))?;
    }
    Ok(())
}
