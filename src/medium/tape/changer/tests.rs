//! A simulated changer that executes the same commands, and searches in it.

use super::*;
use crate::format::object::Id;
use crate::medium::request::MediumRequest;
use crate::medium::scsi::Sense;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::result::Result;
use std::sync::Arc;

const DRIVE: u16 = 256;
const FIRST: u16 = 1000;

#[derive(Debug, Clone)]
struct Cartridge {
    label: &'static str,
    source: Option<u16>,
}

#[derive(Debug, Default)]
struct State {
    device_type: u8,
    slots: Vec<Option<Cartridge>>,
    /// The robot serves the first one, except where a test says otherwise.
    drives: Vec<Option<Cartridge>>,
    serials: Vec<&'static str>,
    /// The drive has locked its cartridge.
    locked: bool,
    /// It does not report a cartridge's source element.
    forgets_sources: bool,
    /// Answers to the next commands.
    mishaps: VecDeque<ScsiError>,
    /// Answers to the next moves.
    moves_fail: VecDeque<ScsiError>,
    pauses: u32,
    impatient: bool,
    /// From and to.
    moves: Vec<(u16, u16)>,
    /// The most elements in one answer.
    most_elements: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct Simulated(Arc<Mutex<State>>);

const fn sense(key: u8, asc: u8, ascq: u8) -> ScsiError {
    ScsiError::Sense(Sense { key, code: (asc, ascq) })
}

impl Simulated {
    fn new(labels: &[Option<&'static str>]) -> Self {
        let slot = |l: &Option<&'static str>| l.map(|label| Cartridge { label, source: None });
        let slots = labels.iter().map(slot).collect();
        let state = State { device_type: DEVICE_TYPE, slots, drives: vec![None], ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.lock()
    }

    fn changer(&self) -> Changer {
        Changer::new(Box::new(self.clone()), "/dev/sg1".into()).unwrap()
    }

    fn robot(&self) -> Robot {
        Robot::new(self.changer(), None, None).unwrap()
    }

    /// What is in the drive.
    fn loaded(&self) -> Option<&'static str> {
        self.state().drives[0].as_ref().map(|c| c.label)
    }
}

impl State {
    fn element(&mut self, address: u16) -> Result<&mut Option<Cartridge>, ScsiError> {
        let found = match address {
            FIRST.. => self.slots.get_mut(usize::from(address - FIRST)),
            _ => address.checked_sub(DRIVE).and_then(|i| self.drives.get_mut(usize::from(i))),
        };
        found.ok_or(sense(5, 0x21, 1))
    }

    fn carry(&mut self, from: u16, to: u16) -> Result<(), ScsiError> {
        if let Some(e) = self.moves_fail.pop_front() {
            return Err(e);
        }
        if self.element(from)?.is_none() {
            return Err(sense(5, 0x3b, 0x0e));
        }
        if self.element(to)?.is_some() {
            return Err(sense(5, 0x3b, 0x0d));
        }
        if from == DRIVE && self.locked {
            return Err(sense(5, 0x53, 2));
        }
        let forgets = self.forgets_sources;
        let mut cartridge = self.element(from)?.take().unwrap();
        cartridge.source = (from >= FIRST && !forgets).then_some(from);
        *self.element(to)? = Some(cartridge);
        self.moves.push((from, to));
        self.locked = to == DRIVE;
        Ok(())
    }

    fn status(&self, kind: u8, first: u16, most: usize, with_devices: bool) -> Vec<u8> {
        let (base, elements) = match kind {
            2 => (FIRST, &self.slots),
            4 => (DRIVE, &self.drives),
            _ => return vec![0; 8],
        };
        let mut descriptors = Vec::new();
        let most = most.min(self.most_elements.unwrap_or(most));
        for (address, element) in (base..).zip(elements).filter(|(a, _)| *a >= first).take(most) {
            let source = element.as_ref().and_then(|c| c.source);
            descriptors.extend(address.to_be_bytes());
            descriptors.extend([8 | u8::from(element.is_some()), 0, 0, 0, 0, 0, 0]);
            descriptors.push(1 | if source.is_some() { 0x80 } else { 0 });
            descriptors.extend(source.unwrap_or(0).to_be_bytes());
            let label = element.as_ref().map_or("", |c| c.label);
            descriptors.extend(format!("{label:36}").as_bytes());
            let serial = if with_devices { self.serials[usize::from(address - DRIVE)] } else { "" };
            descriptors.extend([2, 1, 0, serial.len() as u8]);
            descriptors.extend(format!("{serial:10}").as_bytes());
        }
        let length = descriptors.len() as u32;
        let page = [&[kind, 0x80, 0, 12 + 36 + 14], &length.to_be_bytes()[..], &descriptors].concat();
        [&[0; 4], &(page.len() as u32).to_be_bytes()[..], &page].concat()
    }
}

impl Scsi for Simulated {
    fn execute(&mut self, command: &[u8], into: &mut [u8], _: Duration) -> Result<usize, ScsiError> {
        let mut state = self.state();
        if let Some(e) = state.mishaps.pop_front() {
            return Err(e);
        }
        let number = |at: usize| u16::from_be_bytes([command[at], command[at + 1]]);
        let answer = match command[0] {
            INQUIRY => vec![state.device_type; 36],
            TEST_UNIT_READY => Vec::new(),
            MODE_SENSE => {
                let counts = [(0, 1), (FIRST, state.slots.len() as u16), (10, 0), (DRIVE, state.drives.len() as u16)];
                let ranges = counts.iter().flat_map(|(first, count)| [*first, *count]).flat_map(u16::to_be_bytes);
                [0, 0, 0, 0, 0x1d, 18].into_iter().chain(ranges).collect()
            }
            READ_ELEMENT_STATUS => state.status(command[1] & 15, number(2), number(4).into(), command[6] & 1 != 0),
            MOVE_MEDIUM => {
                state.carry(number(4), number(6))?;
                Vec::new()
            }
            _ => return Err(sense(5, 0x20, 0)),
        };
        let length = answer.len().min(into.len());
        into[..length].copy_from_slice(&answer[..length]);
        Ok(length)
    }

    fn pause(&mut self) -> bool {
        let mut state = self.state();
        state.pauses += 1;
        !state.impatient
    }
}

impl DriveHandling for Simulated {
    fn eject(&self) -> Result<(), MediumError> {
        self.state().locked = false;
        Ok(())
    }

    fn reload(&self) {
        self.state().locked = true;
    }

    fn on_load(&self, slot: u32, _: Option<&str>) {
        assert!(slot > 0);
    }
}

fn wanted(place: u64, blank: bool) -> MediumRequest {
    MediumRequest { set: Id([1; 16]), set_name: "honin".into(), place, blank }
}

/// The rejection of a cartridge that is not blank, and of another medium of the set.
fn not_blank() -> Option<Rejection> {
    Some((&MediumError::NotBlank { medium: "/dev/nst0".into() }).into())
}

fn other(found: u64) -> Option<Rejection> {
    Some((&MediumError::OtherMedium { path: "/dev/nst0".into(), found, wanted: 1 }).into())
}

fn problem_of<T: std::fmt::Debug>(result: Result<T, MediumError>) -> ChangerProblem {
    match result.unwrap_err() {
        MediumError::Device { medium, why: DeviceProblem::Changer(why) } if medium == "/dev/sg1" => why,
        e => panic!("{e:?}"),
    }
}

#[test]
fn another_kind_of_device_is_refused() {
    let tape = Simulated::default();
    tape.state().device_type = 1;
    assert_eq!(problem_of(Changer::new(Box::new(tape), "/dev/sg1".into())), ChangerProblem::Missing);
}

#[test]
fn attentions_are_passed_over_and_a_start_is_waited_for() {
    let library = Simulated::new(&[Some("A")]);
    library.state().mishaps.extend([sense(6, 0x29, 0), sense(6, 0x28, 0), sense(2, 4, 1), sense(2, 4, 1), ScsiError::Busy]);
    library.changer();
    assert_eq!(library.state().pauses, 3);
}

#[test]
fn waiting_has_an_end() {
    let library = Simulated::new(&[]);
    let open = || Changer::new(Box::new(library.clone()), "/dev/sg1".into());
    library.state().mishaps.extend((0..1000).map(|_| sense(6, 0x29, 0)));
    assert_eq!(problem_of(open()), ChangerProblem::Failed(Sense { key: 6, code: (0x29, 0) }));
    library.state().mishaps = (0..1000).map(|_| sense(2, 4, 1)).collect();
    assert_eq!(problem_of(open()), ChangerProblem::Failed(Sense { key: 2, code: (4, 1) }));
    library.state().mishaps = (0..1000).map(|_| ScsiError::Busy).collect();
    assert_eq!(problem_of(open()), ChangerProblem::Busy);
    library.state().mishaps = (0..1000).map(|_| sense(2, 4, 1)).collect();
    (library.state().impatient, library.state().pauses) = (true, 0);
    assert_eq!(problem_of(open()), ChangerProblem::Failed(Sense { key: 2, code: (4, 1) }));
    assert_eq!(library.state().pauses, 1, "the user has ended the wait");
}

#[test]
fn errors_of_the_operating_system_are_told_apart() {
    let open = |e: rustix::io::Errno| {
        let library = Simulated::new(&[]);
        library.state().mishaps.push_back(ScsiError::System(e.into()));
        Changer::new(Box::new(library), "/dev/sg1".into()).map(drop)
    };
    assert_eq!(problem_of(open(rustix::io::Errno::NOENT)), ChangerProblem::Missing);
    assert_eq!(problem_of(open(rustix::io::Errno::NOTTY)), ChangerProblem::Missing);
    assert_eq!(problem_of(open(rustix::io::Errno::ACCESS)), ChangerProblem::Denied);
    assert_eq!(problem_of(open(rustix::io::Errno::PERM)), ChangerProblem::Denied);
    assert!(matches!(open(rustix::io::Errno::NOMEM), Err(MediumError::Io { .. })));
}

#[test]
fn a_large_library_is_asked_in_parts() {
    let library = Simulated::new(&[Some("A"); 300]);
    library.state().most_elements = Some(50);
    assert_eq!(library.changer().inventory().unwrap().of(ElementKind::Storage).count(), 300);
    library.state().most_elements = Some(0);
    assert_eq!(problem_of(library.changer().inventory()), ChangerProblem::MalformedAnswer);
}

#[test]
fn cartridges_are_tried_in_their_order_and_once() {
    let library = Simulated::new(&[None, Some("A"), Some("CLN001"), Some("B"), Some("C")]);
    let mut robot = library.robot();
    let want = wanted(1, true);
    assert!(robot.bring(&want, None, &library).unwrap());
    assert_eq!(library.loaded(), Some("A"));
    assert!(robot.bring(&want, not_blank(), &library).unwrap());
    assert_eq!(library.loaded(), Some("B"));
    assert!(robot.bring(&want, not_blank(), &library).unwrap());
    assert_eq!(library.loaded(), Some("C"));
    assert!(!robot.bring(&want, not_blank(), &library).unwrap());
    let moves = [(1001, DRIVE), (DRIVE, 1001), (1003, DRIVE), (DRIVE, 1003), (1004, DRIVE)];
    assert_eq!(library.state().moves, moves, "each goes back to its slot");
    assert!(robot.bring(&want, None, &library).unwrap(), "a new request starts a new search");
    assert_eq!(library.loaded(), Some("A"));
}

#[test]
fn afterwards_the_drive_has_what_it_had_before() {
    let library = Simulated::new(&[Some("A"), Some("B")]);
    library.state().carry(1001, DRIVE).unwrap();
    let mut robot = library.robot();
    let want = wanted(2, true);
    assert!(robot.bring(&want, None, &library).unwrap());
    assert_eq!(library.loaded(), Some("A"));
    assert!(robot.bring(&want, not_blank(), &library).unwrap(), "the cartridge that was loaded first is tried too");
    assert_eq!(library.loaded(), Some("B"));
    let moves = library.state().moves.len();
    assert!(!robot.bring(&want, not_blank(), &library).unwrap());
    assert_eq!((library.loaded(), library.state().moves.len()), (Some("B"), moves));
}

#[test]
fn a_refused_cartridge_goes_back_for_the_first_one() {
    let library = Simulated::new(&[Some("A"), Some("B")]);
    library.state().carry(1001, DRIVE).unwrap();
    let mut robot = library.robot();
    let want = wanted(1, false);
    assert!(robot.bring(&want, other(2), &library).unwrap());
    assert_eq!(library.loaded(), Some("A"));
    assert!(!robot.bring(&want, other(3), &library).unwrap());
    assert_eq!(library.loaded(), Some("B"));
    assert!(robot.bring(&wanted(3, false), None, &library).unwrap());
    assert_eq!(library.loaded(), Some("A"), "learned during the search for another one");
    assert!(robot.bring(&wanted(2, false), None, &library).unwrap());
    assert_eq!(library.loaded(), Some("B"));
}

#[test]
fn what_was_right_is_found_at_once() {
    let library = Simulated::new(&[Some("A"), Some("B"), Some("C"), Some("D")]);
    let mut robot = library.robot();
    let (first, second) = (wanted(1, true), wanted(2, true));
    robot.bring(&first, None, &library).unwrap();
    robot.bring(&second, None, &library).unwrap();
    assert_eq!(library.loaded(), Some("B"), "the first one is known not to be blank");
    robot.bring(&second, not_blank(), &library).unwrap();
    assert_eq!(library.loaded(), Some("C"));
    robot.bring(&wanted(1, false), None, &library).unwrap();
    assert_eq!(library.loaded(), Some("A"));
    // Somebody rearranges them: the barcodes identify them.
    library.state().slots.swap(2, 3);
    robot.bring(&wanted(2, false), None, &library).unwrap();
    assert_eq!(library.loaded(), Some("C"));
}

#[test]
fn a_cartridge_of_unknown_origin_goes_to_the_first_free_slot() {
    let library = Simulated::new(&[Some("A"), None, Some("B"), None]);
    library.state().forgets_sources = true;
    library.state().carry(1002, DRIVE).unwrap();
    let mut robot = library.robot();
    assert!(robot.bring(&wanted(2, true), None, &library).unwrap());
    assert_eq!(library.state().moves[1..], [(DRIVE, 1001), (1000, DRIVE)]);
    assert!(robot.bring(&wanted(2, true), not_blank(), &library).unwrap());
    assert_eq!(library.state().moves[3..], [(DRIVE, 1000), (1001, DRIVE)], "the robot remembers where it took it from");
}

#[test]
fn a_library_without_a_free_slot() {
    let library = Simulated::new(&[Some("A"), Some("B")]);
    library.state().drives[0] = Some(Cartridge { label: "C", source: Some(1000) });
    assert_eq!(problem_of(library.robot().bring(&wanted(1, true), None, &library)), ChangerProblem::NoFreeSlot);
    assert!(library.state().moves.is_empty());
}

#[test]
fn an_empty_library_brings_nothing() {
    let library = Simulated::new(&[None, None, Some("CLN001")]);
    assert!(!library.robot().bring(&wanted(1, true), None, &library).unwrap());
    assert!(library.state().moves.is_empty());
}

#[test]
fn a_robot_that_fails_is_not_asked_again() {
    let library = Simulated::new(&[Some("A"), Some("B")]);
    library.state().moves_fail.push_back(sense(4, 0x15, 1));
    let failed = problem_of(library.robot().bring(&wanted(1, true), None, &library));
    assert_eq!(failed, ChangerProblem::Failed(Sense { key: 4, code: (0x15, 1) }));
    assert!(library.state().moves.is_empty());
}

#[test]
fn a_cartridge_that_the_robot_cannot_carry_is_loaded_again() {
    let library = Simulated::new(&[Some("A"), Some("B")]);
    library.state().carry(FIRST, DRIVE).unwrap();
    library.state().moves_fail.push_back(sense(4, 0x15, 1));
    library.robot().bring(&wanted(2, true), None, &library).unwrap_err();
    assert!(library.state().locked);
    assert_eq!(library.loaded(), Some("A"));
}

#[test]
fn which_drive() {
    let library = Simulated::new(&[Some("A")]);
    (library.state().drives, library.state().serials) = (vec![None, None], vec!["X SER0", "X SER1"]);
    let drive = |number, serial| Robot::new(library.changer(), number, serial);
    let serves = |mut robot: Robot| {
        robot.bring(&wanted(1, true), None, &library).unwrap();
        let to = library.state().moves.last().unwrap().1;
        library.state().locked = false;
        library.state().carry(to, FIRST).unwrap();
        to
    };
    assert_eq!(serves(drive(None, Some("SER1")).unwrap()), DRIVE + 1);
    assert_eq!(serves(drive(Some(1), None).unwrap()), DRIVE + 1);
    assert_eq!(serves(drive(Some(0), Some("SER1")).unwrap()), DRIVE);
    for unclear in [drive(None, None), drive(None, Some("SER9")), drive(Some(2), None)] {
        assert_eq!(problem_of(unclear), ChangerProblem::WhichDrive { drives: 2 });
    }
}
