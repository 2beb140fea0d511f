// One cursor for all charts of a page: where one is read, the others show the same instant.

export interface CursorAt {
  /** Unix seconds; null when no chart is read. */
  at: number | null;
  /** The chart that is read. */
  source: string;
  /** Whether a key moved it, so that it is read out. */
  byKey: boolean;
}

export interface CursorGroup {
  readonly now: CursorAt;
  set(at: CursorAt): void;
  /** Calls back on every move; gives the way to stop. */
  follow(listener: (at: CursorAt) => void): () => void;
}

export function cursorGroup(): CursorGroup {
  let now: CursorAt = { at: null, source: '', byKey: false };
  const listeners = new Set<(at: CursorAt) => void>();
  return {
    get now() {
      return now;
    },
    set(next) {
      if (next.at === now.at && next.source === now.source) return;
      now = next;
      for (const listener of listeners) listener(next);
    },
    follow(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
