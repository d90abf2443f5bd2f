//! New numbers, taken from the store in blocks so that a thousand mails do not ask a thousand times.

use std::sync::{Arc, Mutex};

use crate::model::{AlarmId, MailId, Numbers, ResponseId, SaleId, TransmissionId};
use crate::store::{Sequence, Store, StoreError};

/// How many numbers are reserved at a time; what is left at the end is lost, gaps are harmless.
const BLOCK: u64 = 256;

pub struct NumberBlocks {
    store: Arc<dyn Store>,
    blocks: Mutex<[Block; 5]>,
}

#[derive(Clone, Copy, Default)]
struct Block {
    next: u64,
    end: u64,
}

impl NumberBlocks {
    pub fn new(store: Arc<dyn Store>) -> NumberBlocks {
        NumberBlocks { store, blocks: Mutex::default() }
    }

    fn take(&self, sequence: Sequence) -> Result<u64, StoreError> {
        let mut blocks = self.blocks.lock().map_err(|_| StoreError::Away("a writer of numbers died".into()))?;
        let [mail, response, transmission, alarm, sale] = &mut *blocks;
        let block = match sequence {
            Sequence::Mail => mail,
            Sequence::Response => response,
            Sequence::Transmission => transmission,
            Sequence::Alarm => alarm,
            Sequence::Sale => sale,
        };
        if block.next == block.end {
            let first = self.store.reserve(sequence, BLOCK)?;
            *block = Block { next: first, end: first + BLOCK };
        }
        let number = block.next;
        block.next += 1;
        Ok(number)
    }

    pub fn mail(&self) -> Result<MailId, StoreError> {
        self.take(Sequence::Mail).map(MailId)
    }

    pub fn transmission(&self) -> Result<TransmissionId, StoreError> {
        self.take(Sequence::Transmission).map(TransmissionId)
    }

    pub fn sale(&self) -> Result<SaleId, StoreError> {
        self.take(Sequence::Sale).map(SaleId)
    }

    pub fn alarm(&self) -> Result<AlarmId, StoreError> {
        self.take(Sequence::Alarm).map(AlarmId)
    }
}

/// Numbers for one decision. Deciding cannot fail for want of a number, so the first failure is kept
/// and the decision thrown away by whoever asks [`Handout::failed`].
pub struct Handout<'a> {
    blocks: &'a NumberBlocks,
    failed: Option<StoreError>,
}

impl<'a> Handout<'a> {
    pub fn new(blocks: &'a NumberBlocks) -> Handout<'a> {
        Handout { blocks, failed: None }
    }

    pub fn failed(self) -> Option<StoreError> {
        self.failed
    }

    fn take(&mut self, sequence: Sequence) -> u64 {
        match self.blocks.take(sequence) {
            Ok(number) => number,
            Err(error) => {
                self.failed = Some(error);
                0
            }
        }
    }
}

impl Numbers for Handout<'_> {
    fn response(&mut self) -> ResponseId {
        ResponseId(self.take(Sequence::Response))
    }
    fn transmission(&mut self) -> TransmissionId {
        TransmissionId(self.take(Sequence::Transmission))
    }
    fn alarm(&mut self) -> AlarmId {
        AlarmId(self.take(Sequence::Alarm))
    }
}
