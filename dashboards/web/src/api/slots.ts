// A browser opens few connections to one server over HTTP/1.1, and a stream holds one for good. So all tabs
// together hold three at most: a tab that wants a stream leases a place, which the others see.

export const SLOTS = 3;
export const LEASE = 6_000;
const RENEW = 2_000;
const KEY = 'rampart-stream-';

interface Lease {
  tab: string;
  until: number;
}

const tab = Math.random().toString(36).slice(2);
let held = -1;
let renewing: ReturnType<typeof setInterval> | undefined;

function read(store: Storage, slot: number): Lease | undefined {
  try {
    const lease = JSON.parse(store.getItem(KEY + slot) ?? 'null') as Lease | null;
    return lease && typeof lease.tab === 'string' && typeof lease.until === 'number' ? lease : undefined;
  } catch {
    return undefined;
  }
}

/** A slot that is free at `now`, or was this tab's own. */
export function free(store: Storage, own: string, now: number): number {
  for (let slot = 0; slot < SLOTS; slot += 1) {
    const lease = read(store, slot);
    // A lease far in the future was written under another clock.
    if (!lease || lease.tab === own || lease.until < now || lease.until > now + 2 * LEASE) return slot;
  }
  return -1;
}

function write(store: Storage, slot: number): void {
  store.setItem(KEY + slot, JSON.stringify({ tab, until: Date.now() + LEASE }));
}

/** Leases a place; false when all are taken. Without storage every tab may have one. `lost` is called when
 * another tab turns out to have the same place: it keeps it. */
export async function claim(lost: () => void): Promise<boolean> {
  release();
  let store: Storage;
  try {
    store = localStorage;
    const slot = free(store, tab, Date.now());
    if (slot < 0) return false;
    write(store, slot);
    // Two tabs may have written the same place: the last one has it.
    await new Promise((done) => setTimeout(done, 20 + Math.random() * 30));
    if (read(store, slot)?.tab !== tab) return false;
    held = slot;
  } catch {
    return true;
  }
  renewing = setInterval(() => {
    if (held < 0) return;
    // On a busy machine two tabs may each have read back what they wrote, or this one slept too long.
    if ((read(store, held)?.tab ?? tab) === tab) {
      write(store, held);
      return;
    }
    release();
    lost();
  }, RENEW);
  return true;
}

/** Gives the place back. */
export function release(): void {
  clearInterval(renewing);
  if (held < 0) return;
  try {
    if (read(localStorage, held)?.tab === tab) localStorage.removeItem(KEY + held);
  } catch {
    // The lease ends by itself.
  }
  held = -1;
}
