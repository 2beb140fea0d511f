//! Things with a number that stays theirs until they are taken out.

#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Slots {
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    /// How many things there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many numbers were ever given.
    pub(super) fn numbers(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, at: u32) -> Option<&T> {
        self.places.get(at as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.places.get_mut(at as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    /// Every thing with its number.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &T)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(at, thing)| Some((at as u32, thing.as_ref()?)))
    }

    pub(super) fn put(&mut self, thing: T) -> u32 {
        self.len += 1;
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.places.get_mut(at as usize)
        {
            *slot = Some(thing);
            return at;
        }
        self.places.push(Some(thing));
        (self.places.len() - 1) as u32
    }

    pub(super) fn take(&mut self, at: u32) -> Option<T> {
        let thing = self.places.get_mut(at as usize)?.take()?;
        self.free.push(at);
        self.len -= 1;
        Some(thing)
    }
}
