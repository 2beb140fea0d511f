// Live data: one stream of server-sent events per page, read with fetch so that the token can be sent.
// A hidden page closes its stream; a browser holds few of them; who gets none, or whose stream fails, polls.

import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, get, onRefused, send } from './client';
import { Events, type Message } from './events';
import { claim, release } from './slots';

export interface LiveRequest {
  /** The topics of the stream and their parameters; none for what is only polled. Changing it starts anew. */
  stream?: Record<string, string>;
  /** The same by plain answers, when there is no stream: event name -> path. */
  poll: Record<string, string>;
  /** How often the plain answers are asked for, in milliseconds; 2 s when nothing is said. */
  every?: number;
}

export type LiveState = 'loading' | 'live' | 'polling' | 'stale' | 'error';

/** Without news for this long, what is shown is called old. */
export const STALE_AFTER = 5_000;
const POLL_EVERY = 2_000;
const SLOT_EVERY = 10_000;
const BACKOFF_MAX = 15_000;

/** How long to wait before the next attempt: doubling from a second, with jitter so that pages do not
 * come back all at once. */
export function backoff(failures: number, random: () => number = Math.random): number {
  const whole = Math.min(BACKOFF_MAX, 1_000 * 2 ** Math.min(failures, 10));
  return whole * (0.5 + random() / 2);
}

export interface Listener {
  message(name: string, body: unknown, asOf: number): void;
  state(state: LiveState, error?: ApiError): void;
}

/** Follows one request until `stop` is called. */
export class Follower {
  private ending = new AbortController();
  private lastId = '';
  private failures = 0;
  private stopped = false;
  private waiting: ReturnType<typeof setTimeout> | undefined;
  private endRefusals: () => void;

  constructor(private readonly request: LiveRequest, private readonly listener: Listener) {
    this.endRefusals = onRefused(() => this.listener.state('error', new ApiError(401, '', '', undefined, undefined)));
    document.addEventListener('visibilitychange', this.look);
    void this.run();
  }

  stop(): void {
    this.stopped = true;
    this.endRefusals();
    document.removeEventListener('visibilitychange', this.look);
    this.ending.abort();
    clearTimeout(this.waiting);
    release();
  }

  private look = () => {
    this.ending.abort();
    this.ending = new AbortController();
    clearTimeout(this.waiting);
    if (document.hidden) release();
    else void this.run();
  };

  private async run(): Promise<void> {
    const ending = this.ending.signal;
    let slotAt = 0;
    while (!this.stopped && !document.hidden && !ending.aborted) {
      const now = performance.now();
      if (this.request.stream && this.failures < 2 && now >= slotAt) {
        slotAt = now + SLOT_EVERY;
        const lost = new AbortController();
        if (await claim(() => lost.abort())) {
          await this.listen(AbortSignal.any([ending, lost.signal]));
          release();
          if (ending.aborted) return;
          if (!lost.signal.aborted) {
            await this.pause(backoff(this.failures));
            continue;
          }
        }
      }
      await this.poll(ending);
      if (ending.aborted) return;
      const wait = this.failures > 2 ? backoff(this.failures - 2) : (this.request.every ?? POLL_EVERY);
      await this.pause(wait);
    }
  }

  private pause(wait: number): Promise<void> {
    return new Promise((done) => {
      this.waiting = setTimeout(done, wait);
      this.ending.signal.addEventListener('abort', () => done(), { once: true });
    });
  }

  private async listen(ending: AbortSignal): Promise<void> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.lastId) headers['Last-Event-ID'] = this.lastId;
    try {
      const query = new URLSearchParams(this.request.stream ?? {});
      const answer = await send(`api/v1/stream?${query}`, { headers, signal: ending });
      const reader = answer.body?.getReader();
      if (!reader) throw new Error('no body');
      const events = new Events();
      const text = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        for (const message of events.read(text.decode(value, { stream: true }))) this.take(message);
      }
      this.failures += 1;
    } catch (cause) {
      if (ending.aborted) return;
      this.failures += 1;
      this.listener.state('error', cause instanceof ApiError ? cause : undefined);
    }
  }

  private take(message: Message): void {
    this.failures = 0;
    if (message.id) this.lastId = message.id;
    let body: unknown;
    try {
      body = JSON.parse(message.data);
    } catch {
      return;
    }
    this.listener.state('live');
    this.listener.message(message.name, body, Number(message.id) || 0);
  }

  private async poll(ending: AbortSignal): Promise<void> {
    try {
      for (const [name, path] of Object.entries(this.request.poll)) {
        const body = await get<{ as_of?: string }>(path, ending);
        this.listener.state('polling');
        this.listener.message(name, body, body.as_of ? Date.parse(body.as_of) / 1000 : 0);
      }
      this.failures = 0;
    } catch (cause) {
      if (ending.aborted) return;
      this.failures += 1;
      this.listener.state('error', cause instanceof ApiError ? cause : undefined);
    }
  }
}

export interface Live<T> {
  data: T | undefined;
  /** The server's moment of the newest news, in Unix seconds. */
  asOf: number | undefined;
  error: ApiError | undefined;
  state: LiveState;
  /** Seconds since the data was known to be good, by this machine's own steady clock. */
  age: number;
}

/** What the page as a whole knows about its data, for the header. */
export interface Freshness {
  state: LiveState;
  asOf: number | undefined;
  age: number;
}

let freshness: Freshness = { state: 'loading', asOf: undefined, age: 0 };
const watchers = new Set<(now: Freshness) => void>();

/** The server's time as far as this page knows it, in Unix seconds; a browser's own clock may be wrong. */
export function serverNow(): number {
  return freshness.asOf === undefined ? Date.now() / 1_000 : freshness.asOf + freshness.age;
}

/** The freshness of the page that is shown. */
export function useFreshness(): Freshness {
  const [seen, see] = useState(freshness);
  useEffect(() => {
    watchers.add(see);
    see(freshness);
    return () => {
      watchers.delete(see);
    };
  }, []);
  return seen;
}

function publish(next: Freshness): void {
  freshness = next;
  watchers.forEach((watcher) => watcher(next));
}

/** Follows a request; `take` puts every message into the data shown. */
export function useLive<T>(request: LiveRequest, take: (data: T | undefined, name: string, body: unknown) => T | undefined): Live<T> {
  const [live, setLive] = useState<Live<T>>({ data: undefined, asOf: undefined, error: undefined, state: 'loading', age: 0 });
  const taking = useRef(take);
  taking.current = take;
  const key = JSON.stringify(request);
  useEffect(() => {
    let last: number | undefined;
    setLive((now) => ({ ...now, data: undefined, error: undefined, state: 'loading', age: 0 }));
    const show = (patch: (now: Live<T>) => Partial<Live<T>>) =>
      setLive((now) => {
        const next = { ...now, ...patch(now) };
        publish({ state: next.state, asOf: next.asOf, age: next.age });
        return next;
      });
    const follower = new Follower(request, {
      message(name, body, asOf) {
        last = performance.now();
        show((now) => ({ data: taking.current(now.data, name, body), asOf: asOf || now.asOf, age: 0 }));
      },
      state(state, error) {
        if (state !== 'error') show(() => ({ state, error: undefined }));
        else show((now) => ({ error, state: now.data === undefined ? 'error' : now.state }));
      },
    });
    const timer = setInterval(() => {
      if (last === undefined || document.hidden) return;
      const age = performance.now() - last;
      if (age >= 1_000) show((now) => ({ age: age / 1000, state: age > STALE_AFTER && now.data !== undefined ? 'stale' : now.state }));
    }, 1_000);
    return () => {
      clearInterval(timer);
      follower.stop();
    };
  }, [key]);
  return live;
}
