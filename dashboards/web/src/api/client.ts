// Speaks to the API: addresses relative to where the pages live, a token when one is known, and problem
// documents as errors that say what to do.

const TOKEN_KEY = 'rampart-token';

/** What the server said when it could not answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly hint: string | undefined,
    readonly field: string | undefined,
  ) {
    super(detail || title);
    this.name = 'ApiError';
  }

  /** The server was not reached at all. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

/** The token of this tab; it is forgotten with the tab. */
export function token(): string {
  return sessionStorage.getItem(TOKEN_KEY) ?? '';
}

export function rememberToken(value: string): void {
  if (value) sessionStorage.setItem(TOKEN_KEY, value);
  else sessionStorage.removeItem(TOKEN_KEY);
}

const refusals = new Set<() => void>();

/** Calls back when the server wants a token, or another one. Gives a function that ends it. */
export function onRefused(call: () => void): () => void {
  refusals.add(call);
  return () => refusals.delete(call);
}

/** An address below the place where the pages live. */
export function address(path: string): string {
  return new URL(path, document.baseURI).href;
}

function request(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  const known = token();
  if (known) headers.set('Authorization', `Bearer ${known}`);
  return fetch(address(path), { ...init, headers, cache: 'no-store' });
}

/** Sends a request; an answer that is not good becomes an ApiError. */
export async function send(path: string, init: RequestInit = {}, asked = request(path, init)): Promise<Response> {
  let answer: Response;
  try {
    answer = await asked;
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(0, 'unreachable', '', undefined, undefined);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) refusals.forEach((call) => call());
  throw await problem(answer);
}

const JSON_WANTED = { Accept: 'application/json' };
const ahead = new Map<string, Promise<Response>>();

/** Asks for what a page is about to want; the first `get` of the same path takes the answer. */
export function askAhead(path: string): void {
  const asked = request(path, { headers: JSON_WANTED });
  // Who takes it hears why it failed.
  asked.catch(() => undefined);
  ahead.set(path, asked);
}

async function problem(answer: Response): Promise<ApiError> {
  let said: Record<string, unknown> = {};
  try {
    said = (await answer.json()) as Record<string, unknown>;
  } catch {
    // A proxy answered, not Rampart.
  }
  const text = (name: string) => (typeof said[name] === 'string' ? (said[name] as string) : undefined);
  return new ApiError(
    answer.status,
    text('title') ?? answer.statusText,
    text('detail') ?? `HTTP ${answer.status}`,
    text('hint'),
    text('field'),
  );
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { headers: JSON_WANTED };
  if (signal) init.signal = signal;
  const asked = ahead.get(path);
  ahead.delete(path);
  return (await (await send(path, init, asked)).json()) as T;
}

export async function post<T>(path: string, body: unknown = {}): Promise<T> {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
  return (await (await send(path, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as T;
}
