import { describe, expect, test, vi } from 'vitest';
import { Events } from './events';
import { backoff } from './live';
import { claim, free, LEASE, release, SLOTS } from './slots';

class Store implements Storage {
  private held = new Map<string, string>();
  get length() { return this.held.size; }
  clear() { this.held.clear(); }
  key(at: number) { return [...this.held.keys()][at] ?? null; }
  getItem(key: string) { return this.held.get(key) ?? null; }
  setItem(key: string, value: string) { this.held.set(key, value); }
  removeItem(key: string) { this.held.delete(key); }
}

describe('server-sent events', () => {
  const TEXT = ': hello\n\nid: 5.250\nevent: series\ndata: {"a":\ndata: 1}\n\nid: 6\r\ndata: tick\r\n\r\ndata: unfinished\n';
  const EXPECTED = [
    { id: '5.250', name: 'series', data: '{"a":\n1}' },
    { id: '6', name: 'message', data: 'tick' },
  ];

  test('are the same however the text is cut', () => {
    for (let cut = 1; cut <= TEXT.length; cut += 1) {
      const events = new Events();
      const messages = [];
      for (let at = 0; at < TEXT.length; at += cut) messages.push(...events.read(TEXT.slice(at, at + cut)));
      expect(messages, `pieces of ${cut}`).toEqual(EXPECTED);
    }
  });
});

describe('places for streams', () => {
  const lease = (tab: string, until: number) => JSON.stringify({ tab, until });

  test('are few, and free again when their lease ends', () => {
    const store = new Store();
    const now = 1_000_000;
    for (let slot = 0; slot < SLOTS; slot += 1) {
      expect(free(store, 'own', now)).toBe(slot);
      store.setItem(`rampart-stream-${slot}`, lease(`tab-${slot}`, now + LEASE));
    }
    expect(free(store, 'own', now)).toBe(-1);
    expect(free(store, 'tab-1', now)).toBe(1);
    expect(free(store, 'own', now + LEASE + 1)).toBe(0);
  });

  test('go to the other tab when two hold the same one', async () => {
    vi.useFakeTimers();
    const store = new Store();
    vi.stubGlobal('localStorage', store);
    const lost = vi.fn();
    const claimed = claim(lost);
    await vi.advanceTimersByTimeAsync(100);
    expect(await claimed).toBe(true);
    await vi.advanceTimersByTimeAsync(LEASE);
    expect(lost).not.toHaveBeenCalled();
    const theirs = lease('other', Date.now() + LEASE);
    store.setItem('rampart-stream-0', theirs);
    await vi.advanceTimersByTimeAsync(LEASE);
    expect(lost).toHaveBeenCalledTimes(1);
    release();
    expect(store.getItem('rampart-stream-0')).toBe(theirs);
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  test('a lease nobody can have written is no lease', () => {
    const store = new Store();
    for (const text of ['{', 'null', '{"tab":1}', lease('x', 9e15)]) {
      store.setItem('rampart-stream-0', text);
      expect(free(store, 'own', 1_000_000), text).toBe(0);
    }
  });
});

test('waits double up to a quarter of a minute, never in step', () => {
  expect([0, 1, 2, 3, 9].map((failures) => backoff(failures, () => 1))).toEqual([1_000, 2_000, 4_000, 8_000, 15_000]);
  expect(backoff(3, () => 0)).toBe(4_000);
});
